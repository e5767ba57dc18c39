/* RCTD: cell types of the pixels of a tissue. Included by cytosol.hpp, whose rules hold. */
#ifndef CYTOSOL_RCTD_HPP
#define CYTOSOL_RCTD_HPP

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "counts.hpp"

namespace cytosol {

/// How RCTD explains a pixel: any mixture of types, one or two, or a few.
enum class mode : int32_t { full = CYTO_RCTD_FULL, doublet = CYTO_RCTD_DOUBLET, multi = CYTO_RCTD_MULTI };

/// How a reference is made; spacexr's defaults.
struct reference_options {
    std::uint64_t n_max_cells = 10000;   ///< most cells of a type; more are sampled down
    double min_umi = 100;                ///< least total counts of a cell
    std::uint64_t cell_min = 25;         ///< with drop_rare_types: least cells of a type
    bool drop_rare_types = false;        ///< leave rare types out with a warning; else rctd refuses them
    std::vector<std::string> type_order; ///< all types in this order; empty = as they come
};

namespace detail {
/// The C struct; `order` keeps the pointers that it holds.
inline cyto_reference_options c_options(const reference_options &options,
                                        std::vector<const char *> &order) {
    cyto_reference_options given = CYTO_REFERENCE_OPTIONS_INIT;
    given.n_max_cells = options.n_max_cells;
    given.min_umi = options.min_umi;
    given.cell_min = options.cell_min;
    given.rare_types = options.drop_rare_types ? CYTO_RARE_TYPES_DROP : CYTO_RARE_TYPES_KEEP;
    order = c_strs("type_order", options.type_order);
    given.type_order = order.empty() ? nullptr : order.data();
    given.n_type_order = order.size();
    return given;
}
} // namespace detail

/// Mean expression of cell types. Arrays: "genes", "cell_types", "warnings" (text), "profiles" (double, genes x
/// types: mean over cells of count / total), "cells_per_type" (uint64_t).
class reference : public has_arrays<reference> {
public:
    /// From labelled cells: `labels[i]` is the position of cell i's type in `cell_types`; `n_umi` are totals of the
    /// cells over all genes of the experiment, empty = sums over `counts`. Counts are read now.
    reference(const context &ctx, const cytosol::matrix &counts, const std::vector<std::string> &cells,
              const std::vector<std::string> &genes, span<int32_t> labels,
              const std::vector<std::string> &cell_types, const reference_options &options = {},
              span<double> n_umi = {}) {
        const auto c_cells = detail::c_strs("cells", cells), c_genes = detail::c_strs("genes", genes),
                   c_types = detail::c_strs("cell_types", cell_types);
        std::vector<const char *> order;
        const cyto_reference_options given = detail::c_options(options, order);
        cyto_reference_input input = CYTO_REFERENCE_INPUT_INIT;
        input.counts = counts.get();
        input.cells = c_cells.data();
        input.n_cells = c_cells.size();
        input.genes = c_genes.data();
        input.n_genes = c_genes.size();
        input.labels = labels.data();
        input.n_labels = labels.size();
        input.cell_types = c_types.data();
        input.n_cell_types = c_types.size();
        input.n_umi = n_umi.empty() ? nullptr : n_umi.data();
        input.n_n_umi = n_umi.size();
        handle_ = detail::make<cyto_reference>([&](cyto_reference **out, cyto_error **err) {
            return cyto_reference_from_counts(ctx.get(), &input, &given, out, err);
        });
    }
    /// From a file whose obs column holds the types.
    reference(const context &ctx, const dataset &cells, const std::string &column = "cell_type",
              const reference_options &options = {}) {
        std::vector<const char *> order;
        const cyto_reference_options given = detail::c_options(options, order);
        handle_ = detail::make<cyto_reference>([&](cyto_reference **out, cyto_error **err) {
            return cyto_reference_from_dataset(ctx.get(), cells.get(), detail::c_str("column", column),
                                               &given, out, err);
        });
    }
    /// From profiles: genes x types, row-major, mean of count / total of the cell.
    reference(span<double> profiles, const std::vector<std::string> &genes,
              const std::vector<std::string> &cell_types) {
        detail::check_abi();
        const auto c_genes = detail::c_strs("genes", genes), c_types = detail::c_strs("cell_types", cell_types);
        if (!cell_types.empty() && (profiles.size() % cell_types.size() != 0 ||
                                    profiles.size() / cell_types.size() != genes.size()))
            throw invalid_argument("profiles: " + std::to_string(profiles.size()) + " elements; must be " +
                                   std::to_string(genes.size()) + " genes x " +
                                   std::to_string(cell_types.size()) + " types");
        handle_ = detail::make<cyto_reference>([&](cyto_reference **out, cyto_error **err) {
            return cyto_reference_from_profiles(profiles.data(), c_genes.data(), c_genes.size(),
                                                c_types.data(), c_types.size(), out, err);
        });
    }
    cyto_status lend_array(const char *name, cyto_array *out, cyto_error **err) const {
        return cyto_reference_array(get(), name, out, err);
    }
    const cyto_reference *get() const noexcept { return handle_.get(); }

private:
    detail::owner<cyto_reference> handle_;
};

/// Pixels of a tissue. The counts are read later: borrowed arrays must outlive everything made from this.
class spatial {
public:
    /// `coords`: x, y of every pixel, may be empty. `n_umi`: totals over all genes, empty = sums over `counts`.
    spatial(const cytosol::matrix &counts, const std::vector<std::string> &pixels,
            const std::vector<std::string> &genes, span<std::array<double, 2>> coords = {},
            span<double> n_umi = {}) {
        static_assert(sizeof(std::array<double, 2>) == 2 * sizeof(double), "pairs without gaps");
        const auto c_pixels = detail::c_strs("pixels", pixels), c_genes = detail::c_strs("genes", genes);
        cyto_spatial_input input = CYTO_SPATIAL_INPUT_INIT;
        input.counts = counts.get();
        input.pixels = c_pixels.data();
        input.n_pixels = c_pixels.size();
        input.genes = c_genes.data();
        input.n_genes = c_genes.size();
        input.coords = coords.empty() ? nullptr : coords.data()->data();
        input.n_coords = coords.size();
        input.n_umi = n_umi.empty() ? nullptr : n_umi.data();
        input.n_n_umi = n_umi.size();
        handle_ = detail::make<cyto_spatial>([&](cyto_spatial **out, cyto_error **err) {
            return cyto_spatial_new(&input, out, err);
        });
    }
    /// From a file; the counts stay in it.
    explicit spatial(const dataset &pixels)
        : handle_(detail::make<cyto_spatial>([&](cyto_spatial **out, cyto_error **err) {
              return cyto_spatial_from_dataset(pixels.get(), out, err);
          })) {}
    const cyto_spatial *get() const noexcept { return handle_.get(); }

private:
    detail::owner<cyto_spatial> handle_;
};

/// Options of RCTD by name, with spacexr's defaults; to_json() lists them all.
class rctd_options {
public:
    rctd_options() {
        detail::check_abi();
        handle_ = detail::make<cyto_rctd_options>(
            [](cyto_rctd_options **out, cyto_error **err) { return cyto_rctd_options_new(out, err); });
    }
    /// A number, a truth value, a text or texts. An unknown name is answered with the nearest known one.
    template <class T>
    rctd_options &set(const std::string &name, const T &value) {
        return set_value(name, json(value));
    }
    /// Several at once; all or none.
    rctd_options &set_json(const std::string &object) {
        detail::call([&](cyto_error **err) {
            return cyto_rctd_options_set_json(handle_.get(), detail::c_str("json", object), err);
        });
        return *this;
    }
    /// Input rows of the pixels used for sigma; empty goes back to the seeded sample.
    rctd_options &set_sigma_pixels(span<std::uint64_t> rows) {
        detail::call([&](cyto_error **err) {
            return cyto_rctd_options_set_sigma_pixels(handle_.get(), rows.data(), rows.size(), err);
        });
        return *this;
    }
    /// Per round of the search for sigma: indices into regression genes x sigma pixels, the gene running fastest; empty
    /// goes back to the seeded sample.
    rctd_options &set_sigma_entries(const std::vector<std::vector<std::uint64_t>> &rounds) {
        std::vector<std::uint64_t> offsets{0}, entries;
        for (const auto &round : rounds) {
            entries.insert(entries.end(), round.begin(), round.end());
            offsets.push_back(entries.size());
        }
        detail::call([&](cyto_error **err) {
            return cyto_rctd_options_set_sigma_entries(handle_.get(), rounds.empty() ? nullptr : offsets.data(),
                                                       rounds.size(), entries.data(), entries.size(), err);
        });
        return *this;
    }
    std::string to_json() const { return cyto_rctd_options_to_json(get()); }
    const cyto_rctd_options *get() const noexcept { return handle_.get(); }

private:
    rctd_options &set_value(const std::string &name, const std::string &value) {
        detail::call([&](cyto_error **err) {
            return cyto_rctd_options_set(handle_.get(), detail::c_str("name", name), value.c_str(), err);
        });
        return *this;
    }
    template <class T>
    static std::string json(const T &value) {
        if constexpr (std::is_same_v<T, bool>) {
            return value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::nullopt_t>) {
            return "null";
        } else if constexpr (std::is_arithmetic_v<T>) {
            if constexpr (std::is_floating_point_v<T>) {
                if (!std::isfinite(value)) throw invalid_argument("value: not finite; must be a number");
            }
            std::ostringstream text; // not the host's locale, which may write 0,5
            text.imbue(std::locale::classic());
            text.precision(17);
            text << +value;
            return text.str();
        } else if constexpr (std::is_convertible_v<T, std::string_view>) {
            return quoted(value);
        } else {
            std::string list = "[";
            for (const auto &item : value) list += (list.size() > 1 ? "," : "") + json(item);
            return list + "]";
        }
    }
    static std::string quoted(std::string_view text) {
        static constexpr char digits[] = "0123456789abcdef";
        std::string out = "\"";
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') out += '\\';
            if (byte < 0x20) {
                out += "\\u00";
                out += digits[byte >> 4];
                out += digits[byte & 15];
            } else {
                out += c;
            }
        }
        return out + "\"";
    }
    detail::owner<cyto_rctd_options> handle_;
};

/// Results, one row per kept pixel in the order of the input; see cyto_rctd_results_array for the arrays.
class rctd_results : public has_arrays<rctd_results> {
public:
    explicit rctd_results(detail::owner<cyto_rctd_results> handle) : handle_(std::move(handle)) {}
    cytosol::mode mode() const {
        const int32_t code = cyto_rctd_results_mode(get());
        if (code < 0) throw invalid_argument("results: moved from");
        return static_cast<cytosol::mode>(code);
    }
    /// 100 times sigma.
    std::uint32_t sigma() const noexcept { return cyto_rctd_results_sigma(get()); }
    std::size_t n_pixels() const { return array<std::uint32_t>("pixels").size(); }
    /// N x K, raw: rows need not sum to 1.
    matrix_span<double> weights() const { return this->matrix<double>("weights"); }
    std::vector<std::string> cell_types() const { return texts("cell_types"); }
    std::vector<std::string> barcodes() const { return texts("barcodes"); }
    /// "results" (spacexr's results_df), "weights", "normalized_weights", ...
    arrow_stream table(const std::string &name = "results") const {
        ArrowArrayStream stream{};
        detail::call([&](cyto_error **err) {
            return cyto_rctd_results_table_arrow(get(), detail::c_str("table", name), &stream, err);
        });
        return arrow_stream(stream);
    }
    /// Writes the .h5ad file `path`: a copy of the spatial input `spatial_path` (the file or folder that was read; the
    /// same path replaces it) with results in obs, obsm and uns. The file appears whole or not at all.
    void write_h5ad(const context &ctx, const std::string &spatial_path, const std::string &path,
                    const open_options &spatial_open = {}) const {
        const cyto_open_options given = detail::c_options(spatial_open);
        detail::call([&](cyto_error **err) {
            return cyto_rctd_results_write_h5ad(ctx.get(), get(), detail::c_str("spatial_path", spatial_path), &given,
                                                detail::c_str("path", path), err);
        });
    }
    cyto_status lend_array(const char *name, cyto_array *out, cyto_error **err) const {
        return cyto_rctd_results_array(get(), name, out, err);
    }
    const cyto_rctd_results *get() const noexcept { return handle_.get(); }

private:
    detail::owner<cyto_rctd_results> handle_;
};

/// Half-open range of positions in the array "kept".
struct shard_range {
    std::uint64_t start, end;
};

/// Fits of one shard, which travel between machines as bytes.
class partial {
public:
    explicit partial(detail::owner<cyto_partial> handle) : handle_(std::move(handle)) {}
    /// From serialize()'s bytes, which are copied. Throws format_error when they are damaged.
    static partial deserialize(span<std::uint8_t> bytes) {
        detail::check_abi();
        return partial(detail::make<cyto_partial>([&](cyto_partial **out, cyto_error **err) {
            return cyto_partial_deserialize(bytes.data(), bytes.size(), out, err);
        }));
    }
    /// Version, parameter hash, fits and checksum; on loan. The same shard always gives the same bytes.
    span<std::uint8_t> serialize() const {
        const std::uint8_t *bytes = nullptr;
        std::size_t n = 0;
        detail::call([&](cyto_error **err) { return cyto_partial_serialize(get(), &bytes, &n, err); });
        return {bytes, n};
    }
    shard_range range() const {
        shard_range r{};
        detail::call([&](cyto_error **err) { return cyto_partial_range(get(), &r.start, &r.end, err); });
        return r;
    }
    const cyto_partial *get() const noexcept { return handle_.get(); }

private:
    detail::owner<cyto_partial> handle_;
};

/// RCTD on one tissue, step by step: fit_bulk, choose_sigma, fit_pixels or shards. The vectors behind borrowed
/// counts must outlive it. See cyto_rctd_array for the arrays.
class rctd : public has_arrays<rctd> {
public:
    /// Filters pixels and chooses genes; reads the counts twice.
    rctd(const context &ctx, const spatial &pixels, const reference &cells, const rctd_options &options = {})
        : handle_(detail::make<cyto_rctd>([&](cyto_rctd **out, cyto_error **err) {
              return cyto_rctd_create(ctx.get(), pixels.get(), cells.get(), options.get(), out, err);
          })) {}
    void fit_bulk(const context &ctx) {
        detail::call([&](cyto_error **err) { return cyto_rctd_fit_bulk(ctx.get(), get(), err); });
    }
    void choose_sigma(const context &ctx) {
        detail::call([&](cyto_error **err) { return cyto_rctd_choose_sigma(ctx.get(), get(), err); });
    }
    rctd_results fit_pixels(const context &ctx, mode how = mode::doublet) const {
        return results([&](cyto_rctd_results **out, cyto_error **err) {
            return cyto_rctd_fit_pixels(ctx.get(), get(), static_cast<int32_t>(how), out, err);
        });
    }
    /// Shards of `pixels_per_shard` kept pixels; 0 = the library's choice.
    std::vector<shard_range> plan(std::size_t pixels_per_shard = 0) const {
        const auto made = detail::make<cyto_plan>([&](cyto_plan **out, cyto_error **err) {
            return cyto_rctd_plan(get(), pixels_per_shard, out, err);
        });
        std::vector<shard_range> shards;
        const std::uint64_t *bounds = cyto_plan_bounds(made.get());
        for (std::size_t i = 0; i < cyto_plan_n_shards(made.get()); i++)
            shards.push_back({bounds[2 * i], bounds[2 * i + 1]});
        return shards;
    }
    /// Fits one shard, on any machine that made the same object from the same inputs.
    partial run_shard(const context &ctx, mode how, shard_range range) const {
        return partial(detail::make<cyto_partial>([&](cyto_partial **out, cyto_error **err) {
            return cyto_rctd_run_shard(ctx.get(), get(), static_cast<int32_t>(how), range.start, range.end,
                                       out, err);
        }));
    }
    /// Joins shards that cover the kept pixels once, in any order.
    rctd_results merge(mode how, const std::vector<partial> &shards) const {
        std::vector<const cyto_partial *> handles;
        for (const partial &shard : shards) handles.push_back(shard.get());
        return results([&](cyto_rctd_results **out, cyto_error **err) {
            return cyto_rctd_merge(get(), static_cast<int32_t>(how), handles.data(), handles.size(), out, err);
        });
    }
    /// 100 times sigma; 0 before choose_sigma.
    std::uint32_t sigma() const noexcept { return cyto_rctd_sigma(get()); }
    /// The options in force.
    std::string config_json() const { return cyto_rctd_config_json(get()); }
    cyto_status lend_array(const char *name, cyto_array *out, cyto_error **err) const {
        return cyto_rctd_array(get(), name, out, err);
    }
    const cyto_rctd *get() const noexcept { return handle_.get(); }

private:
    template <class F>
    static rctd_results results(F &&f) {
        return rctd_results(detail::make<cyto_rctd_results>(std::forward<F>(f)));
    }
    detail::owner<cyto_rctd> handle_;
};

/// RCTD in one call. Nothing of the inputs is needed afterwards.
inline rctd_results run_rctd(const context &ctx, const spatial &pixels, const reference &cells,
                             mode how = mode::doublet, const rctd_options &options = {}) {
    return rctd_results(detail::make<cyto_rctd_results>([&](cyto_rctd_results **out, cyto_error **err) {
        return cyto_rctd_run(ctx.get(), pixels.get(), cells.get(), options.get(), static_cast<int32_t>(how),
                             out, err);
    }));
}

/// Both inputs of RCTD as files.
struct rctd_files {
    std::string spatial, reference;           ///< paths
    std::string cell_type_column = "cell_type"; ///< of the reference's obs table
    cytosol::reference_options reference_options = {};
    open_options spatial_open = {}, reference_open = {};
};

/// RCTD in one call, from files. The tissue's counts stream; they are never in memory at once.
inline rctd_results run_rctd(const context &ctx, const rctd_files &files, mode how = mode::doublet,
                             const rctd_options &options = {}) {
    std::vector<const char *> order;
    const cyto_reference_options cells = detail::c_options(files.reference_options, order);
    const cyto_open_options of_spatial = detail::c_options(files.spatial_open);
    const cyto_open_options of_reference = detail::c_options(files.reference_open);
    cyto_rctd_files given = CYTO_RCTD_FILES_INIT;
    given.spatial_path = detail::c_str("spatial", files.spatial);
    given.spatial_open = &of_spatial;
    given.reference_path = detail::c_str("reference", files.reference);
    given.reference_open = &of_reference;
    given.cell_type_column = detail::c_str("cell_type_column", files.cell_type_column);
    given.reference_options = &cells;
    return rctd_results(detail::make<cyto_rctd_results>([&](cyto_rctd_results **out, cyto_error **err) {
        return cyto_rctd_run_files(ctx.get(), &given, options.get(), static_cast<int32_t>(how), out, err);
    }));
}

} // namespace cytosol

#endif
