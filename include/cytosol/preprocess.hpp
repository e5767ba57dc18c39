/* Preprocessing of .h5ad files and of counts in memory. Included by cytosol.hpp, whose rules hold. */
#ifndef CYTOSOL_PREPROCESS_HPP
#define CYTOSOL_PREPROCESS_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "context.hpp"
#include "counts.hpp"
#include "error.hpp"

namespace cytosol {

/// The steps of preprocessing. `options` are the JSON objects that cytosol.h describes beside the C function of the
/// same name; "" takes the defaults. Files are made or replaced as a whole: a call that throws leaves `output` as it
/// was, and `output` may be `input`.
namespace pp {

/// What a step found: facts as JSON, arrays and tables by name. cytosol.h lists them beside each step.
class result : public has_arrays<result> {
public:
    explicit result(detail::owner<cyto_pp_result> handle) : handle_(std::move(handle)) {}
    /// What was done, a JSON object.
    std::string report_json() const { return cyto_pp_result_report_json(get()); }
    /// A table as an Arrow stream, for example "obs".
    arrow_stream table(const std::string &name) const {
        ArrowArrayStream stream{};
        detail::call([&](cyto_error **err) {
            return cyto_pp_result_table_arrow(get(), detail::c_str("table", name), &stream, err);
        });
        return arrow_stream(stream);
    }
    cyto_status lend_array(const char *name, cyto_array *out, cyto_error **err) const {
        return cyto_pp_result_array(get(), name, out, err);
    }
    const cyto_pp_result *get() const noexcept { return handle_.get(); }

private:
    detail::owner<cyto_pp_result> handle_;
};

/// Where a step may write; std::nullopt writes nothing and only returns the result.
using maybe_path = std::optional<std::string>;

/// A named group of genes: a flag for each gene that is not 0 for those inside.
struct gene_group {
    std::string name;
    std::vector<std::uint8_t> is_inside;
};

/// What counts in memory come with; everything may be left empty.
struct matrix_facts {
    std::vector<std::string> cells;       ///< empty = positions from 0
    std::vector<std::string> genes;       ///< empty = positions from 0
    std::vector<std::int32_t> labels;     ///< of every cell: position in label_names, -1 = none
    std::vector<std::string> label_names; ///< of batches or groups of cells
    std::vector<gene_group> gene_groups;  ///< for the metrics
    std::vector<std::uint8_t> mask_var;   ///< genes to use; empty = all
};

} // namespace pp

namespace detail {

inline const char *json(const std::string &options) {
    return options.empty() ? nullptr : c_str("options", options);
}

inline const char *path_or_null(const pp::maybe_path &path) {
    return path ? c_str("output", *path) : nullptr;
}

template <class F>
pp::result pp_result(F &&f) {
    return pp::result(make<cyto_pp_result>(std::forward<F>(f)));
}

using pp_file_step = cyto_status (*)(const cyto_context *, cyto_str, cyto_str, cyto_str, cyto_pp_result **,
                                     cyto_error **);
using pp_matrix_step = cyto_status (*)(const cyto_context *, const cyto_pp_input *, cyto_str, cyto_pp_result **,
                                       cyto_error **);

inline pp::result run(pp_file_step step, const context &ctx, const std::string &input, const pp::maybe_path &output,
                      const std::string &options) {
    return pp_result([&](cyto_pp_result **out, cyto_error **err) {
        return step(ctx.get(), c_str("input", input), path_or_null(output), json(options), out, err);
    });
}

/// `call` with the facts as C has them, which live as long as it runs.
template <class Call>
pp::result with_input(const matrix &counts, const pp::matrix_facts &facts, Call &&call) {
    const auto cells = c_strs("cells", facts.cells), genes = c_strs("genes", facts.genes),
               label_names = c_strs("label_names", facts.label_names);
    std::vector<std::uint8_t> flags;
    std::vector<const char *> group_names;
    for (const pp::gene_group &group : facts.gene_groups) {
        // The library sees one array: groups of other lengths would shift each other.
        if (group.is_inside.size() != facts.gene_groups.front().is_inside.size())
            throw invalid_argument("gene_groups: \"" + group.name + "\" has " +
                                   std::to_string(group.is_inside.size()) + " flags, the first group " +
                                   std::to_string(facts.gene_groups.front().is_inside.size()));
        flags.insert(flags.end(), group.is_inside.begin(), group.is_inside.end());
        group_names.push_back(c_str("gene_groups", group.name));
    }
    cyto_pp_input input = CYTO_PP_INPUT_INIT;
    const auto give = [](const auto &from, auto &pointer, std::size_t &n) {
        pointer = from.empty() ? nullptr : from.data();
        n = from.size();
    };
    input.counts = counts.get();
    give(cells, input.cells, input.n_cells);
    give(genes, input.genes, input.n_genes);
    give(facts.labels, input.labels, input.n_labels);
    give(label_names, input.label_names, input.n_label_names);
    give(flags, input.gene_groups, input.n_gene_groups);
    give(group_names, input.gene_group_names, input.n_gene_group_names);
    give(facts.mask_var, input.mask_var, input.n_mask_var);
    return pp_result([&](cyto_pp_result **out, cyto_error **err) { return call(&input, out, err); });
}

inline pp::result run(pp_matrix_step step, const context &ctx, const matrix &counts, const pp::matrix_facts &facts,
                      const std::string &options) {
    return with_input(counts, facts, [&](const cyto_pp_input *input, cyto_pp_result **out, cyto_error **err) {
        return step(ctx.get(), input, json(options), out, err);
    });
}

} // namespace detail

namespace pp {

/// Quality control metrics of cells and genes. Tables "obs", "var".
inline result qc(const context &ctx, const std::string &input, const maybe_path &output = {},
                 const std::string &options = {}) {
    return detail::run(cyto_pp_qc, ctx, input, output, options);
}
/// Keeps the cells that pass a threshold. Array "kept"; table "obs".
inline result filter_cells(const context &ctx, const std::string &input, const maybe_path &output,
                           const std::string &options) {
    return detail::run(cyto_pp_filter_cells, ctx, input, output, options);
}
/// Keeps the genes that pass a threshold. Array "kept"; table "var".
inline result filter_genes(const context &ctx, const std::string &input, const maybe_path &output,
                           const std::string &options) {
    return detail::run(cyto_pp_filter_genes, ctx, input, output, options);
}
/// Divides every cell by its size factor. Arrays "size_factors", "excluded_genes".
inline result normalize_total(const context &ctx, const std::string &input, const std::string &output,
                              const std::string &options = {}) {
    return detail::run(cyto_pp_normalize_total, ctx, input, output, options);
}
/// Takes log(1 + x).
inline result log1p(const context &ctx, const std::string &input, const std::string &output,
                    const std::string &options = {}) {
    return detail::run(cyto_pp_log1p, ctx, input, output, options);
}
/// Highly variable genes. Array "highly_variable"; table "hvg".
inline result highly_variable_genes(const context &ctx, const std::string &input, const maybe_path &output = {},
                                    const std::string &options = {}) {
    return detail::run(cyto_pp_highly_variable_genes, ctx, input, output, options);
}
/// Principal components. Arrays "variance", "variance_ratio", "loadings", "pca_genes", "pca_mean".
inline result pca(const context &ctx, const std::string &input, const maybe_path &output = {},
                  const std::string &options = {}) {
    return detail::run(cyto_pp_pca, ctx, input, output, options);
}
/// Scales genes to unit variance. Arrays "gene_mean", "gene_std".
inline result scale(const context &ctx, const std::string &input, const std::string &output,
                    const std::string &options = {}) {
    return detail::run(cyto_pp_scale, ctx, input, output, options);
}
/// Exact nearest neighbours and UMAP's weights. Arrays as those of coordinates_neighbors.
inline result neighbors(const context &ctx, const std::string &input, const maybe_path &output = {},
                        const std::string &options = {}) {
    return detail::run(cyto_pp_neighbors, ctx, input, output, options);
}
/// Pseudobulk. Arrays of the name of each function, "groups", "group_sizes", "group_codes"; table "groups".
inline result aggregate(const context &ctx, const std::string &input, const maybe_path &output,
                        const std::string &options) {
    return detail::run(cyto_pp_aggregate, ctx, input, output, options);
}
/// All steps in one go, in two passes over the counts up to the variable genes.
inline result preprocess(const context &ctx, const std::string &input, const std::string &output,
                         const std::string &options = {}) {
    return detail::run(cyto_pp_preprocess, ctx, input, output, options);
}
/// Another layout, chunking or compression.
inline result convert(const context &ctx, const std::string &input, const std::string &output,
                      const std::string &options = {}) {
    return detail::run(cyto_pp_convert, ctx, input, output, options);
}
/// Everything that is wrong with a file: "faults" of the report.
inline result validate(const context &ctx, const std::string &input) {
    return detail::pp_result([&](cyto_pp_result **out, cyto_error **err) {
        return cyto_pp_validate(ctx.get(), detail::c_str("input", input), out, err);
    });
}
/// Keeps the cells and genes whose flag is not 0; an empty span keeps all.
inline result subset(const context &ctx, const std::string &input, const std::string &output,
                     span<std::uint8_t> cells, span<std::uint8_t> genes = {}, const std::string &options = {}) {
    return detail::pp_result([&](cyto_pp_result **out, cyto_error **err) {
        return cyto_pp_subset(ctx.get(), detail::c_str("input", input), detail::c_str("output", output),
                              cells.empty() ? nullptr : cells.data(), cells.size(),
                              genes.empty() ? nullptr : genes.data(), genes.size(), detail::json(options), out, err);
    });
}
/// Writes an open dataset (10x, Matrix Market, CSV, Visium) as an .h5ad.
inline void write_h5ad(const context &ctx, const dataset &from, const std::string &output,
                       const std::string &options = {}) {
    detail::call([&](cyto_error **err) {
        return cyto_dataset_write_h5ad(ctx.get(), from.get(), detail::c_str("output", output), detail::json(options),
                                       err);
    });
}

/// Removes the temporary files that killed writers left in a folder; how many.
inline std::uint64_t cleanup(const std::string &folder) {
    std::uint64_t n = 0;
    detail::call([&](cyto_error **err) { return cyto_cleanup(detail::c_str("folder", folder), &n, err); });
    return n;
}

/// Metrics of counts in memory; groups of genes are those of `facts`.
inline result qc(const context &ctx, const matrix &counts, const matrix_facts &facts = {},
                 const std::string &options = {}) {
    return detail::run(cyto_pp_matrix_qc, ctx, counts, facts, options);
}
/// Size factors of counts in memory.
inline result size_factors(const context &ctx, const matrix &counts, const matrix_facts &facts = {},
                           const std::string &options = {}) {
    return detail::run(cyto_pp_matrix_size_factors, ctx, counts, facts, options);
}
/// Highly variable genes of counts in memory; labels are batches.
inline result highly_variable_genes(const context &ctx, const matrix &counts, const matrix_facts &facts = {},
                                    const std::string &options = {}) {
    return detail::run(cyto_pp_matrix_highly_variable_genes, ctx, counts, facts, options);
}
/// Principal components of counts in memory; also matrix "scores".
inline result pca(const context &ctx, const matrix &counts, const matrix_facts &facts = {},
                  const std::string &options = {}) {
    return detail::run(cyto_pp_matrix_pca, ctx, counts, facts, options);
}
/// Pseudobulk of counts in memory by the labels of `facts`.
inline result aggregate(const context &ctx, const matrix &counts, const matrix_facts &facts,
                        const std::string &options = {}) {
    return detail::run(cyto_pp_matrix_aggregate, ctx, counts, facts, options);
}
/// Cells of a matrix in memory that pass a threshold. Array "kept"; table "obs".
inline result filter_cells(const context &ctx, const matrix &counts, const matrix_facts &facts,
                           const std::string &options) {
    return detail::run(cyto_pp_matrix_filter_cells, ctx, counts, facts, options);
}
/// Genes of a matrix in memory that pass a threshold. Array "kept"; table "var".
inline result filter_genes(const context &ctx, const matrix &counts, const matrix_facts &facts,
                           const std::string &options) {
    return detail::run(cyto_pp_matrix_filter_genes, ctx, counts, facts, options);
}
/// Normalised and logarithmic values of a matrix in memory. Arrays "x_indptr", "x_indices", "x_values".
inline result transform(const context &ctx, const matrix &counts, const std::string &options,
                        const matrix_facts &facts = {}) {
    return detail::run(cyto_pp_matrix_transform, ctx, counts, facts, options);
}
/// Scaled values of a matrix in memory, over the cells of `mask_obs` (empty = all). Array "x" when centred, otherwise
/// those of `transform`.
inline result scale(const context &ctx, const matrix &counts, const std::string &options = {},
                    const std::vector<std::uint8_t> &mask_obs = {}, const matrix_facts &facts = {}) {
    return detail::with_input(counts, facts, [&](const cyto_pp_input *input, cyto_pp_result **out, cyto_error **err) {
        return cyto_pp_matrix_scale(ctx.get(), input, mask_obs.empty() ? nullptr : mask_obs.data(), mask_obs.size(),
                                    detail::json(options), out, err);
    });
}
/// Nearest neighbours of cells by their coordinates: cells x dimensions, row-major.
inline result coordinates_neighbors(const context &ctx, span<double> coordinates, std::size_t n_cells,
                                    const std::string &options = {}) {
    if (n_cells == 0 || coordinates.size() % n_cells != 0)
        throw invalid_argument("coordinates: " + std::to_string(coordinates.size()) + " numbers are no rows of " +
                               std::to_string(n_cells) + " cells");
    return detail::pp_result([&](cyto_pp_result **out, cyto_error **err) {
        return cyto_pp_coordinates_neighbors(ctx.get(), coordinates.data(), n_cells, coordinates.size() / n_cells,
                                             detail::json(options), out, err);
    });
}

} // namespace pp
} // namespace cytosol

#endif
