/*
 * cytosol.h - the C interface of Cytosol, the embeddable engine for single-cell and spatial genomics.
 *
 * Generated from capi/src by `cargo run --release -p cytosol-capi --example gen_header`: do not edit.
 *
 * Rules that hold for every function:
 *
 * - A function that can fail returns cyto_status and has the last argument `cyto_error **err`, which may
 *   be NULL. On failure *err is a new error object (code, message, JSON detail), freed with
 *   cyto_error_free; on success it is NULL. Its old value is overwritten, never freed.
 * - The output parameter stands just before `err`. On every failing path the handle in it is NULL.
 * - A handle that a function writes to `out` belongs to the caller and has exactly one function that frees
 *   it, which takes NULL. Handles may be freed in any order.
 * - All other pointers that come out are borrowed, as each function says, at most until the handle is freed.
 * - Strings are UTF-8 and end with NUL; paths are bytes. Strings that go in are copied.
 * - Structs that begin with `size_t struct_size` are filled by the macro of the same name that ends in
 *   _INIT; later versions of the library only append fields, and zero means the default for these.
 * - A context serves one call at a time; a second one, also from inside a callback, gets CYTO_STATE. Different
 *   contexts are independent. Handles passed as const may be used from several threads.
 * - Callbacks come on the thread that made the call and must not unwind (C++ exceptions, longjmp).
 * - Results are the same bits for any number of threads, any block size, whole or in shards.
 * - No function ends the process or prints, and none lets a panic out (CYTO_PANIC instead).
 *
 * Link with -lcytosol, or with libcytosol.a and the libraries that cytosol.pc lists.
 */


#ifndef CYTOSOL_H
#define CYTOSOL_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* Marks exported functions. Define CYTO_STATIC when linking the static library on Windows. */
#if defined(_WIN32)
#  if defined(CYTO_STATIC)
#    define CYTO_API
#  else
#    define CYTO_API __declspec(dllimport)
#  endif
#elif defined(__GNUC__)
#  define CYTO_API __attribute__((visibility("default")))
#else
#  define CYTO_API
#endif

/* A string that ends with NUL. */
typedef const char *cyto_str;

/*
 * The structs of the Arrow C data interface and the Arrow C stream interface, under the guards that every
 * header with these structs uses. What a call fills in is released by its `release`.
 */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

#ifdef __cplusplus
extern "C" {
#endif

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#ifdef __cplusplus
}
#endif

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

#ifdef __cplusplus
extern "C" {
#endif

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};

#ifdef __cplusplus
}
#endif

#endif


/**
 * The number of this ABI, also in the SONAME. It changes when a host built for another number could
 * break.
 */
#define CYTO_ABI_VERSION 1

/**
 * Flag of a view: its structure is known to be right, so the pass that checks it is skipped. What a broken
 * cell then gives is an error when it is read, never a read outside the arrays.
 */
#define CYTO_VIEW_TRUSTED 1

/**
 * What a call came to. 0 is success; every other value comes with a `cyto_error`.
 */
enum cyto_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Success.
     */
    CYTO_OK = 0,
    /**
     * An argument or option is outside its range, or arguments do not fit each other.
     */
    CYTO_INVALID_ARGUMENT = 1,
    /**
     * The progress callback or `cyto_context_cancel` stopped the work.
     */
    CYTO_CANCELLED = 2,
    /**
     * The asked device is absent.
     */
    CYTO_NO_GPU = 3,
    /**
     * Memory could not be had, or the limit does not allow it.
     */
    CYTO_OUT_OF_MEMORY = 4,
    /**
     * The operating system refused a read or a write.
     */
    CYTO_IO = 5,
    /**
     * A file or a block of bytes is damaged or of an unknown layout.
     */
    CYTO_FORMAT = 6,
    /**
     * An iteration ended without converging; the result is still returned.
     */
    CYTO_NOT_CONVERGED = 7,
    /**
     * Understood, but not supported.
     */
    CYTO_UNSUPPORTED = 8,
    /**
     * A handle is in use or poisoned, or the steps came in the wrong order.
     */
    CYTO_STATE = 9,
    /**
     * A partial result belongs to other inputs or other options.
     */
    CYTO_CHECKPOINT_MISMATCH = 10,
    /**
     * Host and library were built for different versions of this header.
     */
    CYTO_ABI_MISMATCH = 11,
    /**
     * A callback of the host failed.
     */
    CYTO_CALLBACK = 12,
    /**
     * The data can be read but not used: negative counts, NaN, no common genes.
     */
    CYTO_INVALID_DATA = 13,
    /**
     * A file, key, column, gene or cell type does not exist.
     */
    CYTO_NOT_FOUND = 14,
    /**
     * A bug of the library. The context stays usable; the handle at work is poisoned.
     */
    CYTO_PANIC = 99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_status cyto_status;
#else
typedef int32_t cyto_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Types of array elements.
 */
enum cyto_dtype
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * `int32_t`.
     */
    CYTO_I32 = 0,
    /**
     * `int64_t`.
     */
    CYTO_I64 = 1,
    /**
     * `float`.
     */
    CYTO_F32 = 2,
    /**
     * `double`.
     */
    CYTO_F64 = 3,
    /**
     * `uint16_t`.
     */
    CYTO_U16 = 4,
    /**
     * `uint32_t`.
     */
    CYTO_U32 = 5,
    /**
     * `uint8_t`; flags are 0 or 1.
     */
    CYTO_U8 = 6,
    /**
     * `uint64_t`; in results only.
     */
    CYTO_U64 = 7,
    /**
     * `const char *`, UTF-8; in results only.
     */
    CYTO_TEXT = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_dtype cyto_dtype;
#else
typedef int32_t cyto_dtype;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Which axis of a sparse matrix is compressed.
 */
enum cyto_layout
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Compressed rows.
     */
    CYTO_CSR = 0,
    /**
     * Compressed columns; R's `dgCMatrix`.
     */
    CYTO_CSC = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_layout cyto_layout;
#else
typedef int32_t cyto_layout;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What the rows of a matrix are. Never guessed: 0 is refused.
 */
enum cyto_orientation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Rows are cells (or pixels), columns are genes, as in Python.
     */
    CYTO_CELLS_BY_GENES = 1,
    /**
     * Rows are genes, columns are cells, as in R.
     */
    CYTO_GENES_BY_CELLS = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_orientation cyto_orientation;
#else
typedef int32_t cyto_orientation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How RCTD explains a pixel.
 */
enum cyto_rctd_mode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * By any mixture of all types.
     */
    CYTO_RCTD_FULL = 0,
    /**
     * By one or two types.
     */
    CYTO_RCTD_DOUBLET = 1,
    /**
     * By a few types, chosen greedily.
     */
    CYTO_RCTD_MULTI = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_rctd_mode cyto_rctd_mode;
#else
typedef int32_t cyto_rctd_mode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What to do with cell types that have too few cells.
 */
enum cyto_rare_types
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Keep them; `cyto_rctd_create` then refuses the reference and names them, as spacexr does.
     */
    CYTO_RARE_TYPES_KEEP = 0,
    /**
     * Leave them out, with a warning.
     */
    CYTO_RARE_TYPES_DROP = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_rare_types cyto_rare_types;
#else
typedef int32_t cyto_rare_types;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What became of a pixel.
 */
enum cyto_pixel_fate
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Fitted.
     */
    CYTO_PIXEL_KEPT = 0,
    /**
     * `n_umi` below `umi_min`.
     */
    CYTO_PIXEL_UMI_TOO_LOW = 1,
    /**
     * `n_umi` above `umi_max`.
     */
    CYTO_PIXEL_UMI_TOO_HIGH = 2,
    /**
     * Counts over all genes below `counts_min`.
     */
    CYTO_PIXEL_COUNTS_TOO_LOW = 3,
    /**
     * Counts over the genes of the platform effect below `counts_min`.
     */
    CYTO_PIXEL_BULK_COUNTS_TOO_LOW = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_pixel_fate cyto_pixel_fate;
#else
typedef uint8_t cyto_pixel_fate;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What doublet mode makes of a pixel.
 */
enum cyto_spot_class
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * No pair of types explains it.
     */
    CYTO_SPOT_REJECT = 0,
    /**
     * One type.
     */
    CYTO_SPOT_SINGLET = 1,
    /**
     * Two types, both certain.
     */
    CYTO_SPOT_DOUBLET_CERTAIN = 2,
    /**
     * Two types, the second uncertain.
     */
    CYTO_SPOT_DOUBLET_UNCERTAIN = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cyto_spot_class cyto_spot_class;
#else
typedef uint8_t cyto_spot_class;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Threads, seed, memory limit, device, progress and cancel.
 */
typedef struct cyto_context cyto_context;

/**
 * An open file or folder.
 */
typedef struct cyto_dataset cyto_dataset;

/**
 * A data set of replicated samples and its analysis. One call at a time.
 */
typedef struct cyto_deseq cyto_deseq;

/**
 * A table of results, one row a gene. Readable from several threads.
 */
typedef struct cyto_deseq_results cyto_deseq_results;

/**
 * A sample table. Not for several threads at once.
 */
typedef struct cyto_deseq_samples cyto_deseq_samples;

/**
 * Transformed counts. Readable from several threads.
 */
typedef struct cyto_deseq_transformed cyto_deseq_transformed;

/**
 * Mixtures that were found. Readable from several threads.
 */
typedef struct cyto_deseq_unmixed cyto_deseq_unmixed;

/**
 * Why a call failed. Owned by the caller; free with `cyto_error_free`.
 */
typedef struct cyto_error cyto_error;

/**
 * Counts, cells x genes, of any origin, or other values of a host (`cyto_matrix_values_from_view`). Readable from
 * several threads.
 */
typedef struct cyto_matrix cyto_matrix;

/**
 * Fits of one shard.
 */
typedef struct cyto_partial cyto_partial;

/**
 * How the pixels are cut into shards.
 */
typedef struct cyto_plan cyto_plan;

/**
 * What a step of preprocessing found. Readable from several threads.
 */
typedef struct cyto_pp_result cyto_pp_result;

/**
 * RCTD on one tissue.
 */
typedef struct cyto_rctd cyto_rctd;

/**
 * Options of RCTD. Not for several threads at once.
 */
typedef struct cyto_rctd_options cyto_rctd_options;

/**
 * Results of RCTD, one row per kept pixel in the order of the input. Readable from several threads.
 */
typedef struct cyto_rctd_results cyto_rctd_results;

/**
 * Mean expression of cell types, and how it came about.
 */
typedef struct cyto_reference cyto_reference;

/**
 * Some rows of a matrix, compressed by cell.
 */
typedef struct cyto_rows cyto_rows;

/**
 * Pixels of a tissue.
 */
typedef struct cyto_spatial cyto_spatial;

/**
 * Settings of a context. Fill with `CYTO_CONTEXT_OPTIONS_INIT`, then change fields.
 */
typedef struct cyto_context_options {
    /**
     * `sizeof(cyto_context_options)`.
     */
    size_t struct_size;
    /**
     * Worker threads; 0 = as many as the process may use. Results never depend on it.
     */
    int32_t threads;
    /**
     * Least time between two progress calls, in milliseconds; 0 = at every opportunity.
     */
    uint32_t progress_interval_ms;
    /**
     * Seed of every random draw.
     */
    uint64_t seed;
    /**
     * Bytes that blocks and caches may use; 0 = 80 % of the memory the process may use.
     */
    uint64_t memory_limit_bytes;
    /**
     * "cpu", "auto" or "cuda"; NULL = "cpu". "cuda" without such a device is `CYTO_NO_GPU`.
     */
    const char *device;
} cyto_context_options;

/**
 * A moment of a long job. Valid only during the callback.
 */
typedef struct cyto_progress {
    /**
     * Size of this struct in the library; later versions only append.
     */
    size_t struct_size;
    /**
     * Items done.
     */
    uint64_t done;
    /**
     * Items in this stage; 0 when not known beforehand.
     */
    uint64_t total;
    /**
     * Seconds since the stage began.
     */
    double elapsed_s;
    /**
     * Stage, for example "fit_pixels".
     */
    const char *stage;
    /**
     * Text for people, "" when there is nothing to say.
     */
    const char *message;
} cyto_progress;

/**
 * Receives progress; non-zero asks to stop, and the call then returns `CYTO_CANCELLED`.
 */
typedef int32_t (*cyto_progress_fn)(void *user_data,
                                    const struct cyto_progress *progress);

/**
 * A sparse matrix in the host's arrays. Fill with `CYTO_SPARSE_VIEW_INIT`, then set every field.
 *
 * Of n = `nrow` (CSR) or `ncol` (CSC): `indptr` holds exactly n + 1 elements, `indices` and `values`
 * exactly `nnz` each.
 */
typedef struct cyto_sparse_view {
    /**
     * `sizeof(cyto_sparse_view)`.
     */
    size_t struct_size;
    /**
     * `cyto_layout`.
     */
    int32_t layout;
    /**
     * `cyto_dtype` of `indptr`: `CYTO_I32` or `CYTO_I64`.
     */
    int32_t indptr_type;
    /**
     * `cyto_dtype` of `indices`: `CYTO_I32` or `CYTO_I64`.
     */
    int32_t index_type;
    /**
     * `cyto_dtype` of `values`.
     */
    int32_t value_type;
    /**
     * 0 or 1: the number of the first position, in `indptr` and `indices`.
     */
    int32_t index_base;
    /**
     * `cyto_orientation`: whether rows are cells or genes. It has no default.
     */
    int32_t orientation;
    /**
     * Rows.
     */
    int64_t nrow;
    /**
     * Columns.
     */
    int64_t ncol;
    /**
     * Stored entries.
     */
    int64_t nnz;
    /**
     * Where each row (CSR) or column (CSC) begins.
     */
    const void *indptr;
    /**
     * Column (CSR) or row (CSC) of each entry.
     */
    const void *indices;
    /**
     * Value of each entry.
     */
    const void *values;
    /**
     * 0 or `CYTO_VIEW_TRUSTED`.
     */
    uint64_t flags;
} cyto_sparse_view;

/**
 * A dense matrix in the host's array. Fill with `CYTO_DENSE_VIEW_INIT`, then set every field.
 *
 * Element (i, j) is `data[i * row_stride + j * col_stride]`.
 */
typedef struct cyto_dense_view {
    /**
     * `sizeof(cyto_dense_view)`.
     */
    size_t struct_size;
    /**
     * `cyto_dtype` of `data`.
     */
    int32_t value_type;
    /**
     * `cyto_orientation`: whether rows are cells or genes. It has no default.
     */
    int32_t orientation;
    /**
     * Rows.
     */
    int64_t nrow;
    /**
     * Columns.
     */
    int64_t ncol;
    /**
     * Elements from one row to the next; not negative.
     */
    int64_t row_stride;
    /**
     * Elements from one column to the next; not negative.
     */
    int64_t col_stride;
    /**
     * The elements.
     */
    const void *data;
} cyto_dense_view;

/**
 * Fills `out` (which comes initialised) with a view of the cells `first` to `first + n - 1` and all genes.
 * The view's arrays must live until `release_block` is called for them, or, without one, until the next
 * call for the same source. Returns 0, or anything else for a failure: the API call then ends with
 * `CYTO_CALLBACK`. Must not unwind.
 */
typedef int32_t (*cyto_read_block_fn)(void *user_data,
                                      int64_t first,
                                      int64_t n,
                                      struct cyto_sparse_view *out);

/**
 * Told that the arrays of a block are not needed any more. Must not unwind.
 */
typedef void (*cyto_release_block_fn)(void *user_data,
                                      const struct cyto_sparse_view *block);

/**
 * Told that the source is not needed any more: the last call with this `user_data`, possibly on
 * another thread than the others. Must not unwind.
 */
typedef void (*cyto_release_source_fn)(void *user_data);

/**
 * A source of counts that the host reads. Fill with `CYTO_BLOCK_SOURCE_INIT`, then set fields.
 */
typedef struct cyto_block_source {
    /**
     * `sizeof(cyto_block_source)`.
     */
    size_t struct_size;
    /**
     * Cells (or pixels).
     */
    int64_t n_cells;
    /**
     * Genes.
     */
    int64_t n_genes;
    /**
     * Reads a block; called on the thread that made the API call. Required.
     */
    cyto_read_block_fn read_block;
    /**
     * May be NULL.
     */
    cyto_release_block_fn release_block;
    /**
     * May be NULL.
     */
    cyto_release_source_fn release_source;
    /**
     * Handed to the three functions.
     */
    void *user_data;
    /**
     * 0 or `CYTO_VIEW_TRUSTED`, for all blocks.
     */
    uint64_t flags;
} cyto_block_source;

/**
 * What to take from a file that holds more than one matrix. Fill with `CYTO_OPEN_OPTIONS_INIT`.
 */
typedef struct cyto_open_options {
    /**
     * `sizeof(cyto_open_options)`.
     */
    size_t struct_size;
    /**
     * `.h5ad`: read `layers/<name>` in place of `X`; NULL = `X`.
     */
    const char *layer;
    /**
     * 10x `.h5`: keep the genes of this genome; NULL = all.
     */
    const char *genome;
    /**
     * `.h5ad`: 1 = read `raw/X` and `raw/var` in place of `X` and `var`.
     */
    int32_t use_raw;
    /**
     * 10x: 1 = keep features of every type; 0 = "Gene Expression" only.
     */
    int32_t all_features;
    /**
     * 10x: 1 = ids name the genes; 0 = symbols do.
     */
    int32_t gene_ids;
    /**
     * Not used; 0.
     */
    int32_t reserved;
} cyto_open_options;

/**
 * An array on loan. Fill with `CYTO_ARRAY_INIT` and pass it to a function that ends in `_array`.
 *
 * Element (i, j) is `data[i * row_stride + j]`. `data` is valid until the handle is freed.
 */
typedef struct cyto_array {
    /**
     * `sizeof(cyto_array)`, set by the caller.
     */
    size_t struct_size;
    /**
     * `cyto_dtype` of the elements.
     */
    int32_t dtype;
    /**
     * 1 for a list, 2 for a matrix.
     */
    int32_t n_dims;
    /**
     * Rows, or elements of a list.
     */
    size_t n_rows;
    /**
     * Columns; 1 for a list.
     */
    size_t n_columns;
    /**
     * Elements from one row to the next.
     */
    size_t row_stride;
    /**
     * The elements; NULL when the call failed.
     */
    const void *data;
} cyto_array;

/**
 * Labelled single cells. Fill with `CYTO_REFERENCE_INPUT_INIT`, then set fields. Names, codes and totals are
 * copied; how long the arrays behind `counts` must live, its own function says.
 */
typedef struct cyto_reference_input {
    /**
     * `sizeof(cyto_reference_input)`.
     */
    size_t struct_size;
    /**
     * Counts.
     */
    const struct cyto_matrix *counts;
    /**
     * Barcode of every cell, unique.
     */
    const char *const *cells;
    /**
     * Elements of `cells`.
     */
    size_t n_cells;
    /**
     * Name of every gene, unique.
     */
    const char *const *genes;
    /**
     * Elements of `genes`.
     */
    size_t n_genes;
    /**
     * Cell type of every cell: position in `cell_types`.
     */
    const int32_t *labels;
    /**
     * Elements of `labels`.
     */
    size_t n_labels;
    /**
     * Names of the cell types; their order is the order of the results.
     */
    const char *const *cell_types;
    /**
     * Elements of `cell_types`.
     */
    size_t n_cell_types;
    /**
     * Total counts of every cell over all genes of the experiment; NULL = sums over `counts`.
     */
    const double *n_umi;
    /**
     * Elements of `n_umi`; 0 with NULL.
     */
    size_t n_n_umi;
} cyto_reference_input;

/**
 * How a reference is made. Fill with `CYTO_REFERENCE_OPTIONS_INIT`, which holds spacexr's defaults.
 */
typedef struct cyto_reference_options {
    /**
     * `sizeof(cyto_reference_options)`.
     */
    size_t struct_size;
    /**
     * Most cells of a type; more are sampled down. 10000.
     */
    uint64_t n_max_cells;
    /**
     * Least total counts of a cell. 100.
     */
    double min_umi;
    /**
     * With `CYTO_RARE_TYPES_DROP`: least cells of a type. 25.
     */
    uint64_t cell_min;
    /**
     * `cyto_rare_types`: what to do about types with fewer. `CYTO_RARE_TYPES_KEEP`.
     */
    int32_t rare_types;
    /**
     * Not used; 0.
     */
    int32_t reserved;
    /**
     * Order of the types, all of them; NULL = as they come.
     */
    const char *const *type_order;
    /**
     * Elements of `type_order`.
     */
    size_t n_type_order;
} cyto_reference_options;

/**
 * Pixels of a tissue. Fill with `CYTO_SPATIAL_INPUT_INIT`, then set fields. Names, coordinates and totals are
 * copied; how long the arrays behind `counts` must live, its own function says.
 */
typedef struct cyto_spatial_input {
    /**
     * `sizeof(cyto_spatial_input)`.
     */
    size_t struct_size;
    /**
     * Counts; its cells are the pixels.
     */
    const struct cyto_matrix *counts;
    /**
     * Barcode of every pixel, unique.
     */
    const char *const *pixels;
    /**
     * Elements of `pixels`.
     */
    size_t n_pixels;
    /**
     * Name of every gene, unique.
     */
    const char *const *genes;
    /**
     * Elements of `genes`.
     */
    size_t n_genes;
    /**
     * x, y of every pixel, one pair after the other; NULL = none.
     */
    const double *coords;
    /**
     * Pairs in `coords`; 0 with NULL.
     */
    size_t n_coords;
    /**
     * Total counts of every pixel over all genes of the experiment; NULL = sums over `counts`.
     */
    const double *n_umi;
    /**
     * Elements of `n_umi`; 0 with NULL.
     */
    size_t n_n_umi;
} cyto_spatial_input;

/**
 * Both inputs of RCTD as files. Fill with `CYTO_RCTD_FILES_INIT`, then set fields.
 */
typedef struct cyto_rctd_files {
    /**
     * `sizeof(cyto_rctd_files)`.
     */
    size_t struct_size;
    /**
     * The tissue; see `cyto_dataset_open`.
     */
    const char *spatial_path;
    /**
     * May be NULL.
     */
    const struct cyto_open_options *spatial_open;
    /**
     * The labelled single cells.
     */
    const char *reference_path;
    /**
     * May be NULL.
     */
    const struct cyto_open_options *reference_open;
    /**
     * Column of the reference's obs table that holds the cell types; NULL = "cell_type".
     */
    const char *cell_type_column;
    /**
     * May be NULL.
     */
    const struct cyto_reference_options *reference_options;
} cyto_rctd_files;

/**
 * What a data set is made of. Fill with `CYTO_DESEQ_INPUT_INIT`, then set fields. Everything is copied. Give
 * `design`, or `model_matrix` with `coefficients`.
 */
typedef struct cyto_deseq_input {
    /**
     * `sizeof(cyto_deseq_input)`.
     */
    size_t struct_size;
    /**
     * Counts; its cells are the samples, in the order of the sample table.
     */
    const struct cyto_matrix *counts;
    /**
     * The sample table.
     */
    const struct cyto_deseq_samples *samples;
    /**
     * Name of every gene.
     */
    const char *const *genes;
    /**
     * Elements of `genes`.
     */
    size_t n_genes;
    /**
     * Design formula over the columns of the sample table, for example "~ batch + condition"; NULL with a matrix.
     */
    const char *design;
    /**
     * Model matrix, samples x coefficients, row after row; NULL with a formula.
     */
    const double *model_matrix;
    /**
     * Name of every coefficient of the matrix.
     */
    const char *const *coefficients;
    /**
     * Elements of `coefficients`; 0 with a formula.
     */
    size_t n_coefficients;
} cyto_deseq_input;

/**
 * Samples to be unmixed. Fill with `CYTO_DESEQ_UNMIX_INPUT_INIT`, then set fields. Everything is copied.
 */
typedef struct cyto_deseq_unmix_input {
    /**
     * `sizeof(cyto_deseq_unmix_input)`.
     */
    size_t struct_size;
    /**
     * Normalised counts or abundances, all samples of the first gene first.
     */
    const double *x;
    /**
     * The same of pure samples: all types of the first gene first.
     */
    const double *pure;
    /**
     * Number of genes.
     */
    size_t n_genes;
    /**
     * Samples in `x`.
     */
    size_t n_samples;
    /**
     * Types in `pure`, at least 2.
     */
    size_t n_types;
} cyto_deseq_unmix_input;

/**
 * A matrix in memory. Fill with `CYTO_PP_INPUT_INIT`, then set fields; all but `counts` may stay NULL. Read during
 * the call only.
 */
typedef struct cyto_pp_input {
    /**
     * `sizeof(cyto_pp_input)`.
     */
    size_t struct_size;
    /**
     * The counts, or other values where the step looks at values as they are.
     */
    const struct cyto_matrix *counts;
    /**
     * Name of every cell; NULL = positions from 0.
     */
    const char *const *cells;
    /**
     * Elements of `cells`.
     */
    size_t n_cells;
    /**
     * Name of every gene; NULL = positions from 0.
     */
    const char *const *genes;
    /**
     * Elements of `genes`.
     */
    size_t n_genes;
    /**
     * Label of every cell: position in `label_names`, or -1 for none. Batches or groups.
     */
    const int32_t *labels;
    /**
     * Elements of `labels`.
     */
    size_t n_labels;
    /**
     * Names of the labels.
     */
    const char *const *label_names;
    /**
     * Elements of `label_names`.
     */
    size_t n_label_names;
    /**
     * Groups of genes, one after the other: a flag for each gene. Element (i, j) is `gene_groups[i * genes + j]`.
     */
    const uint8_t *gene_groups;
    /**
     * Elements of `gene_groups`: groups times genes.
     */
    size_t n_gene_groups;
    /**
     * Name of every group, for example "mt".
     */
    const char *const *gene_group_names;
    /**
     * Elements of `gene_group_names`.
     */
    size_t n_gene_group_names;
    /**
     * A flag for each gene that is used; NULL = all are.
     */
    const uint8_t *mask_var;
    /**
     * Elements of `mask_var`.
     */
    size_t n_mask_var;
} cyto_pp_input;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The ABI number of the library; a host refuses to go on when it is not `CYTO_ABI_VERSION`.
 */
CYTO_API
int32_t cyto_abi_version(void);

/**
 * The version of the library, for example "0.1.0". Static.
 */
CYTO_API
const char *cyto_version(void);

/**
 * A JSON object: `version`, `abi`, `target`, `features`, `cpu` (instruction sets found),
 * `cuda` (state). Static.
 */
CYTO_API
const char *cyto_build_info_json(void);

/**
 * The name of a status code, for example "CANCELLED"; "UNKNOWN" for any other integer. Static.
 */
CYTO_API
const char *cyto_status_name(int32_t status);

/**
 * The status code of an error; 0 for NULL.
 */
CYTO_API
cyto_status cyto_error_code(const struct cyto_error *error);

/**
 * The one-line message, UTF-8: where, what is wrong, what would be right. Borrowed from `error`;
 * "" for NULL.
 */
CYTO_API
const char *cyto_error_message(const struct cyto_error *error);

/**
 * A JSON object with what is known of the place: `argument`, `file`, `reason`, `dataset`, `index`,
 * `row`, `column`, `value`, `gene`, `cell_types`, `key`, `line`, `filter`. Borrowed from `error`;
 * "{}" for NULL.
 */
CYTO_API
const char *cyto_error_detail_json(const struct cyto_error *error);

/**
 * Frees an error. NULL is allowed.
 */
CYTO_API
void cyto_error_free(struct cyto_error *error);

/**
 * Makes a context. `options` may be NULL for the defaults. Free with `cyto_context_free`.
 */
CYTO_API
cyto_status cyto_context_new(const struct cyto_context_options *options,
                             struct cyto_context **out,
                             struct cyto_error **err);

/**
 * Frees a context and ends its threads. NULL is allowed. Handles made with it stay usable.
 */
CYTO_API
void cyto_context_free(struct cyto_context *ctx);

/**
 * Worker threads of the context; 0 for NULL.
 */
CYTO_API
int32_t cyto_context_threads(const struct cyto_context *ctx);

/**
 * Sets the progress callback of later calls; a NULL `callback` removes it. It is called on the
 * thread that made the API call, once at the start and once at the end of each stage and at most once
 * per `progress_interval_ms` between. `user_data` must live until the callback is replaced or the
 * context freed. Using the same context from inside the callback returns `CYTO_STATE`.
 */
CYTO_API
cyto_status cyto_context_set_progress(const struct cyto_context *ctx,
                                      cyto_progress_fn callback,
                                      void *user_data,
                                      struct cyto_error **err);

/**
 * Asks the call that runs on `ctx` to stop; it returns `CYTO_CANCELLED`. From any thread and from a signal
 * handler: one atomic store. Without a running call nothing happens: every call forgets earlier
 * requests when it starts. NULL is allowed.
 */
CYTO_API
void cyto_context_cancel(const struct cyto_context *ctx);

/**
 * Counts in a host's sparse arrays, which are borrowed: they must live and stay unchanged until this
 * handle and everything made from it is freed. The structure is checked in one pass. A matrix compressed
 * along genes (CSR of genes x cells, CSC of cells x genes) is turned round once, which copies it.
 */
CYTO_API
cyto_status cyto_matrix_from_view(const struct cyto_context *ctx,
                                  const struct cyto_sparse_view *view,
                                  struct cyto_matrix **out,
                                  struct cyto_error **err);

/**
 * As `cyto_matrix_from_view`, but the counts are copied (and all checked): the arrays need to live only
 * until the call returns.
 */
CYTO_API
cyto_status cyto_matrix_from_view_copy(const struct cyto_context *ctx,
                                       const struct cyto_sparse_view *view,
                                       struct cyto_matrix **out,
                                       struct cyto_error **err);

/**
 * Counts in a host's dense array, borrowed like those of `cyto_matrix_from_view`.
 */
CYTO_API
cyto_status cyto_matrix_from_dense_view(const struct cyto_context *ctx,
                                        const struct cyto_dense_view *view,
                                        struct cyto_matrix **out,
                                        struct cyto_error **err);

/**
 * As `cyto_matrix_from_dense_view`, but copied (sparse) before the call returns.
 */
CYTO_API
cyto_status cyto_matrix_from_dense_view_copy(const struct cyto_context *ctx,
                                             const struct cyto_dense_view *view,
                                             struct cyto_matrix **out,
                                             struct cyto_error **err);

/**
 * Values of any sign and fraction in a host's sparse arrays, for the steps of preprocessing that look at values as
 * they are (log-normalised ones, say): 32-bit floats stay such, as in a file. Borrowed and turned round as in
 * `cyto_matrix_from_view`. What needs counts refuses such a matrix.
 */
CYTO_API
cyto_status cyto_matrix_values_from_view(const struct cyto_context *ctx,
                                         const struct cyto_sparse_view *view,
                                         struct cyto_matrix **out,
                                         struct cyto_error **err);

/**
 * As `cyto_matrix_values_from_view`, in a dense array.
 */
CYTO_API
cyto_status cyto_matrix_values_from_dense_view(const struct cyto_context *ctx,
                                               const struct cyto_dense_view *view,
                                               struct cyto_matrix **out,
                                               struct cyto_error **err);

/**
 * Cells of a matrix; 0 for NULL.
 */
CYTO_API
size_t cyto_matrix_n_cells(const struct cyto_matrix *matrix);

/**
 * Genes of a matrix; 0 for NULL.
 */
CYTO_API
size_t cyto_matrix_n_genes(const struct cyto_matrix *matrix);

/**
 * Frees a matrix. NULL is allowed. What was made from it stays usable.
 */
CYTO_API
void cyto_matrix_free(struct cyto_matrix *matrix);

/**
 * Counts that the host reads. `source` is copied; what `user_data` points to must live until
 * `release_source` is called, which happens when this handle and everything made from it is freed (and
 * also when this call fails, unless `source` itself cannot be read). Used by one call at a time.
 */
CYTO_API
cyto_status cyto_matrix_from_blocks(const struct cyto_block_source *source,
                                    struct cyto_matrix **out,
                                    struct cyto_error **err);

/**
 * Opens a `.h5ad` or 10x `.h5` file, a folder with `matrix.mtx[.gz]` or `counts.csv[.gz]`, or a Visium `outs`
 * folder. Tables and
 * coordinates are read; counts stay in the file until they are used. On Unix `path` may be any bytes.
 * `options` may be NULL.
 */
CYTO_API
cyto_status cyto_dataset_open(const struct cyto_context *ctx,
                              cyto_str path,
                              const struct cyto_open_options *options,
                              struct cyto_dataset **out,
                              struct cyto_error **err);

/**
 * Frees a dataset. NULL is allowed. What was made from it stays usable.
 */
CYTO_API
void cyto_dataset_free(struct cyto_dataset *dataset);

/**
 * The counts of a dataset, read from the file when they are used. Free with `cyto_matrix_free`.
 */
CYTO_API
cyto_status cyto_dataset_counts(const struct cyto_dataset *dataset,
                                struct cyto_matrix **out,
                                struct cyto_error **err);

/**
 * What was found in the file, as a JSON object: `path`, `format`, `matrix`, `layout`, `dtype`, `n_cells`,
 * `n_genes`, `n_entries`, `chunk`, `filters`, `layers`, `has_raw`, `members`, `warnings`. Borrowed from the
 * dataset; "{}" for NULL.
 */
CYTO_API
const char *cyto_dataset_info_json(const struct cyto_dataset *dataset);

/**
 * Lends an array of a dataset: "cells" and "genes" (text), "coords" (f64, cells x 2) and "n_umi" (f64).
 * `CYTO_NOT_FOUND` when the file has no coordinates or totals.
 */
CYTO_API
cyto_status cyto_dataset_array(const struct cyto_dataset *dataset,
                               cyto_str name,
                               struct cyto_array *out,
                               struct cyto_error **err);

/**
 * The table "obs" (one row per cell) or "var" (one row per gene) as an Arrow stream, which the caller
 * releases; row names are the column "index". On failure `out->release` is NULL.
 */
CYTO_API
cyto_status cyto_dataset_table_arrow(const struct cyto_dataset *dataset,
                                     cyto_str table,
                                     struct ArrowArrayStream *out,
                                     struct cyto_error **err);

/**
 * A reference from labelled single cells, whose counts are read now: nothing of `input` is needed when the call
 * has returned. `options` may be NULL.
 */
CYTO_API
cyto_status cyto_reference_from_counts(const struct cyto_context *ctx,
                                       const struct cyto_reference_input *input,
                                       const struct cyto_reference_options *options,
                                       struct cyto_reference **out,
                                       struct cyto_error **err);

/**
 * A reference from an open file: `column` of its obs table holds the cell types (categories keep their
 * order, other labels are sorted as R sorts them). `options` may be NULL.
 */
CYTO_API
cyto_status cyto_reference_from_dataset(const struct cyto_context *ctx,
                                        const struct cyto_dataset *dataset,
                                        cyto_str column,
                                        const struct cyto_reference_options *options,
                                        struct cyto_reference **out,
                                        struct cyto_error **err);

/**
 * A reference from given profiles: mean normalised expression (count / total of the cell), genes x
 * types, row-major, `n_genes * n_cell_types` values. All is copied.
 */
CYTO_API
cyto_status cyto_reference_from_profiles(const double *profiles,
                                         const char *const *genes,
                                         size_t n_genes,
                                         const char *const *cell_types,
                                         size_t n_cell_types,
                                         struct cyto_reference **out,
                                         struct cyto_error **err);

/**
 * Frees a reference. NULL is allowed. What was made with it stays usable.
 */
CYTO_API
void cyto_reference_free(struct cyto_reference *reference);

/**
 * Lends an array of a reference: "genes", "cell_types", "warnings" (text), "profiles" (f64, genes x types) and
 * "cells_per_type" (u64; `CYTO_NOT_FOUND` when made from profiles).
 */
CYTO_API
cyto_status cyto_reference_array(const struct cyto_reference *reference,
                                 cyto_str name,
                                 struct cyto_array *out,
                                 struct cyto_error **err);

/**
 * Pixels from counts and names. The counts are not read yet: they must stay readable until this handle and
 * everything made from it is freed.
 */
CYTO_API
cyto_status cyto_spatial_new(const struct cyto_spatial_input *input,
                             struct cyto_spatial **out,
                             struct cyto_error **err);

/**
 * Pixels from an open file; the counts stay in the file.
 */
CYTO_API
cyto_status cyto_spatial_from_dataset(const struct cyto_dataset *dataset,
                                      struct cyto_spatial **out,
                                      struct cyto_error **err);

/**
 * Frees pixels. NULL is allowed. What was made with them stays usable.
 */
CYTO_API
void cyto_spatial_free(struct cyto_spatial *spatial);

/**
 * Options with spacexr's defaults. Free with `cyto_rctd_options_free`.
 */
CYTO_API
cyto_status cyto_rctd_options_new(struct cyto_rctd_options **out,
                                  struct cyto_error **err);

/**
 * Frees options. NULL is allowed.
 */
CYTO_API
void cyto_rctd_options_free(struct cyto_rctd_options *options);

/**
 * Sets one option by name: `value` is JSON, for example `"50"`, `"true"`, `"null"`, `"[\"B\", \"T\"]"`. An
 * unknown name is answered with the nearest known one. On failure nothing changes.
 */
CYTO_API
cyto_status cyto_rctd_options_set(struct cyto_rctd_options *options,
                                  cyto_str name,
                                  cyto_str value,
                                  struct cyto_error **err);

/**
 * Sets the options that a JSON object names; the others keep their values. On failure nothing changes.
 */
CYTO_API
cyto_status cyto_rctd_options_set_json(struct cyto_rctd_options *options,
                                       cyto_str json,
                                       struct cyto_error **err);

/**
 * Sets `sigma_pixels`: input rows of the pixels used for sigma. Copied; NULL with 0 goes back to the
 * seeded sample.
 */
CYTO_API
cyto_status cyto_rctd_options_set_sigma_pixels(struct cyto_rctd_options *options,
                                               const uint64_t *rows,
                                               size_t n_rows,
                                               struct cyto_error **err);

/**
 * Sets `sigma_entries`: for every round of the search for sigma, the matrix entries that are scored, as
 * indices into regression genes x sigma pixels with the gene running fastest. Round r has the
 * entries `offsets[r]` to `offsets[r + 1]` of `entries`; `offsets` holds n_rounds + 1 ascending numbers
 * from 0. Copied; NULL with 0 rounds goes back to the seeded sample.
 */
CYTO_API
cyto_status cyto_rctd_options_set_sigma_entries(struct cyto_rctd_options *options,
                                                const uint64_t *offsets,
                                                size_t n_rounds,
                                                const uint64_t *entries,
                                                size_t n_entries,
                                                struct cyto_error **err);

/**
 * Every option with its value, defaults included, as a JSON object. Borrowed from `options` until it is
 * changed or freed; "{}" for NULL.
 */
CYTO_API
const char *cyto_rctd_options_to_json(const struct cyto_rctd_options *options);

/**
 * RCTD in one call. `options` may be NULL for spacexr's defaults; `mode` is a `cyto_rctd_mode`. Nothing of the
 * inputs is needed when the call has returned. Free the results with `cyto_rctd_results_free`.
 */
CYTO_API
cyto_status cyto_rctd_run(const struct cyto_context *ctx,
                          const struct cyto_spatial *spatial,
                          const struct cyto_reference *reference,
                          const struct cyto_rctd_options *options,
                          int32_t mode,
                          struct cyto_rctd_results **out,
                          struct cyto_error **err);

/**
 * RCTD in one call, from two files. The tissue's counts stream; they are never in memory at once.
 */
CYTO_API
cyto_status cyto_rctd_run_files(const struct cyto_context *ctx,
                                const struct cyto_rctd_files *files,
                                const struct cyto_rctd_options *options,
                                int32_t mode,
                                struct cyto_rctd_results **out,
                                struct cyto_error **err);

/**
 * First step: filters pixels and chooses genes, reading the counts twice. `options` may be NULL for spacexr's
 * defaults. The arrays behind the counts must live until this handle is freed; the other handles may
 * be freed at once.
 */
CYTO_API
cyto_status cyto_rctd_create(const struct cyto_context *ctx,
                             const struct cyto_spatial *spatial,
                             const struct cyto_reference *reference,
                             const struct cyto_rctd_options *options,
                             struct cyto_rctd **out,
                             struct cyto_error **err);

/**
 * Frees the object. NULL is allowed.
 */
CYTO_API
void cyto_rctd_free(struct cyto_rctd *rctd);

/**
 * Replaces the options for the steps to come; NULL = spacexr's defaults. Those that choose pixels, genes and
 * types must stay as they were at creation. Steps whose options change have to be done again; sigma stays
 * when option `sigma` is the one that was found.
 */
CYTO_API
cyto_status cyto_rctd_set_options(const struct cyto_rctd *rctd,
                                  const struct cyto_rctd_options *options,
                                  struct cyto_error **err);

/**
 * Second step: estimates platform effects.
 */
CYTO_API
cyto_status cyto_rctd_fit_bulk(const struct cyto_context *ctx,
                               const struct cyto_rctd *rctd,
                               struct cyto_error **err);

/**
 * Third step: estimates sigma, or takes the one in the options. `CYTO_STATE` before `cyto_rctd_fit_bulk`.
 */
CYTO_API
cyto_status cyto_rctd_choose_sigma(const struct cyto_context *ctx,
                                   const struct cyto_rctd *rctd,
                                   struct cyto_error **err);

/**
 * Last step: fits all pixels that the filters left, in a `cyto_rctd_mode`. `CYTO_STATE` before
 * `cyto_rctd_choose_sigma`. May be called again, in the same or another mode.
 */
CYTO_API
cyto_status cyto_rctd_fit_pixels(const struct cyto_context *ctx,
                                 const struct cyto_rctd *rctd,
                                 int32_t mode,
                                 struct cyto_rctd_results **out,
                                 struct cyto_error **err);

/**
 * 100 times sigma; 0 before `cyto_rctd_choose_sigma` and for NULL.
 */
CYTO_API
uint32_t cyto_rctd_sigma(const struct cyto_rctd *rctd);

/**
 * The options in force as a JSON object. Borrowed from `rctd`; "{}" for NULL.
 */
CYTO_API
const char *cyto_rctd_config_json(const struct cyto_rctd *rctd);

/**
 * Lends an array of an RCTD object. Of the input: "barcodes" (text), "n_umi" (f64), "coords" (f64, pixels x 2),
 * "fates" (u8, `cyto_pixel_fate`). Of the filters: "kept" (u32, input rows of the pixels to fit), "genes_bulk",
 * "genes_reg", "cell_types" (text), "profiles_bulk" (f64, genes x types). After `cyto_rctd_fit_bulk`:
 * "proportions" (f64), "profiles_normalized" (f64, bulk genes x types). After `cyto_rctd_choose_sigma`:
 * "sigma_keys" (u32) and "sigma_scores" (f64), one a round, and "sigma_random_seed" (i32, 626) when the option
 * was given: where R's generator stands after them. `CYTO_NOT_FOUND` for what is not there yet.
 */
CYTO_API
cyto_status cyto_rctd_array(const struct cyto_rctd *rctd,
                            cyto_str name,
                            struct cyto_array *out,
                            struct cyto_error **err);

/**
 * Frees results. NULL is allowed. Arrow streams made from them stay valid; arrays on loan do not.
 */
CYTO_API
void cyto_rctd_results_free(struct cyto_rctd_results *results);

/**
 * The `cyto_rctd_mode` of the fits; -1 for NULL.
 */
CYTO_API
int32_t cyto_rctd_results_mode(const struct cyto_rctd_results *results);

/**
 * 100 times sigma; 0 for NULL.
 */
CYTO_API
uint32_t cyto_rctd_results_sigma(const struct cyto_rctd_results *results);

/**
 * Lends an array of results. With N pixels and K cell types, all modes: "cell_types" (text, K), "barcodes"
 * (text, N), "pixels" (u32, input rows), "weights" (f64, N x K, raw), "normalized_weights" (f64, N x K, rows sum
 * to 1), "dominant_type" (u32, index into the types), "conv_all" (u8).
 * Doublet mode: "spot_class" (u8, `cyto_spot_class`), "first_type", "second_type" (u32), "first_class",
 * "second_class" (u8), "min_score", "singlet_score" (f64), "conv_doublet" (u8), "weights_doublet" (f64, N x 2),
 * "doublet_weights" (f64, N x K, as spacexr's get_doublet_weights); with option `keep_scores` also
 * "candidate_offsets" (u64, N + 1), "candidates" (u32), "singlet_scores" (f64), "pair_offsets" (u64, N + 1) and
 * "pair_scores" (f64; of the candidates of a pixel the pairs (0,1), (0,2), ..., (1,2), ...).
 * Multi mode: "multi_offsets" (u64, N + 1), "multi_types" (u32), "conf_list" (u8), "sub_weights" (f64),
 * "min_score" (f64, N), "conv_sub", "fallback" (u8, N). `CYTO_NOT_FOUND` for an array of another mode.
 */
CYTO_API
cyto_status cyto_rctd_results_array(const struct cyto_rctd_results *results,
                                    cyto_str name,
                                    struct cyto_array *out,
                                    struct cyto_error **err);

/**
 * Writes the `.h5ad` file `path`: a copy of the spatial input with the results in `obs`, `obsm` and `uns` under the
 * keys of rctd-py's command line (`rctd_weights`, `rctd_dominant_type`, ...). `spatial_path` is the file or folder
 * that the run read, `spatial_open` (may be NULL) what it took from it; from other formats than `.h5ad` a new file is
 * made. `path` may be `spatial_path`. The file appears whole or not at all; it needs no memory for the counts.
 */
CYTO_API
cyto_status cyto_rctd_results_write_h5ad(const struct cyto_context *ctx,
                                         const struct cyto_rctd_results *results,
                                         cyto_str spatial_path,
                                         const struct cyto_open_options *spatial_open,
                                         cyto_str path,
                                         struct cyto_error **err);

/**
 * A whole table as an Arrow stream, which the caller releases; barcodes are its first column. "results":
 * spacexr's results_df in doublet mode, a row a chosen type in multi mode, dominant type in full mode.
 * "weights", "normalized_weights", "doublet_weights": a column a type. "singlet_scores", "pair_scores": a row
 * a candidate or pair. On failure `out->release` is NULL.
 */
CYTO_API
cyto_status cyto_rctd_results_table_arrow(const struct cyto_rctd_results *results,
                                          cyto_str table,
                                          struct ArrowArrayStream *out,
                                          struct cyto_error **err);

/**
 * Cuts the kept pixels into shards of `pixels_per_shard`; 0 = the library's choice.
 */
CYTO_API
cyto_status cyto_rctd_plan(const struct cyto_rctd *rctd,
                           size_t pixels_per_shard,
                           struct cyto_plan **out,
                           struct cyto_error **err);

/**
 * Number of shards; 0 for NULL.
 */
CYTO_API
size_t cyto_plan_n_shards(const struct cyto_plan *plan);

/**
 * Start and end (half open) of every shard, one pair after the other, in positions of the array "kept".
 * Borrowed from the plan; NULL for NULL.
 */
CYTO_API
const uint64_t *cyto_plan_bounds(const struct cyto_plan *plan);

/**
 * Frees a plan. NULL is allowed.
 */
CYTO_API
void cyto_plan_free(struct cyto_plan *plan);

/**
 * Fits the pixels `start` to `end` - 1 of the array "kept", in a `cyto_rctd_mode`. `CYTO_STATE` before
 * `cyto_rctd_choose_sigma`. Any machine that made the same object from the same inputs may do it.
 */
CYTO_API
cyto_status cyto_rctd_run_shard(const struct cyto_context *ctx,
                                const struct cyto_rctd *rctd,
                                int32_t mode,
                                uint64_t start,
                                uint64_t end,
                                struct cyto_partial **out,
                                struct cyto_error **err);

/**
 * Joins shards that together cover the kept pixels once, in any order; they stay the caller's.
 * `CYTO_CHECKPOINT_MISMATCH` for a shard of other inputs, options or mode.
 */
CYTO_API
cyto_status cyto_rctd_merge(const struct cyto_rctd *rctd,
                            int32_t mode,
                            const struct cyto_partial *const *partials,
                            size_t n_partials,
                            struct cyto_rctd_results **out,
                            struct cyto_error **err);

/**
 * The range of a shard, as it was given to `cyto_rctd_run_shard`.
 */
CYTO_API
cyto_status cyto_partial_range(const struct cyto_partial *partial,
                               uint64_t *start,
                               uint64_t *end,
                               struct cyto_error **err);

/**
 * The shard as bytes, with version, parameter hash and checksum; the same shard always gives the same bytes.
 * Borrowed from the shard.
 */
CYTO_API
cyto_status cyto_partial_serialize(const struct cyto_partial *partial,
                                   const uint8_t **bytes,
                                   size_t *n_bytes,
                                   struct cyto_error **err);

/**
 * A shard from its bytes. `CYTO_FORMAT` when they are damaged or cut off, `CYTO_CHECKPOINT_MISMATCH` when written
 * by another version. The bytes are copied.
 */
CYTO_API
cyto_status cyto_partial_deserialize(const uint8_t *bytes,
                                     size_t n_bytes,
                                     struct cyto_partial **out,
                                     struct cyto_error **err);

/**
 * Frees a shard. NULL is allowed.
 */
CYTO_API
void cyto_partial_free(struct cyto_partial *partial);

/**
 * Reads the cells `first` to `first + n - 1` into memory: all stored counts, genes ascending in each cell.
 * Free with `cyto_rows_free`.
 */
CYTO_API
cyto_status cyto_matrix_read(const struct cyto_context *ctx,
                             const struct cyto_matrix *matrix,
                             int64_t first,
                             int64_t n,
                             struct cyto_rows **out,
                             struct cyto_error **err);

/**
 * Lends an array of rows: "indptr" (u64, cells + 1, begins with 0), "indices" (u32, the gene of every entry) and
 * "values" (u32, its count).
 */
CYTO_API
cyto_status cyto_rows_array(const struct cyto_rows *rows,
                            cyto_str name,
                            struct cyto_array *out,
                            struct cyto_error **err);

/**
 * Frees rows. NULL is allowed.
 */
CYTO_API
void cyto_rows_free(struct cyto_rows *rows);

/**
 * A table of samples without columns. Names are copied. Free with `cyto_deseq_samples_free`.
 */
CYTO_API
cyto_status cyto_deseq_samples_new(const char *const *names,
                                   size_t n_names,
                                   struct cyto_deseq_samples **out,
                                   struct cyto_error **err);

/**
 * Frees a sample table. NULL is allowed.
 */
CYTO_API
void cyto_deseq_samples_free(struct cyto_deseq_samples *samples);

/**
 * Adds or replaces a factor: for each sample the position of its level in `levels`, -1 where it is missing.
 * The first level is the reference. Copied.
 */
CYTO_API
cyto_status cyto_deseq_samples_set_factor(struct cyto_deseq_samples *samples,
                                          cyto_str name,
                                          const int32_t *codes,
                                          size_t n_values,
                                          const char *const *levels,
                                          size_t n_levels,
                                          struct cyto_error **err);

/**
 * Adds or replaces a column of numbers, NaN where one is missing. Copied.
 */
CYTO_API
cyto_status cyto_deseq_samples_set_numbers(struct cyto_deseq_samples *samples,
                                           cyto_str name,
                                           const double *values,
                                           size_t n_values,
                                           struct cyto_error **err);

/**
 * A data set, checked as DESeq2's constructor checks it. `options`: JSON, NULL for none; "ignore_rank" (bool). Notes
 * and warnings go to the progress callback. Free with `cyto_deseq_free`.
 */
CYTO_API
cyto_status cyto_deseq_new(const struct cyto_context *ctx,
                           const struct cyto_deseq_input *input,
                           cyto_str options,
                           struct cyto_deseq **out,
                           struct cyto_error **err);

/**
 * Frees the data set. NULL is allowed. Results and transformed counts made from it stay valid.
 */
CYTO_API
void cyto_deseq_free(struct cyto_deseq *deseq);

/**
 * Sets what scales or weighs the counts, by name: "size_factors" (one a sample), or, one a count, all samples of the first gene first, "normalization_factors", "avg_tx_length", "weights". Copied.
 * What was estimated before is forgotten. "base_pairs" (lengths, one a gene) are for `cyto_deseq_fpkm` alone; estimates
 * stay.
 */
CYTO_API
cyto_status cyto_deseq_set(const struct cyto_deseq *deseq,
                           cyto_str name,
                           const double *values,
                           size_t n_values,
                           struct cyto_error **err);

/**
 * First step: size factors. Options: "sf_type" ("ratio", "poscounts", "iterate"), "locfunc" ("median", "shorth"),
 * "geo_means", "control_genes" (positions), "norm_matrix", "strict".
 */
CYTO_API
cyto_status cyto_deseq_estimate_size_factors(const struct cyto_context *ctx,
                                             const struct cyto_deseq *deseq,
                                             cyto_str options,
                                             struct cyto_error **err);

/**
 * Second step: dispersions. `CYTO_STATE` before the first. Options: "fit_type" ("parametric", "local", "mean",
 * "glmGamPoi": quasi-likelihood, for `cyto_deseq_lrt`), "mode" ("exact", "fast"), "disp_maxit", "use_cr",
 * "weight_threshold", "min_mu", "min_disp", "kappa_0", "disp_tol", "niter", "linear_mu", "alpha_init", "outlier_sd",
 * "disp_prior_var", "keep_assays" (for the array "mu", the fitted means).
 */
CYTO_API
cyto_status cyto_deseq_estimate_dispersions(const struct cyto_context *ctx,
                                            const struct cyto_deseq *deseq,
                                            cyto_str options,
                                            struct cyto_error **err);

/**
 * Third step: Wald tests of all coefficients. `CYTO_STATE` before the second. Outliers are not replaced; that is
 * part of `cyto_deseq_run`. Options: "beta_tol", "maxit", "use_optim", "use_qr", "min_mu", "use_t", "df",
 * "beta_prior", "beta_prior_var", "beta_prior_method", "model_matrix_type", "upper_quantile", "min_replicates_for_replace",
 * "mode" ("exact", "fast"), "keep_assays" (for the arrays "mu", "H", "cooks").
 */
CYTO_API
cyto_status cyto_deseq_wald(const struct cyto_context *ctx,
                            const struct cyto_deseq *deseq,
                            cyto_str options,
                            struct cyto_error **err);

/**
 * Third step: the likelihood-ratio test. Options: those of `cyto_deseq_wald`, and "reduced", which is needed: a
 * formula, or, for a data set with a model matrix, the list of the coefficients that stay or another matrix,
 * {"names": [...], "values": [...]}, samples x coefficients, row after row; and "type": "DESeq2", or "glmGamPoi" for
 * the F test after dispersions of "fit_type" "glmGamPoi".
 */
CYTO_API
cyto_status cyto_deseq_lrt(const struct cyto_context *ctx,
                           const struct cyto_deseq *deseq,
                           cyto_str options,
                           struct cyto_error **err);

/**
 * The whole analysis: size factors unless there are some, dispersions, the test, replacement of outliers. Options:
 * "test" ("Wald", "LRT"), "reduced", and those of all steps. On failure or cancel the estimates of an earlier
 * call stay.
 */
CYTO_API
cyto_status cyto_deseq_run(const struct cyto_context *ctx,
                           const struct cyto_deseq *deseq,
                           cyto_str options,
                           struct cyto_error **err);

/**
 * Lends an array. With n genes, m samples and p coefficients. Always: "genes", "samples" (text). Where they are:
 * "size_factors" (m), "normalization_factors", "weights", "avg_tx_length" (n x m). After dispersions, and after each of
 * their stages as far as it goes: "baseMean", "baseVar", "allZero" (u8), "dispGeneEst", "dispGeneIter", "dispFit",
 * "dispersion", "dispIter", "dispOutlier" (u8), "dispMAP" (n), "disp_model_matrix"; of quasi-likelihood ones
 * "qlDispMLE", "qlDispFit", "qlDispMAP", "dispFitQLCorrected" (n); after `cyto_deseq_estimate_beta_prior_var`
 * "beta_prior_var" and "beta_prior_names" (text). After a test: "results_names" (text, p), "model_matrix" (m x p),
 * "coefficients", "SE" (n x p, log2), "WaldStatistic", "WaldPvalue" (n x p) or "LRTStatistic", "LRTPvalue" (n),
 * "betaConv" (u8), "betaIter", "deviance", "maxCooks", "cooksSample" (u32, the sample with the largest distance) (n);
 * with a prior "MLE" (n x coefficients), "MLE_names" (text); where outliers were found "replace" (u8, n), "replaceable"
 * (u8, m) and "replaceCounts" (genes with "replace" x m); with "keep_assays": "mu", "H", "cooks" (n x m; "mu" also after dispersions). A
 * data set of `cyto_deseq_replace_outliers` has "replace" and "replaceable". "trend": the
 * dispersion trend, for `cyto_deseq_trend_values`. Numbers are f64, NaN where missing. Valid until the handle is freed, also when a step is done again.
 */
CYTO_API
cyto_status cyto_deseq_array(const struct cyto_deseq *deseq,
                             cyto_str name,
                             struct cyto_array *out,
                             struct cyto_error **err);

/**
 * A table as an Arrow stream, which the caller releases. "genes": every column of the genes so far, with DESeq2's
 * names. "samples": the sample table, text as factors. On failure `out->release` is NULL.
 */
CYTO_API
cyto_status cyto_deseq_table_arrow(const struct cyto_deseq *deseq,
                                   cyto_str table,
                                   struct ArrowArrayStream *out,
                                   struct cyto_error **err);

/**
 * Facts of the analysis so far as a JSON object: sizes, size factors, trend and prior of the dispersions, names of
 * the coefficients. Valid until the handle is freed; NULL for NULL and while another call works on the handle.
 */
CYTO_API
const char *cyto_deseq_info_json(const struct cyto_deseq *deseq);

/**
 * First stage of the dispersions: gene-wise estimates. `CYTO_STATE` without size factors. Options: those of
 * `cyto_deseq_estimate_dispersions` but "outlier_sd" and "disp_prior_var" ("fit_type" counts as "glmGamPoi" or any
 * other). Estimates of an earlier call are forgotten.
 */
CYTO_API
cyto_status cyto_deseq_estimate_gene_wise_dispersions(const struct cyto_context *ctx,
                                                      const struct cyto_deseq *deseq,
                                                      cyto_str options,
                                                      struct cyto_error **err);

/**
 * Second stage: the trend of the gene-wise dispersions. `CYTO_STATE` unless the first stage is the last thing that was
 * done (a trend is replaced). Options: "fit_type", "min_disp".
 */
CYTO_API
cyto_status cyto_deseq_fit_dispersion_trend(const struct cyto_context *ctx,
                                            const struct cyto_deseq *deseq,
                                            cyto_str options,
                                            struct cyto_error **err);

/**
 * The variance of the prior of ln dispersion, written to `out`. `CYTO_STATE` before the second stage. Option:
 * "min_disp".
 */
CYTO_API
cyto_status cyto_deseq_estimate_disp_prior_var(const struct cyto_deseq *deseq,
                                               cyto_str options,
                                               double *out,
                                               struct cyto_error **err);

/**
 * Third and last stage: gene-wise dispersions shrunken towards the trend. `CYTO_STATE` before the second stage. Options:
 * "fit_type" (which counts as "glmGamPoi" or any other), "mode", "disp_maxit", "use_cr", "weight_threshold", "min_disp",
 * "kappa_0", "disp_tol", "outlier_sd", "disp_prior_var" (estimated when left out). All three stages give what
 * `cyto_deseq_estimate_dispersions` gives.
 */
CYTO_API
cyto_status cyto_deseq_shrink_dispersions(const struct cyto_context *ctx,
                                          const struct cyto_deseq *deseq,
                                          cyto_str options,
                                          struct cyto_error **err);

/**
 * Variances of a prior of coefficients (log2), for "beta_prior_var" of `cyto_deseq_wald`: lent afterwards as
 * "beta_prior_var" with "beta_prior_names". `mle`: log2 coefficients without prior, genes x coefficients, one gene after
 * the other; NULL for those of the Wald test that was made. `CYTO_STATE` before dispersions. Options:
 * "beta_prior_method" ("weighted", "quantile"), "upper_quantile", "model_matrix_type" ("expanded", "standard").
 */
CYTO_API
cyto_status cyto_deseq_estimate_beta_prior_var(const struct cyto_deseq *deseq,
                                               const double *mle,
                                               size_t n_mle,
                                               cyto_str options,
                                               struct cyto_error **err);

/**
 * A table of results that a host kept, cut or changed: for `cyto_deseq_results_summary` and the arrays. `genes`:
 * names of the genes. `names`, `values` and `lengths` as for `cyto_deseq_restore`, one value a gene: "baseMean",
 * "log2FoldChange", and where there are any "lfcMLE", "lfcSE", "stat", "pvalue", "padj", "svalue". Options: "alpha" (0.1;
 * 0.005 with s-values and no "padj"), "lfc_threshold", "filter_threshold". Copied. Free with
 * `cyto_deseq_results_free`.
 */
CYTO_API
cyto_status cyto_deseq_results_restore(const char *const *genes,
                                       size_t n_genes,
                                       cyto_str options,
                                       const char *const *names,
                                       const double *const *values,
                                       const size_t *lengths,
                                       size_t n_columns,
                                       struct cyto_deseq_results **out,
                                       struct cyto_error **err);

/**
 * Puts estimates of an earlier analysis of the same data into a data set, for hosts that keep the columns
 * themselves. `names`, `values` and `lengths`: for each of `n_columns` its name, values (f64, NaN where missing;
 * matrices row after row) and number of values. For dispersions: "baseMean", "baseVar", "allZero", "dispGeneEst",
 * "dispGeneIter", "dispFit", "dispersion", "dispIter", "dispOutlier", "dispMAP", "disp_model_matrix", "trend", and
 * for quasi-likelihood ones "qlDispMLE", "qlDispFit", "qlDispMAP", "dispFitQLCorrected". Without "dispersion" the
 * stage before: these without the last four of the first, "dispFit" and "trend" where there is one, and "mu" (genes x
 * samples), which `cyto_deseq_shrink_dispersions` needs. Dispersions may have "mu" too: Cook's distances of a
 * likelihood-ratio test are about these means. For a test also "coefficients", "SE", "WaldStatistic", "WaldPvalue" or "LRTStatistic", "LRTPvalue", "reducedBetaConv"; "betaConv", "betaIter", "deviance", "maxCooks",
 * "cooksSample"; where there are any "tDegreesFreedom", "beta_prior_var", "MLE", "replace", "model_matrix". Options:
 * "var_log_disp_ests", "disp_prior_var", "ql_df0" (infinite when left out); for a test "model_matrix_type" ("standard",
 * "expanded", "user-supplied"), "results_names", "min_mu", "lrt" (the designs in words), "mle_names". Everything is
 * copied; on failure nothing changes.
 */
CYTO_API
cyto_status cyto_deseq_restore(const struct cyto_deseq *deseq,
                               cyto_str options,
                               const char *const *names,
                               const double *const *values,
                               const size_t *lengths,
                               size_t n_columns,
                               struct cyto_error **err);

/**
 * Dispersions at `means` by a trend that `cyto_deseq_array` lent as "trend". `out`: room for `n_means` values.
 */
CYTO_API
cyto_status cyto_deseq_trend_values(const double *trend,
                                    size_t n_trend,
                                    const double *means,
                                    size_t n_means,
                                    double *out,
                                    struct cyto_error **err);

/**
 * The table of a comparison. `CYTO_STATE` before a test. Options: "contrast" (["factor", "level", "base"],
 * {"numerators": [...], "denominators": [...]} or a number a coefficient) or "name" (a coefficient), "lfc_threshold",
 * "alt_hypothesis", "list_values", "cooks_cutoff" (a number or false), "independent_filtering", "alpha", "filter",
 * "theta", "p_adjust_method", "test", "add_mle", "compat" ("1.38", "1.44"). Free with `cyto_deseq_results_free`.
 */
CYTO_API
cyto_status cyto_deseq_results_new(const struct cyto_context *ctx,
                                   const struct cyto_deseq *deseq,
                                   cyto_str options,
                                   struct cyto_deseq_results **out,
                                   struct cyto_error **err);

/**
 * Shrunken effects. `base` is the table of the same comparison; with NULL it is made. Options: "type" ("apeglm",
 * "ashr", "normal"), "name" or "contrast" (one is needed), "svalue", "ape_adapt", "lfc_threshold", and the other
 * options of results.
 */
CYTO_API
cyto_status cyto_deseq_lfc_shrink(const struct cyto_context *ctx,
                                  const struct cyto_deseq *deseq,
                                  const struct cyto_deseq_results *base,
                                  cyto_str options,
                                  struct cyto_deseq_results **out,
                                  struct cyto_error **err);

/**
 * Replaces a column (f64, one a gene): "log2FoldChange", "lfcSE", "stat", "pvalue" or "padj". For a table that the host
 * changed and shrinks further. Copied; arrays on loan from this handle become invalid.
 */
CYTO_API
cyto_status cyto_deseq_results_set(struct cyto_deseq_results *results,
                                   cyto_str name,
                                   const double *values,
                                   size_t n_values,
                                   struct cyto_error **err);

/**
 * Frees results. NULL is allowed. Arrow streams made from them stay valid; arrays on loan do not.
 */
CYTO_API
void cyto_deseq_results_free(struct cyto_deseq_results *results);

/**
 * Lends a column (f64, one a gene, NaN where missing): "baseMean", "log2FoldChange", "lfcMLE", "lfcSE", "stat",
 * "pvalue", "padj", "svalue"; "genes" (text); of independent filtering "filter_theta" and "filter_num_rej".
 */
CYTO_API
cyto_status cyto_deseq_results_array(const struct cyto_deseq_results *results,
                                     cyto_str name,
                                     struct cyto_array *out,
                                     struct cyto_error **err);

/**
 * The table as an Arrow stream, which the caller releases; its first column is "gene", the others are DESeq2's. On
 * failure `out->release` is NULL.
 */
CYTO_API
cyto_status cyto_deseq_results_table_arrow(const struct cyto_deseq_results *results,
                                           struct ArrowArrayStream *out,
                                           struct cyto_error **err);

/**
 * Level, threshold, independent filtering, a description of each column, and the prior of shrunken effects, as a
 * JSON object. Borrowed from `results`; "{}" for NULL.
 */
CYTO_API
const char *cyto_deseq_results_info_json(const struct cyto_deseq_results *results);

/**
 * How many genes go up and down, are outliers or have low counts, as text. Borrowed from `results`; "" for NULL.
 */
CYTO_API
const char *cyto_deseq_results_summary(const struct cyto_deseq_results *results);

/**
 * The variance-stabilising transformation; needs no earlier step. Options: "blind", "fit_type", "nsub" (genes the
 * trend is estimated from, 1000; 0 = all, and then without "blind" the trend of `cyto_deseq_estimate_dispersions` is
 * used where there is one, or that of the option "trend": numbers as `cyto_deseq_array` lends them, or for a function
 * of one's own 5, then mean and dispersion in turn at sinh(t i / 999), i from 1 to 999, t = asinh of the largest
 * normalised count). Free with `cyto_deseq_transformed_free`.
 */
CYTO_API
cyto_status cyto_deseq_vst(const struct cyto_context *ctx,
                           const struct cyto_deseq *deseq,
                           cyto_str options,
                           struct cyto_deseq_transformed **out,
                           struct cyto_error **err);

/**
 * The regularised log transformation; needs no earlier step. Options: "blind" (without it the trend of
 * `cyto_deseq_estimate_dispersions` is used where there is one), "fit_type"; of an earlier transformation
 * "intercept" (one a gene, null for genes without counts), "disp_fit" and "beta_prior_var".
 */
CYTO_API
cyto_status cyto_deseq_rlog(const struct cyto_context *ctx,
                            const struct cyto_deseq *deseq,
                            cyto_str options,
                            struct cyto_deseq_transformed **out,
                            struct cyto_error **err);

/**
 * Frees transformed counts. NULL is allowed.
 */
CYTO_API
void cyto_deseq_transformed_free(struct cyto_deseq_transformed *transformed);

/**
 * Lends "values" (f64, genes x samples), "genes", "samples" (text); after `cyto_deseq_rlog` also "intercept" and
 * "dispFit" (f64, one a gene) and "beta_prior_var" (one). Where a trend was estimated for the transformation also
 * "baseMean", "baseVar", "dispFit" (f64), "allZero" (u8), and, where all genes took part, "dispGeneEst" and
 * "dispGeneIter" (f64).
 */
CYTO_API
cyto_status cyto_deseq_transformed_array(const struct cyto_deseq_transformed *transformed,
                                         cyto_str name,
                                         struct cyto_array *out,
                                         struct cyto_error **err);

/**
 * Finds the shares of pure samples in mixed ones. Options: "alpha", the dispersion of a variance-stabilising
 * transformation, or "shift" of ln(q + shift), on which samples are compared; "power" (1: absolute differences, 2:
 * squares; 1). Free with `cyto_deseq_unmixed_free`.
 */
CYTO_API
cyto_status cyto_deseq_unmix(const struct cyto_context *ctx,
                             const struct cyto_deseq_unmix_input *input,
                             cyto_str options,
                             struct cyto_deseq_unmixed **out,
                             struct cyto_error **err);

/**
 * Frees mixtures. NULL is allowed.
 */
CYTO_API
void cyto_deseq_unmixed_free(struct cyto_deseq_unmixed *unmixed);

/**
 * Lends "mix" (f64, samples x types, rows of sum 1), "fitted" (genes x samples: pure times shares), "correlation" (of
 * each sample with its fitted values) and "objective" (the sum that was minimised), one a sample. Valid until freed.
 */
CYTO_API
cyto_status cyto_deseq_unmixed_array(const struct cyto_deseq_unmixed *unmixed,
                                     cyto_str name,
                                     struct cyto_array *out,
                                     struct cyto_error **err);

/**
 * The counts as "values". Option: "normalized" (default false: divided by size or normalization factors, `CYTO_STATE`
 * without). Free with `cyto_deseq_transformed_free`.
 */
CYTO_API
cyto_status cyto_deseq_counts(const struct cyto_context *ctx,
                              const struct cyto_deseq *deseq,
                              cyto_str options,
                              struct cyto_deseq_transformed **out,
                              struct cyto_error **err);

/**
 * Counts per million as "values". Option: "robust" (default true: size factors, estimated when missing, in place of
 * totals; with "avg_tx_length" totals). Free with `cyto_deseq_transformed_free`.
 */
CYTO_API
cyto_status cyto_deseq_fpm(const struct cyto_context *ctx,
                           const struct cyto_deseq *deseq,
                           cyto_str options,
                           struct cyto_deseq_transformed **out,
                           struct cyto_error **err);

/**
 * Counts per million and kilobase as "values", by "avg_tx_length" or else "base_pairs" (see `cyto_deseq_set`). Option:
 * "robust", as for `cyto_deseq_fpm`. Free with `cyto_deseq_transformed_free`.
 */
CYTO_API
cyto_status cyto_deseq_fpkm(const struct cyto_context *ctx,
                            const struct cyto_deseq *deseq,
                            cyto_str options,
                            struct cyto_deseq_transformed **out,
                            struct cyto_error **err);

/**
 * A new data set whose samples are groups of the samples of `deseq`, counts added. `codes`: for each of the `n_codes`
 * samples the position of its group in `groups`; groups without samples are left out. The first sample's row of the
 * sample table is kept; `runs` (a name a sample, or NULL) are joined into the column "runsCollapsed". The design is kept,
 * size factors and other matrices are not. Free with `cyto_deseq_free`.
 */
CYTO_API
cyto_status cyto_deseq_collapse_replicates(const struct cyto_context *ctx,
                                           const struct cyto_deseq *deseq,
                                           const int32_t *codes,
                                           size_t n_codes,
                                           const char *const *groups,
                                           size_t n_groups,
                                           const char *const *runs,
                                           struct cyto_deseq **out,
                                           struct cyto_error **err);

/**
 * A new data set in whose counts outliers are replaced by the trimmed mean of the gene at the size of the sample; it has
 * the size factors of the old one and lends "replace" (genes with an outlier) and "replaceable" (samples). Nothing is
 * fitted again: `cyto_deseq_run` does both. `CYTO_STATE` before a test. `cooks`: Cook's distances, genes x samples, all
 * samples of the first gene first; NULL for those of the test, made with "keep_assays". Options: "trim" (0.2),
 * "cooks_cutoff", "min_replicates" (7), "samples" (positions, instead of those with enough replicates). Free with
 * `cyto_deseq_free`.
 */
CYTO_API
cyto_status cyto_deseq_replace_outliers(const struct cyto_deseq *deseq,
                                        const double *cooks,
                                        size_t n_cooks,
                                        cyto_str options,
                                        struct cyto_deseq **out,
                                        struct cyto_error **err);

/**
 * Principal components of the samples. `values`: transformed counts, genes x samples, all samples of the first gene first.
 * The `n_top` genes of the largest variance are used, centred, not scaled. `scores`: room for samples x components, row
 * after row, as many components as samples; signs are arbitrary but fixed. `percent_var`: room for the share of the
 * variance of each component.
 */
CYTO_API
cyto_status cyto_deseq_sample_pca(const double *values,
                                  size_t n_genes,
                                  size_t n_samples,
                                  size_t n_top,
                                  double *scores,
                                  double *percent_var,
                                  struct cyto_error **err);

/**
 * Frees a result. NULL is allowed. Arrow streams made from it stay valid; arrays on loan do not.
 */
CYTO_API
void cyto_pp_result_free(struct cyto_pp_result *result);

/**
 * What was done, as a JSON object: facts of the step (each function names its own), "warnings" where there can
 * be some, "seen" (`n_merged` entries summed onto others, `n_zeros` stored zeros left out, `n_negative`,
 * `n_fractional` values) and "options": every option with the value in force. Borrowed from `result`; "{}" for
 * NULL.
 */
CYTO_API
const char *cyto_pp_result_report_json(const struct cyto_pp_result *result);

/**
 * Lends an array of a result; which ones there are, the function that made it says. Flags are `CYTO_U8`.
 * `CYTO_NOT_FOUND` for an array of another step.
 */
CYTO_API
cyto_status cyto_pp_result_array(const struct cyto_pp_result *result,
                                 cyto_str name,
                                 struct cyto_array *out,
                                 struct cyto_error **err);

/**
 * A whole table as an Arrow stream, which the caller releases: "obs" (a row a cell of the input), "var" (a row
 * a gene of the input), "hvg" (a row a gene) or "groups"; names of the rows are the column "index". Which ones there are, the
 * function that made the result says; `CYTO_NOT_FOUND` for one of another step. On failure `out->release`
 * is NULL.
 */
CYTO_API
cyto_status cyto_pp_result_table_arrow(const struct cyto_pp_result *result,
                                       cyto_str table,
                                       struct ArrowArrayStream *out,
                                       struct cyto_error **err);

/**
 * Quality control metrics of cells and genes (scanpy's calculate_qc_metrics): columns of `obs` and `var` of the
 * output, and tables "obs" and "var" of the result. `output` may be NULL: nothing is written then. Options, all may
 * be left out: "expr_type" ("counts"), "var_type" ("genes"), "qc_vars" (a boolean column of `var`, or a list),
 * "percent_top" ([50, 100, 200, 500]; null = none), "log1p" (true), "wide" (false: scanpy's types; true: 64-bit
 * floats), "layer", "use_raw" (false). Report: "n_cells", "n_genes", "seen".
 *
 * What holds for all functions over files: `input` is an `.h5ad`; `output` is made or replaced as a whole when all
 * is done (it may be `input`) and is as it was when the call fails. `options` is a JSON object, or NULL for the
 * defaults; an unknown name is answered with the nearest known one. Where the step reads a matrix there are also
 * "canonicalize" (true: entries of the same cell and gene are summed) and "allow_nonfinite" (false); where it
 * writes a file also "compression" (null = as the input; "none", "gzip", "gzip:1" to "gzip:9", with "+shuffle" or
 * without) and "break_hardlinks" (false). Blocks and caches stay within the memory limit of the context. The result
 * is freed with `cyto_pp_result_free`.
 */
CYTO_API
cyto_status cyto_pp_qc(const struct cyto_context *ctx,
                       cyto_str input,
                       cyto_str output,
                       cyto_str options,
                       struct cyto_pp_result **out,
                       struct cyto_error **err);

/**
 * Keeps the cells that pass one threshold: exactly one of the options "min_counts", "min_genes", "max_counts",
 * "max_genes". `output` may be NULL. Array "kept" (u8, a cell of the input); table "obs" with the number that was
 * compared and "kept". Report: "n_cells", "n_kept", "column".
 */
CYTO_API
cyto_status cyto_pp_filter_cells(const struct cyto_context *ctx,
                                 cyto_str input,
                                 cyto_str output,
                                 cyto_str options,
                                 struct cyto_pp_result **out,
                                 struct cyto_error **err);

/**
 * Keeps the genes that pass one threshold: exactly one of the options "min_counts", "min_cells", "max_counts",
 * "max_cells". `output` may be NULL. Array "kept" (u8, a gene of the input); table "var" with the number that was
 * compared and "kept". Report: "n_genes", "n_kept", "column".
 */
CYTO_API
cyto_status cyto_pp_filter_genes(const struct cyto_context *ctx,
                                 cyto_str input,
                                 cyto_str output,
                                 cyto_str options,
                                 struct cyto_pp_result **out,
                                 struct cyto_error **err);

/**
 * Divides every cell by its size factor. Options: "target_sum" (null = the median of the totals),
 * "exclude_highly_expressed" (false), "max_fraction" (0.05), "median_over" ("auto" as scanpy, "all", "nonzero"),
 * "key_added" (column of `obs` for the factors), "layer". Arrays "size_factors" (f64, a cell; 0 for a cell without
 * counts, which stays as it is), "excluded_genes" (u32). Report: "n_cells", "target_sum", "n_empty_cells",
 * "n_excluded_genes".
 */
CYTO_API
cyto_status cyto_pp_normalize_total(const struct cyto_context *ctx,
                                    cyto_str input,
                                    cyto_str output,
                                    cyto_str options,
                                    struct cyto_pp_result **out,
                                    struct cyto_error **err);

/**
 * Takes log(1 + x) and notes it in `uns/log1p`. Options: "base" (null = natural), "layer", "guard" (false; true:
 * `CYTO_STATE` for data that are log-transformed already, which otherwise is a warning). Report: "warnings".
 */
CYTO_API
cyto_status cyto_pp_log1p(const struct cyto_context *ctx,
                          cyto_str input,
                          cyto_str output,
                          cyto_str options,
                          struct cyto_pp_result **out,
                          struct cyto_error **err);

/**
 * Highly variable genes: columns of `var` and `uns/hvg` of the output. `output` may be NULL. Options: "flavor"
 * ("seurat"; "cell_ranger", "seurat_v3", "seurat_v3_paper"), "n_top_genes" (null = cutoffs), "min_disp" (0.5),
 * "max_disp" ("inf"), "min_mean" (0.0125), "max_mean" (3), "span" (0.3), "n_bins" (20), "check_values" (true),
 * "batch_key" (column of `obs`), "layer", "subset" (false). Array "highly_variable" (u8); table "hvg" with scanpy's
 * columns. Report: "n_genes", "n_highly_variable", "warnings".
 */
CYTO_API
cyto_status cyto_pp_highly_variable_genes(const struct cyto_context *ctx,
                                          cyto_str input,
                                          cyto_str output,
                                          cyto_str options,
                                          struct cyto_pp_result **out,
                                          struct cyto_error **err);

/**
 * Principal components: `obsm/X_pca`, `varm/PCs`, `uns/pca` of the output. `output` may be NULL. Options: "n_comps"
 * (null = 50, or one less than the smaller side), "zero_center" (true), "svd_solver" ("auto": exact up to 8,000
 * genes; "covariance", "randomized"), "random_state" (0), "mask_var" (a boolean column of `var`; left out =
 * "highly_variable" where there is one; null = all genes), "layer", "key_added", "match_dtype" (false). Arrays
 * "variance", "variance_ratio" (f64), "loadings" (f64, genes x components), "pca_genes" (u32), "pca_mean" (f64, of
 * these genes), "genes" (text). Coordinates of the cells are in the output only. Report: "n_comps", "n_genes_used",
 * "variance_ratio" (their sum).
 */
CYTO_API
cyto_status cyto_pp_pca(const struct cyto_context *ctx,
                        cyto_str input,
                        cyto_str output,
                        cyto_str options,
                        struct cyto_pp_result **out,
                        struct cyto_error **err);

/**
 * Scales genes to unit variance; `var` gets `mean` and `std` (with a mask `mean of <mask_obs>` and so on).
 * Options: "zero_center" (true; a sparse matrix becomes dense by it, which "dense_ok" must allow), "max_value",
 * "mask_obs" (boolean column of `obs`), "layer", "dense_ok" (false). Arrays "gene_mean", "gene_std" (f64).
 * Report: "n_genes".
 */
CYTO_API
cyto_status cyto_pp_scale(const struct cyto_context *ctx,
                          cyto_str input,
                          cyto_str output,
                          cyto_str options,
                          struct cyto_pp_result **out,
                          struct cyto_error **err);

/**
 * Exact nearest neighbours and UMAP's weights: `obsp/distances`, `obsp/connectivities`, `uns/neighbors` of the
 * output. `output` may be NULL. Options: "n_neighbors" (15, the cell itself included), "use_rep" ("X_pca"), "n_pcs",
 * "key_added". Arrays as `cyto_pp_coordinates_neighbors`. Report: "n_cells", "n_neighbors".
 */
CYTO_API
cyto_status cyto_pp_neighbors(const struct cyto_context *ctx,
                              cyto_str input,
                              cyto_str output,
                              cyto_str options,
                              struct cyto_pp_result **out,
                              struct cyto_error **err);

/**
 * Pseudobulk: a file with a row a group of cells and a layer a function. `output` may be NULL. Options: "by" (a
 * column of `obs`, or a list; needed), "func" (["sum"]; "mean", "var", "count_nonzero", "median"), "dof" (1),
 * "layer". Arrays: one of the name of each function (f64, groups x genes), "genes", "groups" (text), "group_sizes"
 * (u64), "group_codes" (i32, a cell; -1 where a label is missing); table "groups" with the keys and "n_obs_aggregated".
 * Report: "n_groups", "n_genes", "n_cells_without_label".
 */
CYTO_API
cyto_status cyto_pp_aggregate(const struct cyto_context *ctx,
                              cyto_str input,
                              cyto_str output,
                              cyto_str options,
                              struct cyto_pp_result **out,
                              struct cyto_error **err);

/**
 * Quality control, filters, size factors, logarithm, variable genes and components in one go, in two passes over
 * the counts up to the variable genes. An option a step, which holds the options of that step: "qc",
 * "filter_cells", "filter_genes" (any number of thresholds, all must be passed), "normalize_total", "log1p"
 * ("base"), "highly_variable_genes", "pca"; null leaves a step out (not the size factors and the logarithm). Filters
 * are left out unless they are named. Beside them "materialize" (true; false: counts stay, `obs/norm_factor` and
 * `uns/log1p_virtual` say how to normalise them) and "guard" (true: data that are log-transformed already are
 * `CYTO_STATE`). Tables "obs", "var" (metrics, all cells and genes of the input), "hvg" (a row a gene of the output);
 * arrays of `cyto_pp_normalize_total`, `cyto_pp_highly_variable_genes` and `cyto_pp_pca`, of the cells and genes that
 * stay. Report: "n_cells", "n_genes", "n_cells_kept", "n_genes_kept", "target_sum", "n_empty_cells",
 * "n_excluded_genes", "n_highly_variable", "n_comps", "variance_ratio", "seen", "warnings".
 */
CYTO_API
cyto_status cyto_pp_preprocess(const struct cyto_context *ctx,
                               cyto_str input,
                               cyto_str output,
                               cyto_str options,
                               struct cyto_pp_result **out,
                               struct cyto_error **err);

/**
 * Writes the matrix in another layout, chunking or compression; indices ascend, duplicates are summed, zeros are
 * left out. Options: "layout" ("csr", "csc", "dense"; null = as it is), "chunk" (65536 elements), "layer".
 */
CYTO_API
cyto_status cyto_pp_convert(const struct cyto_context *ctx,
                            cyto_str input,
                            cyto_str output,
                            cyto_str options,
                            struct cyto_pp_result **out,
                            struct cyto_error **err);

/**
 * Everything that is wrong with a file, in one reading of every matrix. A file that can be opened gives a
 * result whatever else is wrong. Report: "faults" (objects with "member", "reason", "message"; none for a good
 * file), "warnings", "matrices".
 */
CYTO_API
cyto_status cyto_pp_validate(const struct cyto_context *ctx,
                             cyto_str input,
                             struct cyto_pp_result **out,
                             struct cyto_error **err);

/**
 * Keeps the cells and genes whose flag is not 0, in every member of the file. `cells` has a flag for each of the
 * `n_cells` cells of the input, `genes` for each of its `n_genes` genes; NULL with 0 keeps all. `options` may
 * hold those of the output only; see `cyto_pp_qc`. Report: "n_cells_kept", "n_genes_kept" (null where all were).
 */
CYTO_API
cyto_status cyto_pp_subset(const struct cyto_context *ctx,
                           cyto_str input,
                           cyto_str output,
                           const uint8_t *cells,
                           size_t n_cells,
                           const uint8_t *genes,
                           size_t n_genes,
                           cyto_str options,
                           struct cyto_pp_result **out,
                           struct cyto_error **err);

/**
 * Writes an open dataset (10x, Matrix Market, CSV, Visium) as an `.h5ad`: counts as CSR of 32-bit floats, the
 * tables of cells and genes, coordinates as `obsm/spatial`. Options: "compression" ("gzip"; see `cyto_pp_qc`).
 * `output` is made or replaced as a whole and is as it was when the call fails.
 */
CYTO_API
cyto_status cyto_dataset_write_h5ad(const struct cyto_context *ctx,
                                    const struct cyto_dataset *dataset,
                                    cyto_str output,
                                    cyto_str options,
                                    struct cyto_error **err);

/**
 * Removes the temporary files that killed writers left in a folder: no process of their number runs, and
 * nothing was written for five minutes. `n_removed` may be NULL. Every step does the same for its own output.
 */
CYTO_API
cyto_status cyto_cleanup(cyto_str folder,
                         uint64_t *n_removed,
                         struct cyto_error **err);

/**
 * Quality control metrics of a matrix in memory, as `cyto_pp_qc` has them; groups of genes are those of
 * `input`. Options: "expr_type", "var_type", "percent_top", "log1p", "wide", "canonicalize", "allow_nonfinite".
 */
CYTO_API
cyto_status cyto_pp_matrix_qc(const struct cyto_context *ctx,
                              const struct cyto_pp_input *input,
                              cyto_str options,
                              struct cyto_pp_result **out,
                              struct cyto_error **err);

/**
 * Size factors of a matrix in memory, as `cyto_pp_normalize_total` has them. Options: "target_sum",
 * "exclude_highly_expressed", "max_fraction", "median_over", "canonicalize", "allow_nonfinite".
 */
CYTO_API
cyto_status cyto_pp_matrix_size_factors(const struct cyto_context *ctx,
                                        const struct cyto_pp_input *input,
                                        cyto_str options,
                                        struct cyto_pp_result **out,
                                        struct cyto_error **err);

/**
 * Highly variable genes of a matrix in memory, as `cyto_pp_highly_variable_genes` has them; labels are batches
 * and need names of the genes. Options: those of that function, but for "batch_key", "layer", "subset" and those
 * of the output. Flavours that look at logarithms want "normalize_total" (true, or an object with the options of
 * `cyto_pp_matrix_size_factors`) and "log1p" (true, or an object with "base"), which are done on the way; both
 * are off unless named, for values that are logarithms already, whose base is "log_base" (null = natural).
 */
CYTO_API
cyto_status cyto_pp_matrix_highly_variable_genes(const struct cyto_context *ctx,
                                                 const struct cyto_pp_input *input,
                                                 cyto_str options,
                                                 struct cyto_pp_result **out,
                                                 struct cyto_error **err);

/**
 * Principal components of a matrix in memory, as `cyto_pp_pca` has them, of the genes in `mask_var`. Also array
 * "scores" (f64, cells x components). Options: "n_comps", "zero_center", "svd_solver", "random_state",
 * "canonicalize", "allow_nonfinite", and "normalize_total" and "log1p" as in
 * `cyto_pp_matrix_highly_variable_genes`.
 */
CYTO_API
cyto_status cyto_pp_matrix_pca(const struct cyto_context *ctx,
                               const struct cyto_pp_input *input,
                               cyto_str options,
                               struct cyto_pp_result **out,
                               struct cyto_error **err);

/**
 * Pseudobulk of a matrix in memory, as `cyto_pp_aggregate` has it, by the labels of `input`; the key's column in
 * table "groups" is "label". Options: "func", "dof", "canonicalize", "allow_nonfinite".
 */
CYTO_API
cyto_status cyto_pp_matrix_aggregate(const struct cyto_context *ctx,
                                     const struct cyto_pp_input *input,
                                     cyto_str options,
                                     struct cyto_pp_result **out,
                                     struct cyto_error **err);

/**
 * Exact nearest neighbours of cells by their coordinates (row-major, `n_cells` x `n_dims`), and UMAP's weights.
 * Option "n_neighbors" (15, the cell itself included). With k = n_neighbors - 1, arrays "indices" (u32, cells x
 * k), "distances" (f64, cells x k), and both sparse matrices of cells x cells: "distances_indptr",
 * "connectivities_indptr" (u64), "distances_indices", "connectivities_indices" (u32), "distances_values",
 * "connectivities_values" (f64). Report: "n_cells", "n_neighbors".
 */
CYTO_API
cyto_status cyto_pp_coordinates_neighbors(const struct cyto_context *ctx,
                                          const double *coordinates,
                                          size_t n_cells,
                                          size_t n_dims,
                                          cyto_str options,
                                          struct cyto_pp_result **out,
                                          struct cyto_error **err);

/**
 * The cells of a matrix in memory that pass a threshold, with the results and options of `cyto_pp_filter_cells`
 * but those of the output. The host keeps them.
 */
CYTO_API
cyto_status cyto_pp_matrix_filter_cells(const struct cyto_context *ctx,
                                        const struct cyto_pp_input *input,
                                        cyto_str options,
                                        struct cyto_pp_result **out,
                                        struct cyto_error **err);

/**
 * The genes of a matrix in memory that pass a threshold, with the results and options of `cyto_pp_filter_genes`
 * but those of the output. The host keeps them.
 */
CYTO_API
cyto_status cyto_pp_matrix_filter_genes(const struct cyto_context *ctx,
                                        const struct cyto_pp_input *input,
                                        cyto_str options,
                                        struct cyto_pp_result **out,
                                        struct cyto_error **err);

/**
 * Normalised and logarithmic values of a matrix in memory, which stays as it is. Options: "normalize_total" and
 * "log1p" as in `cyto_pp_matrix_highly_variable_genes`, at least one of them; "canonicalize", "allow_nonfinite".
 * Arrays "x_indptr" (u64), "x_indices" (u32), "x_values" (f64): cells x genes compressed by cell, genes ascending,
 * no zeros stored; values are those of a file (32-bit floats for counts and such values, exactly, in 64 bits).
 * With "normalize_total" also the arrays and facts of `cyto_pp_matrix_size_factors`.
 */
CYTO_API
cyto_status cyto_pp_matrix_transform(const struct cyto_context *ctx,
                                     const struct cyto_pp_input *input,
                                     cyto_str options,
                                     struct cyto_pp_result **out,
                                     struct cyto_error **err);

/**
 * Values of a matrix in memory with genes scaled to unit variance. `mask_obs` has a flag for each of the `n_mask_obs`
 * cells: those with 0 are neither looked at nor changed; NULL with 0 looks at all. Options: "zero_center" (true),
 * "max_value", "canonicalize", "allow_nonfinite", and "normalize_total" and "log1p" as in
 * `cyto_pp_matrix_highly_variable_genes`. Arrays "gene_mean", "gene_std" (f64); centred values are array "x" (f64,
 * cells x genes), others those of `cyto_pp_matrix_transform`. Report: "n_genes".
 */
CYTO_API
cyto_status cyto_pp_matrix_scale(const struct cyto_context *ctx,
                                 const struct cyto_pp_input *input,
                                 const uint8_t *mask_obs,
                                 size_t n_mask_obs,
                                 cyto_str options,
                                 struct cyto_pp_result **out,
                                 struct cyto_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CYTOSOL_H */

/* What the structs are filled with: `cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;` */
#define CYTO_ARRAY_INIT {sizeof(cyto_array), 0, 0, 0, 0, 0, NULL}
#define CYTO_BLOCK_SOURCE_INIT {sizeof(cyto_block_source), 0, 0, NULL, NULL, NULL, NULL, 0}
#define CYTO_CONTEXT_OPTIONS_INIT {sizeof(cyto_context_options), 0, 100, 1, 0, NULL}
#define CYTO_DENSE_VIEW_INIT {sizeof(cyto_dense_view), 0, 0, 0, 0, 0, 0, NULL}
#define CYTO_DESEQ_INPUT_INIT \
    {sizeof(cyto_deseq_input), NULL, NULL, NULL, 0, NULL, NULL, NULL, 0}
#define CYTO_DESEQ_UNMIX_INPUT_INIT {sizeof(cyto_deseq_unmix_input), NULL, NULL, 0, 0, 0}
#define CYTO_OPEN_OPTIONS_INIT {sizeof(cyto_open_options), NULL, NULL, 0, 0, 0, 0}
#define CYTO_PP_INPUT_INIT \
    {sizeof(cyto_pp_input), NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define CYTO_RCTD_FILES_INIT {sizeof(cyto_rctd_files), NULL, NULL, NULL, NULL, NULL, NULL}
#define CYTO_REFERENCE_INPUT_INIT \
    {sizeof(cyto_reference_input), NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define CYTO_REFERENCE_OPTIONS_INIT {sizeof(cyto_reference_options), 10000, 100.0, 25, 0, 0, NULL, 0}
#define CYTO_SPARSE_VIEW_INIT \
    {sizeof(cyto_sparse_view), 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0}
#define CYTO_SPATIAL_INPUT_INIT {sizeof(cyto_spatial_input), NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
