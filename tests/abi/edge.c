/* What a host can do wrong: every case gets its status and a message, and nothing breaks. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "results_equal.h"
#include "simulate.h"

static void null_everywhere(cyto_context *ctx) {
    cyto_context *made = NULL;
    cyto_matrix *matrix = NULL;
    cyto_array array = CYTO_ARRAY_INIT;
    struct ArrowArrayStream stream;
    uint64_t start = 0;
    const uint8_t *bytes = NULL;
    size_t n = 0;
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    /* Freeing nothing is fine. */
    cyto_error_free(NULL);
    cyto_context_free(NULL);
    cyto_matrix_free(NULL);
    cyto_dataset_free(NULL);
    cyto_reference_free(NULL);
    cyto_spatial_free(NULL);
    cyto_rctd_options_free(NULL);
    cyto_rctd_free(NULL);
    cyto_rctd_results_free(NULL);
    cyto_plan_free(NULL);
    cyto_partial_free(NULL);
    cyto_context_cancel(NULL);
    /* Reading nothing gives the empty value. */
    CHECK(cyto_error_code(NULL) == CYTO_OK && strcmp(cyto_error_message(NULL), "") == 0);
    CHECK(strcmp(cyto_error_detail_json(NULL), "{}") == 0);
    CHECK(cyto_context_threads(NULL) == 0 && cyto_rctd_sigma(NULL) == 0);
    CHECK(cyto_matrix_n_cells(NULL) == 0 && cyto_matrix_n_genes(NULL) == 0);
    CHECK(cyto_plan_n_shards(NULL) == 0 && cyto_plan_bounds(NULL) == NULL);
    CHECK(cyto_rctd_results_mode(NULL) == -1 && cyto_rctd_results_sigma(NULL) == 0);
    CHECK(strcmp(cyto_dataset_info_json(NULL), "{}") == 0);
    CHECK(strcmp(cyto_rctd_options_to_json(NULL), "{}") == 0);
    CHECK(strcmp(cyto_rctd_config_json(NULL), "{}") == 0);
    /* Everything else names the argument. */
    FAILS(CYTO_INVALID_ARGUMENT, "out", cyto_context_new(NULL, NULL, &err));
    CHECK(cyto_context_new(NULL, NULL, NULL) == CYTO_INVALID_ARGUMENT);
    FAILS(CYTO_INVALID_ARGUMENT, "ctx", cyto_context_set_progress(NULL, NULL, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "ctx", cyto_matrix_from_view(NULL, &view, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "view", cyto_matrix_from_view(ctx, NULL, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "out", cyto_matrix_from_view(ctx, &view, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "view", cyto_matrix_from_view_copy(ctx, NULL, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "view", cyto_matrix_from_dense_view(ctx, NULL, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "view",
          cyto_matrix_from_dense_view_copy(ctx, NULL, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "source", cyto_matrix_from_blocks(NULL, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "path",
          cyto_dataset_open(ctx, NULL, NULL, &(cyto_dataset *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "dataset", cyto_dataset_counts(NULL, &matrix, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "handle", cyto_dataset_array(NULL, "cells", &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "dataset", cyto_dataset_table_arrow(NULL, "obs", &stream, &err));
    CHECK(stream.release == NULL);
    FAILS(CYTO_INVALID_ARGUMENT, "input",
          cyto_reference_from_counts(ctx, NULL, NULL, &(cyto_reference *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "dataset",
          cyto_reference_from_dataset(ctx, NULL, "x", NULL, &(cyto_reference *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "profiles",
          cyto_reference_from_profiles(NULL, (const char *const[]){"a"}, 1,
                                       (const char *const[]){"t"}, 1, &(cyto_reference *){NULL},
                                       &err));
    FAILS(CYTO_INVALID_ARGUMENT, "input", cyto_spatial_new(NULL, &(cyto_spatial *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "dataset",
          cyto_spatial_from_dataset(NULL, &(cyto_spatial *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "out", cyto_rctd_options_new(NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "options", cyto_rctd_options_set(NULL, "a", "1", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "options", cyto_rctd_options_set_json(NULL, "{}", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "options",
          cyto_rctd_options_set_sigma_pixels(NULL, NULL, 0, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "spatial",
          cyto_rctd_run(ctx, NULL, NULL, NULL, 0, &(cyto_rctd_results *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "files",
          cyto_rctd_run_files(ctx, NULL, NULL, 0, &(cyto_rctd_results *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "spatial",
          cyto_rctd_create(ctx, NULL, NULL, NULL, &(cyto_rctd *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd", cyto_rctd_fit_bulk(ctx, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd", cyto_rctd_choose_sigma(ctx, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "results",
          cyto_rctd_results_write_h5ad(ctx, NULL, "a.h5ad", NULL, "b.h5ad", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "options",
          cyto_rctd_options_set_sigma_entries(NULL, NULL, 0, NULL, 0, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd",
          cyto_rctd_fit_pixels(ctx, NULL, 0, &(cyto_rctd_results *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd", cyto_rctd_plan(NULL, 0, &(cyto_plan *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd",
          cyto_rctd_run_shard(ctx, NULL, 0, 0, 1, &(cyto_partial *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd",
          cyto_rctd_merge(NULL, 0, NULL, 0, &(cyto_rctd_results *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "partial", cyto_partial_range(NULL, &start, &start, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "partial", cyto_partial_serialize(NULL, &bytes, &n, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "bytes",
          cyto_partial_deserialize(NULL, 5, &(cyto_partial *){NULL}, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "handle", cyto_rctd_array(NULL, "kept", &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "handle", cyto_reference_array(NULL, "genes", &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "handle", cyto_rctd_results_array(NULL, "weights", &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "results",
          cyto_rctd_results_table_arrow(NULL, "results", &stream, &err));
    CHECK(made == NULL && matrix == NULL && array.data == NULL);
}

static void struct_sizes(cyto_context *ctx) {
    union {
        cyto_context_options options;
        unsigned char bytes[sizeof(cyto_context_options) + 16];
    } longer;
    cyto_context *made = NULL;
    cyto_matrix *matrix = NULL;
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    const cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    memset(&longer, 0, sizeof longer);
    longer.options = options;
    longer.options.threads = 1;
    longer.options.struct_size = sizeof longer;
    OK(cyto_context_new(&longer.options, &made, &err)); /* of a later version, nothing set */
    cyto_context_free(made);
    longer.bytes[sizeof longer - 1] = 1;
    FAILS(CYTO_ABI_MISMATCH, "later version", cyto_context_new(&longer.options, &made, &err));
    CHECK(made == NULL);
    longer.options.struct_size = 0;
    FAILS(CYTO_INVALID_ARGUMENT, "CYTO_CONTEXT_OPTIONS_INIT",
          cyto_context_new(&longer.options, &made, &err));
    longer.options.struct_size = sizeof(cyto_context_options) - 1;
    FAILS(CYTO_INVALID_ARGUMENT, "struct_size", cyto_context_new(&longer.options, &made, &err));
    longer.options.struct_size = SIZE_MAX;
    FAILS(CYTO_ABI_MISMATCH, "struct_size", cyto_context_new(&longer.options, &made, &err));
    view.struct_size = 8;
    FAILS(CYTO_INVALID_ARGUMENT, "CYTO_SPARSE_VIEW_INIT",
          cyto_matrix_from_view(ctx, &view, &matrix, &err));
}

static void contexts(void) {
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_context *ctx = NULL;
    options.threads = -1;
    FAILS(CYTO_INVALID_ARGUMENT, "threads", cyto_context_new(&options, &ctx, &err));
    options.threads = 5000;
    FAILS(CYTO_INVALID_ARGUMENT, "threads", cyto_context_new(&options, &ctx, &err));
    options.threads = 1;
    options.device = "cuda";
    FAILS(CYTO_NO_GPU, "device", cyto_context_new(&options, &ctx, &err));
    options.device = "quantum";
    FAILS(CYTO_INVALID_ARGUMENT, "quantum", cyto_context_new(&options, &ctx, &err));
    options.device = "\xff\xfe";
    FAILS(CYTO_INVALID_ARGUMENT, "UTF-8", cyto_context_new(&options, &ctx, &err));
    options.device = "auto";
    OK(cyto_context_new(&options, &ctx, &err));
    cyto_context_free(ctx);
}

static void broken_views(cyto_context *ctx) {
    int32_t starts[] = {0, 2, 3}, genes[] = {0, 2, 1};
    double values[] = {1, 2, 3};
    cyto_matrix *matrix = NULL;
    cyto_sparse_view good = CYTO_SPARSE_VIEW_INIT;
    good.layout = CYTO_CSR;
    good.orientation = CYTO_CELLS_BY_GENES;
    good.indptr_type = good.index_type = CYTO_I32;
    good.value_type = CYTO_F64;
    good.nrow = 2;
    good.ncol = 3;
    good.nnz = 3;
    good.indptr = starts;
    good.indices = genes;
    good.values = values;
    OK(cyto_matrix_from_view(ctx, &good, &matrix, &err));
    cyto_matrix_free(matrix);
#define BROKEN(status, words, change)                                                   \
    do {                                                                                \
        cyto_sparse_view view = good;                                                   \
        change;                                                                         \
        FAILS(status, words, cyto_matrix_from_view(ctx, &view, &matrix, &err));         \
        CHECK(matrix == NULL);                                                          \
    } while (0)
    BROKEN(CYTO_INVALID_ARGUMENT, "layout", view.layout = 77);
    BROKEN(CYTO_INVALID_ARGUMENT, "orientation", view.orientation = 0);
    BROKEN(CYTO_INVALID_ARGUMENT, "indptr", view.indptr_type = CYTO_F64);
    BROKEN(CYTO_INVALID_ARGUMENT, "indices", view.index_type = CYTO_U8);
    BROKEN(CYTO_INVALID_ARGUMENT, "values", view.value_type = CYTO_TEXT);
    BROKEN(CYTO_INVALID_ARGUMENT, "values", view.value_type = -1);
    BROKEN(CYTO_INVALID_ARGUMENT, "index_base", view.index_base = 2);
    BROKEN(CYTO_INVALID_ARGUMENT, "flags", view.flags = 2);
    BROKEN(CYTO_INVALID_ARGUMENT, "nrow", view.nrow = -1);
    BROKEN(CYTO_INVALID_ARGUMENT, "ncol", view.ncol = -1);
    BROKEN(CYTO_INVALID_ARGUMENT, "nnz", view.nnz = -1);
    BROKEN(CYTO_INVALID_ARGUMENT, "", view.nrow = INT64_MAX; view.nnz = INT64_MAX);
    BROKEN(CYTO_INVALID_ARGUMENT, "\"index\":2", view.nnz = 2);
    BROKEN(CYTO_INVALID_ARGUMENT, "indptr", view.indptr = NULL);
    BROKEN(CYTO_INVALID_ARGUMENT, "indices", view.indices = NULL);
    BROKEN(CYTO_INVALID_ARGUMENT, "values", view.values = NULL);
    BROKEN(CYTO_INVALID_ARGUMENT, "misaligned", view.values = (const char *)values + 1);
    genes[1] = 3;
    BROKEN(CYTO_INVALID_ARGUMENT, "corrupt_matrix", (void)view);
    genes[1] = -1;
    BROKEN(CYTO_INVALID_ARGUMENT, "\"index\":1", (void)view);
    genes[1] = 2;
    starts[0] = 1;
    BROKEN(CYTO_INVALID_ARGUMENT, "counts.indptr", (void)view);
    starts[0] = 0;
    starts[1] = 4;
    BROKEN(CYTO_INVALID_ARGUMENT, "decrease", (void)view);
    starts[1] = 2;
    cyto_dense_view dense = CYTO_DENSE_VIEW_INIT;
    dense.value_type = CYTO_F64;
    dense.orientation = CYTO_CELLS_BY_GENES;
    dense.nrow = 1;
    dense.ncol = 3;
    dense.row_stride = 3;
    dense.col_stride = -1;
    dense.data = values;
    FAILS(CYTO_INVALID_ARGUMENT, "col_stride",
          cyto_matrix_from_dense_view(ctx, &dense, &matrix, &err));
    dense.col_stride = INT64_MAX;
    FAILS(CYTO_INVALID_ARGUMENT, "", cyto_matrix_from_dense_view(ctx, &dense, &matrix, &err));
}

static void empty_and_huge_views(cyto_context *ctx) {
    static const int64_t zero[] = {0};
    cyto_matrix *matrix = NULL;
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    view.orientation = CYTO_CELLS_BY_GENES;
    view.indptr_type = CYTO_I64;
    view.index_type = CYTO_I32;
    view.value_type = CYTO_U8;
    view.indptr = zero;
    OK(cyto_matrix_from_view(ctx, &view, &matrix, &err)); /* 0 x 0, no entries */
    cyto_matrix_free(matrix);
    view.ncol = 7; /* 0 rows */
    OK(cyto_matrix_from_view(ctx, &view, &matrix, &err));
    CHECK(cyto_matrix_n_cells(matrix) == 0 && cyto_matrix_n_genes(matrix) == 7);
    cyto_matrix_free(matrix);
    view.layout = CYTO_CSC;
    view.nrow = 7;
    view.ncol = 0; /* 0 columns */
    OK(cyto_matrix_from_view(ctx, &view, &matrix, &err));
    cyto_matrix_free(matrix);
    /* More than 2^31 entries: only sizes, in memory that is never touched but by the checks. */
    const int64_t nnz = INT64_C(1) << 32;
    const int64_t starts[] = {0, nnz};
    void *pages = mmap(NULL, (size_t)nnz * 4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
    if (pages == MAP_FAILED) {
        fprintf(stderr, "no room for 16 GiB of address space: the case of 2^32 entries is left out\n");
        failures += 1;
        return;
    }
    view.layout = CYTO_CSR;
    view.nrow = 1;
    view.ncol = 10;
    view.nnz = nnz;
    view.indptr = starts;
    view.indices = pages;
    view.values = pages;
    view.flags = CYTO_VIEW_TRUSTED;
    OK(cyto_matrix_from_view(ctx, &view, &matrix, &err));
    CHECK(cyto_matrix_n_cells(matrix) == 1);
    cyto_matrix_free(matrix);
    munmap(pages, (size_t)nnz * 4);
}

/* Values that are no counts are named by gene and pixel when they are read. */
static void values_that_are_no_counts(cyto_context *ctx, struct simulation *sim,
                                      const cyto_reference *reference) {
    static const double bad[] = {-1.0, 0.5, NAN, INFINITY, 1e12};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cyto_spatial *spatial = spatial_of(ctx, sim);
        cyto_rctd *rctd = NULL;
        cyto_matrix *copy = NULL;
        const cyto_sparse_view view = view_of(&sim->pixels);
        const int32_t entry = sim->pixels.starts[3];
        const double kept = sim->pixels.values[entry];
        sim->pixels.values[entry] = bad[i];
        FAILS(CYTO_INVALID_DATA, "pixel3",
              cyto_rctd_create(ctx, spatial, reference, NULL, &rctd, &err));
        FAILS(CYTO_INVALID_DATA, "\"row\":3",
              cyto_matrix_from_view_copy(ctx, &view, &copy, &err));
        CHECK(rctd == NULL && copy == NULL);
        sim->pixels.values[entry] = kept;
        cyto_spatial_free(spatial);
    }
}

static void wrong_inputs(cyto_context *ctx, const struct simulation *sim,
                         const cyto_reference *reference) {
    const cyto_sparse_view view = view_of(&sim->pixels);
    cyto_matrix *counts = NULL;
    cyto_spatial *spatial = NULL;
    cyto_rctd *rctd = NULL;
    cyto_rctd_results *results = NULL;
    cyto_rctd_options *options = NULL;
    cyto_spatial_input input = CYTO_SPATIAL_INPUT_INIT;
    OK(cyto_matrix_from_view(ctx, &view, &counts, &err));
    input.counts = counts;
    input.pixels = (const char *const *)sim->pixel_names;
    input.n_pixels = (size_t)sim->pixels.n_cells - 1;
    input.genes = (const char *const *)sim->gene_names;
    input.n_genes = N_GENES;
    FAILS(CYTO_INVALID_ARGUMENT, "n_pixels", cyto_spatial_new(&input, &spatial, &err));
    input.n_pixels += 1;
    char **names = malloc(sizeof(char *) * N_GENES);
    if (names == NULL) exit(1);
    memcpy(names, sim->gene_names, sizeof(char *) * N_GENES);
    names[7] = NULL;
    input.genes = (const char *const *)names;
    FAILS(CYTO_INVALID_ARGUMENT, "genes[7]", cyto_spatial_new(&input, &spatial, &err));
    names[7] = (char[]){'\xc3', '\x28', 0};
    FAILS(CYTO_INVALID_ARGUMENT, "UTF-8", cyto_spatial_new(&input, &spatial, &err));
    names[7] = names[8];
    OK(cyto_spatial_new(&input, &spatial, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "unique",
          cyto_rctd_create(ctx, spatial, reference, NULL, &rctd, &err));
    cyto_spatial_free(spatial);
    free(names);
    spatial = spatial_with(sim, counts);
    for (int32_t mode = -1; mode <= 3; mode += 4)
        FAILS(CYTO_INVALID_ARGUMENT, "mode",
              cyto_rctd_run(ctx, spatial, reference, NULL, mode, &results, &err));
    OK(cyto_rctd_options_new(&options, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "umi_min", cyto_rctd_options_set(options, "umi_mim", "1", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "JSON", cyto_rctd_options_set(options, "umi_min", "1 2", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "JSON", cyto_rctd_options_set_json(options, "{", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "object", cyto_rctd_options_set_json(options, "[]", &err));
    OK(cyto_rctd_options_set_json(options, "{\"umi_min\": 1000000}", &err));
    CHECK(strstr(cyto_rctd_options_to_json(options), "\"umi_min\":1000000") != NULL);
    FAILS(CYTO_INVALID_DATA, "no_pixels",
          cyto_rctd_create(ctx, spatial, reference, options, &rctd, &err));
    OK(cyto_rctd_options_set_json(options, "{\"umi_min\": 100, \"umi_min_sigma\": 1e7}", &err));
    FAILS(CYTO_INVALID_DATA, "no_sigma_pixels",
          cyto_rctd_run(ctx, spatial, reference, options, 0, &results, &err));
    OK(cyto_rctd_options_set(options, "cell_min_instance", "1000", &err));
    FAILS(CYTO_INVALID_DATA, "too_few_cells",
          cyto_rctd_create(ctx, spatial, reference, options, &rctd, &err));
    const uint64_t rows[] = {0, 1, 2, 1000000};
    OK(cyto_rctd_options_set_json(options, "{\"cell_min_instance\": 25}", &err));
    const uint64_t offsets[] = {0, 2, 4}, backwards[] = {0, 5, 4};
    OK(cyto_rctd_options_set_sigma_entries(options, offsets, 2, rows, 4, &err));
    CHECK(strstr(cyto_rctd_options_to_json(options), "[[0,1],[2,1000000]]") != NULL);
    FAILS(CYTO_INVALID_ARGUMENT, "offsets",
          cyto_rctd_options_set_sigma_entries(options, backwards, 2, rows, 4, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "offsets",
          cyto_rctd_options_set_sigma_entries(options, offsets, 2, rows, 3, &err));
    OK(cyto_rctd_options_set_sigma_entries(options, NULL, 0, NULL, 0, &err));
    CHECK(strstr(cyto_rctd_options_to_json(options), "\"sigma_entries\":null") != NULL);
    OK(cyto_rctd_options_set_sigma_pixels(options, rows, 4, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "1000000",
          cyto_rctd_run(ctx, spatial, reference, options, 0, &results, &err));
    CHECK(results == NULL && rctd == NULL);
    cyto_rctd_options_free(options);
    cyto_spatial_free(spatial);
    cyto_matrix_free(counts);
}

static void partials_that_are_none(void) {
    static const uint8_t bytes[64] = "CYTORCTD and then nothing that fits";
    cyto_partial *partial = NULL;
    FAILS(CYTO_FORMAT, "", cyto_partial_deserialize(bytes, 0, &partial, &err));
    FAILS(CYTO_FORMAT, "", cyto_partial_deserialize(bytes, sizeof bytes, &partial, &err));
    FAILS(CYTO_FORMAT, "", cyto_partial_deserialize(bytes + 1, sizeof bytes - 1, &partial, &err));
    CHECK(partial == NULL);
}

static void paths(cyto_context *ctx) {
    cyto_dataset *dataset = NULL;
    cyto_rctd_files files = CYTO_RCTD_FILES_INIT;
    cyto_rctd_results *results = NULL;
    cyto_open_options options = CYTO_OPEN_OPTIONS_INIT;
    FAILS(CYTO_NOT_FOUND, "/no/such/file",
          cyto_dataset_open(ctx, "/no/such/file.h5ad", NULL, &dataset, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "path", cyto_dataset_open(ctx, "", NULL, &dataset, &err));
    /* Bytes of a path are kept; the message shows what can be shown. */
    FAILS(CYTO_NOT_FOUND, "/no/\xef\xbf\xbd",
          cyto_dataset_open(ctx, "/no/\xff.h5ad", NULL, &dataset, &err));
    FAILS(CYTO_FORMAT, "not_hdf5", cyto_dataset_open(ctx, "/etc/passwd", NULL, &dataset, &err));
    options.use_raw = 2;
    FAILS(CYTO_INVALID_ARGUMENT, "use_raw",
          cyto_dataset_open(ctx, "/no/such", &options, &dataset, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "spatial_path",
          cyto_rctd_run_files(ctx, &files, NULL, 0, &results, &err));
    files.spatial_path = "/no/spatial.h5ad";
    files.reference_path = "/no/reference.h5ad";
    FAILS(CYTO_NOT_FOUND, "reference", cyto_rctd_run_files(ctx, &files, NULL, 0, &results, &err));
    CHECK(dataset == NULL && results == NULL);
}

/* ---- blocks of a host that misbehaves ---- */

enum fault { RETURNS_FAILURE, GIVES_TOO_FEW, GIVES_NOTHING, BREAKS_INDEX, FLAGS };

struct bad_source {
    const struct simulation *sim;
    enum fault fault;
    int released;
    int32_t starts[4097], genes[4096];
};

static int32_t read_badly(void *user_data, int64_t first, int64_t n, cyto_sparse_view *out) {
    struct bad_source *source = user_data;
    const struct counts *counts = &source->sim->pixels;
    if (source->fault == RETURNS_FAILURE) return 3;
    if (source->fault == GIVES_NOTHING) return 0;
    *out = view_of(counts);
    out->ncol = n;
    const int32_t origin = counts->starts[first];
    for (int64_t i = 0; i <= n; i++) source->starts[i] = counts->starts[first + i] - origin;
    out->nnz = source->starts[n];
    out->indptr = source->starts;
    out->indices = counts->genes + origin;
    out->values = counts->values + origin;
    if (source->fault == GIVES_TOO_FEW) {
        out->ncol = n - 1;
        out->nnz = source->starts[n - 1];
    }
    if (source->fault == BREAKS_INDEX) {
        for (int i = 0; i < 4096; i++) source->genes[i] = N_GENES;
        out->ncol = n;
        for (int64_t i = 0; i <= n; i++) source->starts[i] = (int32_t)i;
        out->nnz = n;
        out->indices = source->genes;
    }
    if (source->fault == FLAGS) out->flags = CYTO_VIEW_TRUSTED;
    return 0;
}

static void released(void *user_data) { ((struct bad_source *)user_data)->released += 1; }

static void hosts_that_misbehave(cyto_context *ctx, const struct simulation *sim,
                                 const cyto_reference *reference) {
    static const struct {
        enum fault fault;
        cyto_status status;
        const char *words;
    } cases[] = {{RETURNS_FAILURE, CYTO_CALLBACK, "read_block"},
                 {GIVES_TOO_FEW, CYTO_INVALID_ARGUMENT, "asked for"},
                 {GIVES_NOTHING, CYTO_INVALID_ARGUMENT, "block"},
                 {BREAKS_INDEX, CYTO_INVALID_ARGUMENT, "corrupt_matrix"},
                 {FLAGS, CYTO_INVALID_ARGUMENT, "flags"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bad_source source = {.sim = sim, .fault = cases[i].fault};
        cyto_block_source blocks = CYTO_BLOCK_SOURCE_INIT;
        cyto_matrix *counts = NULL;
        cyto_rctd *rctd = NULL;
        blocks.n_cells = sim->pixels.n_cells;
        blocks.n_genes = N_GENES;
        blocks.release_source = released;
        blocks.user_data = &source;
        if (i == 0) {
            FAILS(CYTO_INVALID_ARGUMENT, "read_block",
                  cyto_matrix_from_blocks(&blocks, &counts, &err));
            CHECK(source.released == 1);
            source.released = 0;
        }
        blocks.read_block = read_badly;
        OK(cyto_matrix_from_blocks(&blocks, &counts, &err));
        cyto_spatial *spatial = spatial_with(sim, counts);
        FAILS(cases[i].status, cases[i].words,
              cyto_rctd_create(ctx, spatial, reference, NULL, &rctd, &err));
        cyto_spatial_free(spatial);
        CHECK(source.released == 0);
        cyto_matrix_free(counts);
        CHECK(source.released == 1);
    }
}

/* ---- two threads on one context and on one object ---- */

struct other {
    cyto_context *ctx, *own;
    cyto_rctd *rctd;
    int started, states;
};

static void *use_the_same(void *user_data) {
    struct other *other = user_data;
    cyto_rctd_results *results = NULL;
    other->states += cyto_rctd_fit_bulk(other->ctx, other->rctd, NULL) == CYTO_STATE;
    other->states +=
        cyto_rctd_fit_pixels(other->own, other->rctd, 0, &results, NULL) == CYTO_STATE;
    cyto_rctd_results_free(results);
    return NULL;
}

static int32_t start_other(void *user_data, const cyto_progress *progress) {
    struct other *other = user_data;
    pthread_t thread;
    if (other->started || strcmp(progress->stage, "fit_pixels") != 0) return 0;
    other->started = 1;
    if (pthread_create(&thread, NULL, use_the_same, other) != 0) exit(1);
    pthread_join(thread, NULL);
    return 0;
}

static void second_thread(const struct simulation *sim) {
    struct other other = {context_of(1), context_of(1), NULL, 0, 0};
    cyto_reference *reference = reference_of(other.ctx, sim);
    cyto_spatial *spatial = spatial_of(other.ctx, sim);
    cyto_rctd_options *options = NULL;
    cyto_rctd_results *results = NULL;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set(options, "sigma", "50", &err));
    OK(cyto_rctd_create(other.ctx, spatial, reference, options, &other.rctd, &err));
    OK(cyto_rctd_fit_bulk(other.ctx, other.rctd, &err));
    OK(cyto_rctd_choose_sigma(other.ctx, other.rctd, &err));
    OK(cyto_context_set_progress(other.ctx, start_other, &other, &err));
    OK(cyto_rctd_fit_pixels(other.ctx, other.rctd, CYTO_RCTD_FULL, &results, &err));
    CHECK(other.started == 1 && other.states == 2);
    cyto_rctd_results_free(results);
    cyto_rctd_options_free(options);
    cyto_rctd_free(other.rctd);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_context_free(other.ctx);
    cyto_context_free(other.own);
}

/* ---- cancel from a signal handler ---- */

static cyto_context *interrupted;

static void on_alarm(int number) {
    (void)number;
    cyto_context_cancel(interrupted);
}

static int32_t raise_it(void *user_data, const cyto_progress *progress) {
    (void)user_data;
    (void)progress;
    raise(SIGUSR1);
    return 0;
}

static void cancel_from_a_signal_handler(cyto_context *ctx, const struct simulation *sim,
                                         const cyto_reference *reference) {
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_results *results = NULL;
    interrupted = ctx;
    signal(SIGUSR1, on_alarm);
    OK(cyto_context_set_progress(ctx, raise_it, NULL, &err));
    FAILS(CYTO_CANCELLED, "cancel",
          cyto_rctd_run(ctx, spatial, reference, NULL, 0, &results, &err));
    OK(cyto_context_set_progress(ctx, NULL, NULL, &err));
    cyto_spatial_free(spatial);
}

/* ---- names of arrays and tables ---- */

static void arrays_by_name(cyto_context *ctx, const struct simulation *sim,
                           const cyto_reference *reference) {
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_options *options = NULL;
    cyto_rctd_results *results = NULL;
    cyto_array array = CYTO_ARRAY_INIT;
    struct ArrowArrayStream stream;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set_json(options, "{\"sigma\": 50, \"keep_scores\": false}", &err));
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "weights",
          cyto_rctd_results_array(results, "wieghts", &array, &err));
    FAILS(CYTO_NOT_FOUND, "pair_scores",
          cyto_rctd_results_array(results, "pair_scores", &array, &err));
    FAILS(CYTO_NOT_FOUND, "sub_weights",
          cyto_rctd_results_array(results, "sub_weights", &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "name", cyto_rctd_results_array(results, NULL, &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "UTF-8", cyto_rctd_results_array(results, "\xff", &array, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "out", cyto_rctd_results_array(results, "weights", NULL, &err));
    array.struct_size = 1;
    FAILS(CYTO_INVALID_ARGUMENT, "CYTO_ARRAY_INIT",
          cyto_rctd_results_array(results, "weights", &array, &err));
    FAILS(CYTO_NOT_FOUND, "pair_scores",
          cyto_rctd_results_table_arrow(results, "pair_scores", &stream, &err));
    CHECK(stream.release == NULL);
    FAILS(CYTO_INVALID_ARGUMENT, "results",
          cyto_rctd_results_table_arrow(results, "result", &stream, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "out",
          cyto_rctd_results_table_arrow(results, "results", NULL, &err));
    cyto_rctd_results_free(results);
    cyto_rctd_options_free(options);
    cyto_spatial_free(spatial);
}

int main(void) {
    struct simulation *sim = simulate(60);
    cyto_context *ctx = context_of(2);
    cyto_reference *reference = reference_of(ctx, sim);
    CHECK(strcmp(cyto_status_name(11), "ABI_MISMATCH") == 0);
    CHECK(strcmp(cyto_status_name(-7), "UNKNOWN") == 0);
    null_everywhere(ctx);
    struct_sizes(ctx);
    contexts();
    broken_views(ctx);
    empty_and_huge_views(ctx);
    values_that_are_no_counts(ctx, sim, reference);
    wrong_inputs(ctx, sim, reference);
    partials_that_are_none();
    paths(ctx);
    hosts_that_misbehave(ctx, sim, reference);
    second_thread(sim);
    cancel_from_a_signal_handler(ctx, sim, reference);
    arrays_by_name(ctx, sim, reference);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
