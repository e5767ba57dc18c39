/* The C host; see README.md. Usage: host INPUT OUTPUT */
#include "results_equal.h"
#include "simulate.h"

static const char *const modes[] = {"full", "doublet", "multi"};
static const char *input, *output;

static char *path_of(const char *folder, const char *name) {
    char *path = malloc(strlen(folder) + strlen(name) + 2);
    if (path == NULL) exit(1);
    sprintf(path, "%s/%s", folder, name);
    return path;
}

/* A whole file of INPUT/plain and its number of bytes. */
static void *plain(const char *name, size_t *size) {
    char *folder = path_of(input, "plain"), *path = path_of(folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size) exit(1);
    bytes[*size] = 0;
    fclose(file);
    free(folder);
    free(path);
    return bytes;
}

struct names {
    char *text;
    const char **list;
    size_t n;
};

static struct names names(const char *name) {
    struct names names = {NULL, NULL, 0};
    size_t size = 0;
    names.text = plain(name, &size);
    for (size_t i = 0; i < size; i++) names.n += names.text[i] == '\n';
    names.list = malloc(names.n * sizeof *names.list);
    if (names.list == NULL) exit(1);
    char *line = names.text;
    for (size_t i = 0; i < names.n; i++) {
        char *end = strchr(line, '\n');
        *end = 0;
        names.list[i] = line;
        line = end + 1;
    }
    return names;
}

static void names_free(struct names names) {
    free(names.text);
    free(names.list);
}

static FILE *create(const char *route, int32_t mode, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s.%s", route, modes[mode], what);
    char *path = path_of(output, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    free(path);
    return file;
}

/* Every array the results have. */
static void write_results(const char *route, const cyto_rctd_results *results) {
    static const char *const names[] = {
        "cell_types", "barcodes", "pixels", "weights", "normalized_weights", "dominant_type",
        "conv_all", "spot_class", "first_type", "second_type", "first_class", "second_class",
        "min_score", "singlet_score", "conv_doublet", "weights_doublet", "doublet_weights",
        "candidate_offsets", "candidates", "singlet_scores", "pair_offsets", "pair_scores",
        "multi_offsets", "multi_types", "conf_list", "sub_weights", "conv_sub", "fallback"};
    const int32_t mode = cyto_rctd_results_mode(results);
    FILE *file = create(route, mode, "sigma");
    fprintf(file, "%u\n", cyto_rctd_results_sigma(results));
    fclose(file);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cyto_array array = CYTO_ARRAY_INIT;
        if (cyto_rctd_results_array(results, names[i], &array, NULL) != CYTO_OK) continue;
        file = create(route, mode, names[i]);
        for (size_t row = 0; row < array.n_rows; row++) {
            if (array.dtype == CYTO_TEXT) {
                fprintf(file, "%s\n", ((const char *const *)array.data)[row]);
            } else {
                const size_t size = element_size(array.dtype);
                const char *at = (const char *)array.data + row * array.row_stride * size;
                fwrite(at, size, array.n_columns, file);
            }
        }
        fclose(file);
    }
}

static cyto_matrix *counts(const cyto_context *ctx, const char *stem, size_t n_genes, void **kept) {
    char name[64];
    size_t n_starts = 0, n_genes_bytes = 0, n_values = 0;
    cyto_matrix *matrix = NULL;
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    snprintf(name, sizeof name, "%s.starts.i32", stem);
    kept[0] = plain(name, &n_starts);
    snprintf(name, sizeof name, "%s.genes.i32", stem);
    kept[1] = plain(name, &n_genes_bytes);
    snprintf(name, sizeof name, "%s.values.f64", stem);
    kept[2] = plain(name, &n_values);
    view.layout = CYTO_CSC;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.indptr_type = view.index_type = CYTO_I32;
    view.value_type = CYTO_F64;
    view.nrow = (int64_t)n_genes;
    view.ncol = (int64_t)(n_starts / 4) - 1;
    view.nnz = (int64_t)(n_values / 8);
    view.indptr = kept[0];
    view.indices = kept[1];
    view.values = kept[2];
    OK(cyto_matrix_from_view(ctx, &view, &matrix, &err));
    return matrix;
}

static void arrays_and_shards(cyto_context *ctx) {
    struct names pixels = names("pixels.txt"), cells = names("cells.txt"), genes = names("genes.txt"),
                 types = names("types.txt");
    void *kept[6];
    size_t size = 0;
    cyto_matrix *of_cells = counts(ctx, "cells", genes.n, kept);
    cyto_matrix *of_pixels = counts(ctx, "pixels", genes.n, kept + 3);
    int32_t *labels = plain("labels.i32", &size);
    double *coords = plain("coords.f64", &size);
    cyto_reference_input reference_input = CYTO_REFERENCE_INPUT_INIT;
    cyto_spatial_input spatial_input = CYTO_SPATIAL_INPUT_INIT;
    cyto_reference *reference = NULL;
    cyto_spatial *spatial = NULL;
    reference_input.counts = of_cells;
    reference_input.cells = cells.list;
    reference_input.n_cells = cells.n;
    reference_input.genes = spatial_input.genes = genes.list;
    reference_input.n_genes = spatial_input.n_genes = genes.n;
    reference_input.labels = labels;
    reference_input.n_labels = cells.n;
    reference_input.cell_types = types.list;
    reference_input.n_cell_types = types.n;
    OK(cyto_reference_from_counts(ctx, &reference_input, NULL, &reference, &err));
    spatial_input.counts = of_pixels;
    spatial_input.pixels = pixels.list;
    spatial_input.n_pixels = pixels.n;
    spatial_input.coords = coords;
    spatial_input.n_coords = pixels.n;
    OK(cyto_spatial_new(&spatial_input, &spatial, &err));
    cyto_rctd *rctd = NULL;
    cyto_plan *plan = NULL;
    OK(cyto_rctd_create(ctx, spatial, reference, NULL, &rctd, &err));
    OK(cyto_rctd_fit_bulk(ctx, rctd, &err));
    OK(cyto_rctd_choose_sigma(ctx, rctd, &err));
    OK(cyto_rctd_plan(rctd, 37, &plan, &err));
    const size_t n = cyto_plan_n_shards(plan);
    for (int32_t mode = 0; mode < 3; mode++) {
        cyto_rctd_results *results = NULL;
        cyto_partial *shards[64];
        OK(cyto_rctd_run(ctx, spatial, reference, NULL, mode, &results, &err));
        write_results("arrays", results);
        cyto_rctd_results_free(results);
        for (size_t i = 0; i < n; i++) {
            const uint64_t *bounds = cyto_plan_bounds(plan) + 2 * i;
            const uint8_t *bytes = NULL;
            cyto_partial *fitted = NULL;
            OK(cyto_rctd_run_shard(ctx, rctd, mode, bounds[0], bounds[1], &fitted, &err));
            OK(cyto_partial_serialize(fitted, &bytes, &size, &err));
            OK(cyto_partial_deserialize(bytes, size, &shards[i], &err));
            cyto_partial_free(fitted);
        }
        OK(cyto_rctd_merge(rctd, mode, (const cyto_partial *const *)shards, n, &results, &err));
        write_results("shards", results);
        cyto_rctd_results_free(results);
        for (size_t i = 0; i < n; i++) cyto_partial_free(shards[i]);
    }
    cyto_plan_free(plan);
    cyto_rctd_free(rctd);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_matrix_free(of_cells);
    cyto_matrix_free(of_pixels);
    for (size_t i = 0; i < 6; i++) free(kept[i]);
    free(labels);
    free(coords);
    names_free(pixels);
    names_free(cells);
    names_free(genes);
    names_free(types);
}

static void files(cyto_context *ctx) {
    struct names types = names("types.txt");
    char *spatial = path_of(input, "spatial"), *reference = path_of(input, "reference");
    cyto_rctd_files files = CYTO_RCTD_FILES_INIT;
    cyto_reference_options order = CYTO_REFERENCE_OPTIONS_INIT;
    order.type_order = types.list;
    order.n_type_order = types.n;
    files.spatial_path = spatial;
    files.reference_path = reference;
    files.reference_options = &order;
    for (int32_t mode = 0; mode < 3; mode++) {
        cyto_rctd_results *results = NULL;
        char name[64];
        OK(cyto_rctd_run_files(ctx, &files, NULL, mode, &results, &err));
        write_results("files", results);
        snprintf(name, sizeof name, "files.%s.h5ad", modes[mode]);
        char *path = path_of(output, name);
        OK(cyto_rctd_results_write_h5ad(ctx, results, spatial, NULL, path, &err));
        free(path);
        cyto_rctd_results_free(results);
    }
    free(spatial);
    free(reference);
    names_free(types);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    input = argv[1];
    output = argv[2];
    cyto_context *ctx = context_of(2);
    arrays_and_shards(ctx);
    files(ctx);
    cyto_context_free(ctx);
    return failures == 0 ? 0 : 1;
}
