/* Counts: views of the host's arrays, blocks that the host reads, files. Included by cytosol.hpp, whose rules hold. */
#ifndef CYTOSOL_COUNTS_HPP
#define CYTOSOL_COUNTS_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "arrays.hpp"
#include "context.hpp"

namespace cytosol {

/// What the rows of a matrix are; never guessed.
enum class orientation : int32_t {
    cells_by_genes = CYTO_CELLS_BY_GENES,
    genes_by_cells = CYTO_GENES_BY_CELLS,
};

/// A sparse matrix in the host's arrays.
///
/// `indptr` has rows + 1 (csr) or columns + 1 (csc) elements of int32_t or int64_t, `indices` (int32_t or int64_t)
/// and `values` (int32_t, int64_t, float, double, uint8_t, uint16_t, uint32_t) one per stored entry: checked here.
/// `base` is the number of the first position, 0 or 1. The arrays are vectors, std::array or the like.
class sparse_view {
public:
    template <class P, class I, class V>
    static sparse_view csr(orientation rows_are, std::size_t rows, std::size_t columns, P &&indptr,
                           I &&indices, V &&values, int base = 0) {
        return sparse_view(CYTO_CSR, rows_are, rows, columns, rows, indptr, indices, values, base,
                           lasting<P>() && lasting<I>() && lasting<V>());
    }
    template <class P, class I, class V>
    static sparse_view csc(orientation rows_are, std::size_t rows, std::size_t columns, P &&indptr,
                           I &&indices, V &&values, int base = 0) {
        return sparse_view(CYTO_CSC, rows_are, rows, columns, columns, indptr, indices, values, base,
                           lasting<P>() && lasting<I>() && lasting<V>());
    }
    /// Skips the pass that checks the structure.
    sparse_view &trusted() noexcept {
        view_.flags |= CYTO_VIEW_TRUSTED;
        return *this;
    }
    const cyto_sparse_view *get() const noexcept { return &view_; }

private:
    template <class A>
    static constexpr bool lasting() {
        static_assert(std::is_lvalue_reference_v<A>, "arrays are borrowed: pass variables, not temporaries");
        return true;
    }
    template <class P, class I, class V>
    sparse_view(cyto_layout layout, orientation rows_are, std::size_t rows, std::size_t columns,
                std::size_t n_starts, const P &indptr, const I &indices, const V &values, int base, bool) {
        using detail::signed_size;
        if (std::size(indptr) == 0 || std::size(indptr) - 1 != n_starts)
            throw invalid_argument("indptr: " + std::to_string(std::size(indptr)) + " elements; must be " +
                                   std::to_string(n_starts) + " + 1");
        if (std::size(indices) != std::size(values))
            throw invalid_argument("indices: " + std::to_string(std::size(indices)) +
                                   " elements; must be as many as values, " +
                                   std::to_string(std::size(values)));
        view_.layout = layout;
        view_.orientation = static_cast<int32_t>(rows_are);
        view_.indptr_type = detail::dtype_of<std::remove_pointer_t<decltype(std::data(indptr))>>();
        view_.index_type = detail::dtype_of<std::remove_pointer_t<decltype(std::data(indices))>>();
        view_.value_type = detail::dtype_of<std::remove_pointer_t<decltype(std::data(values))>>();
        view_.index_base = base;
        view_.nrow = signed_size("rows", rows);
        view_.ncol = signed_size("columns", columns);
        view_.nnz = signed_size("values", std::size(values));
        view_.indptr = std::data(indptr);
        view_.indices = std::data(indices);
        view_.values = std::data(values);
    }
    cyto_sparse_view view_ = CYTO_SPARSE_VIEW_INIT;
};

/// A dense matrix in the host's array: element (i, j) is data[i * row_stride + j * column_stride].
class dense_view {
public:
    /// Row-major without gaps; `data` has rows x columns elements.
    template <class A>
    static dense_view row_major(orientation rows_are, std::size_t rows, std::size_t columns, A &&data) {
        return strided(rows_are, rows, columns, columns, 1, std::forward<A>(data));
    }
    /// Column-major without gaps.
    template <class A>
    static dense_view column_major(orientation rows_are, std::size_t rows, std::size_t columns, A &&data) {
        return strided(rows_are, rows, columns, 1, rows, std::forward<A>(data));
    }
    /// Any strides, in elements; the last element must lie inside `data`.
    template <class A>
    static dense_view strided(orientation rows_are, std::size_t rows, std::size_t columns,
                              std::size_t row_stride, std::size_t column_stride, A &&data) {
        static_assert(std::is_lvalue_reference_v<A>, "arrays are borrowed: pass variables, not temporaries");
        constexpr auto most = static_cast<std::size_t>(std::numeric_limits<int64_t>::max());
        std::size_t room = std::size(data);
        // Elements needed: (rows - 1) row_stride + (columns - 1) column_stride + 1, without overflow.
        const bool some = rows > 0 && columns > 0;
        bool fits = !some || room > 0;
        if (some && fits) {
            room -= 1;
            const auto take = [&](std::size_t n, std::size_t stride) {
                if (n > 1 && stride > 0 && (n - 1) > room / stride) return false;
                room -= (n - 1) * stride;
                return true;
            };
            fits = take(rows, row_stride) && take(columns, column_stride);
        }
        if (!fits || rows > most || columns > most || row_stride > most || column_stride > most)
            throw invalid_argument("data: " + std::to_string(std::size(data)) + " elements are too few for " +
                                   std::to_string(rows) + " x " + std::to_string(columns));
        dense_view made;
        made.view_.value_type = detail::dtype_of<std::remove_pointer_t<decltype(std::data(data))>>();
        made.view_.orientation = static_cast<int32_t>(rows_are);
        made.view_.nrow = static_cast<int64_t>(rows);
        made.view_.ncol = static_cast<int64_t>(columns);
        made.view_.row_stride = static_cast<int64_t>(row_stride);
        made.view_.col_stride = static_cast<int64_t>(column_stride);
        made.view_.data = std::data(data);
        return made;
    }
    const cyto_dense_view *get() const noexcept { return &view_; }

private:
    dense_view() = default;
    cyto_dense_view view_ = CYTO_DENSE_VIEW_INIT;
};

/// Reads a block: fills a view of the cells first .. first + n - 1 with all genes. The arrays behind it must live
/// until the next call. Called on the thread that made the API call; it may throw.
using read_block_fn = std::function<sparse_view(std::int64_t first, std::int64_t n)>;

/// Counts, cells x genes, of any origin, or other values of a host (borrow_values).
class matrix {
public:
    /// Borrows: the arrays must live unchanged until this and everything made from it is gone. The structure is
    /// checked in one pass; a matrix compressed along genes is turned round once, which copies it.
    static matrix borrow(const context &ctx, const sparse_view &view) {
        return made(&cyto_matrix_from_view, ctx, view);
    }
    static matrix borrow(const context &ctx, const dense_view &view) {
        return made(&cyto_matrix_from_dense_view, ctx, view);
    }
    /// Copies (and checks every count): the arrays are not needed afterwards.
    static matrix copy(const context &ctx, const sparse_view &view) {
        return made(&cyto_matrix_from_view_copy, ctx, view);
    }
    static matrix copy(const context &ctx, const dense_view &view) {
        return made(&cyto_matrix_from_dense_view_copy, ctx, view);
    }
    /// Values of any sign and fraction, borrowed: for the steps of preprocessing that look at values as they are.
    static matrix borrow_values(const context &ctx, const sparse_view &view) {
        return made(&cyto_matrix_values_from_view, ctx, view);
    }
    static matrix borrow_values(const context &ctx, const dense_view &view) {
        return made(&cyto_matrix_values_from_dense_view, ctx, view);
    }
    /// Counts that `read` reads when they are needed; it lives as long as what is made from this.
    static matrix from_blocks(std::int64_t n_cells, std::int64_t n_genes, read_block_fn read) {
        detail::check_abi();
        if (!read) throw invalid_argument("read: empty; must be a function");
        auto held = std::make_unique<read_block_fn>(std::move(read));
        cyto_block_source source = CYTO_BLOCK_SOURCE_INIT;
        source.n_cells = n_cells;
        source.n_genes = n_genes;
        source.read_block = &matrix::read_block;
        source.release_source = &matrix::release_source;
        source.user_data = held.release(); // released by the library, also when the call fails
        return matrix(detail::make<cyto_matrix>([&](cyto_matrix **out, cyto_error **err) {
            return cyto_matrix_from_blocks(&source, out, err);
        }));
    }
    std::size_t n_cells() const noexcept { return cyto_matrix_n_cells(get()); }
    std::size_t n_genes() const noexcept { return cyto_matrix_n_genes(get()); }
    const cyto_matrix *get() const noexcept { return handle_.get(); }

private:
    friend class dataset;
    explicit matrix(detail::owner<cyto_matrix> handle) : handle_(std::move(handle)) {}
    template <class Make, class View>
    static matrix made(Make make, const context &ctx, const View &view) {
        return matrix(detail::make<cyto_matrix>([&](cyto_matrix **out, cyto_error **err) {
            return make(ctx.get(), view.get(), out, err);
        }));
    }
    static int32_t read_block(void *user_data, int64_t first, int64_t n, cyto_sparse_view *out) noexcept {
        try {
            *out = *(*static_cast<read_block_fn *>(user_data))(first, n).get();
            return 0;
        } catch (...) {
            detail::thrown() = std::current_exception();
            return 1;
        }
    }
    static void release_source(void *user_data) noexcept { delete static_cast<read_block_fn *>(user_data); }
    detail::owner<cyto_matrix> handle_;
};

/// What to take from a file that holds more than one matrix.
struct open_options {
    std::optional<std::string> layer;  ///< .h5ad: layers/<layer> in place of X
    std::optional<std::string> genome; ///< 10x .h5: only the genes of this genome
    bool use_raw = false;              ///< .h5ad: raw/X and raw/var in place of X and var
    bool all_features = false;         ///< 10x: features of every type, not "Gene Expression" only
    bool gene_ids = false;             ///< 10x: ids name the genes, not symbols
};

namespace detail {
inline cyto_open_options c_options(const open_options &options) {
    cyto_open_options given = CYTO_OPEN_OPTIONS_INIT;
    if (options.layer) given.layer = c_str("layer", *options.layer);
    if (options.genome) given.genome = c_str("genome", *options.genome);
    given.use_raw = options.use_raw;
    given.all_features = options.all_features;
    given.gene_ids = options.gene_ids;
    return given;
}
} // namespace detail

/// An open file or folder: .h5ad, 10x .h5, MTX or counts.csv folder, Visium outs. Counts stay in it until used.
/// Arrays: "cells", "genes" (text), "coords" (double, cells x 2), "n_umi" (double).
class dataset : public has_arrays<dataset> {
public:
    dataset(const context &ctx, const std::string &path, const open_options &options = {}) {
        const cyto_open_options given = detail::c_options(options);
        handle_ = detail::make<cyto_dataset>([&](cyto_dataset **out, cyto_error **err) {
            return cyto_dataset_open(ctx.get(), detail::c_str("path", path), &given, out, err);
        });
    }
    cytosol::matrix counts() const {
        return cytosol::matrix(detail::make<cyto_matrix>([&](cyto_matrix **out, cyto_error **err) {
            return cyto_dataset_counts(get(), out, err);
        }));
    }
    /// What was found in the file, a JSON object.
    std::string info_json() const { return cyto_dataset_info_json(get()); }
    /// "obs" or "var".
    arrow_stream table(const std::string &name) const {
        ArrowArrayStream stream{};
        detail::call([&](cyto_error **err) {
            return cyto_dataset_table_arrow(get(), detail::c_str("table", name), &stream, err);
        });
        return arrow_stream(stream);
    }
    cyto_status lend_array(const char *name, cyto_array *out, cyto_error **err) const {
        return cyto_dataset_array(get(), name, out, err);
    }
    const cyto_dataset *get() const noexcept { return handle_.get(); }

private:
    detail::owner<cyto_dataset> handle_;
};

} // namespace cytosol

#endif
