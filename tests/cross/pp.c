/*
 * Preprocessing in C, the yardstick of the others; see README.md. Usage: pp INPUT OUTPUT
 */
#include "check.h"

static const char *from, *to;
static cyto_context *ctx;

static const char *path(const char *folder, const char *name) {
    static char paths[4][1024];
    static int next = 0;
    char *made = paths[next = (next + 1) % 4];
    snprintf(made, sizeof paths[0], "%s/%s", folder, name);
    return made;
}

static void *all_of(const char *name, size_t *size) {
    FILE *file = fopen(path(from, name), "rb");
    if (file == NULL) exit(2);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = calloc(*size + 1, 1);
    if (fread(bytes, 1, *size, file) != *size) exit(2);
    fclose(file);
    return bytes;
}

/* An array of a result as 64-bit floats. */
static void put(const cyto_pp_result *result, const char *route, const char *name) {
    char file[256];
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_pp_result_array(result, name, &array, &err));
    snprintf(file, sizeof file, "%s.%s", route, name);
    FILE *out = fopen(path(to, file), "wb");
    const size_t n = array.n_rows * array.n_columns;
    for (size_t i = 0; i < n; i++) {
        double value = 0;
        switch (array.dtype) {
        case CYTO_F64: value = ((const double *)array.data)[i]; break;
        case CYTO_U8: value = ((const uint8_t *)array.data)[i]; break;
        case CYTO_U32: value = ((const uint32_t *)array.data)[i]; break;
        case CYTO_U64: value = (double)((const uint64_t *)array.data)[i]; break;
        default: CHECK(0);
        }
        fwrite(&value, sizeof value, 1, out);
    }
    fclose(out);
}

static cyto_pp_result *over(cyto_status (*step)(const cyto_context *, const cyto_pp_input *, cyto_str,
                                                cyto_pp_result **, cyto_error **),
                            const cyto_pp_input *input, const char *options) {
    cyto_pp_result *result = NULL;
    OK(step(ctx, input, options, &result, &err));
    return result;
}

#define BEFORE "\"normalize_total\": {\"target_sum\": 10000}, \"log1p\": true"

static void files(void) {
    cyto_dataset *dataset = NULL;
    cyto_pp_result *result = NULL;
    OK(cyto_dataset_open(ctx, path(from, "reference"), NULL, &dataset, &err));
    OK(cyto_dataset_write_h5ad(ctx, dataset, path(to, "raw.h5ad"), "{\"compression\": \"none\"}", &err));
    cyto_dataset_free(dataset);
    OK(cyto_pp_preprocess(ctx, path(to, "raw.h5ad"), path(to, "fused.h5ad"),
                          "{\"qc\": {\"percent_top\": [5, 20]}, \"filter_genes\": {\"min_cells\": 3}, "
                          "\"normalize_total\": {\"target_sum\": 10000}, \"highly_variable_genes\": "
                          "{\"n_top_genes\": 40}, \"pca\": {\"n_comps\": 5}}",
                          &result, &err));
    const char *fused[] = {"size_factors", "highly_variable", "loadings", "variance", "pca_mean"};
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++) put(result, "file", fused[i]);
    cyto_pp_result_free(result);
    OK(cyto_pp_neighbors(ctx, path(to, "fused.h5ad"), NULL, NULL, &result, &err));
    put(result, "file", "distances");
    put(result, "file", "connectivities_values");
    cyto_pp_result_free(result);
    OK(cyto_pp_aggregate(ctx, path(to, "raw.h5ad"), NULL,
                         "{\"by\": \"cell_type\", \"func\": [\"sum\", \"median\"]}", &result, &err));
    put(result, "file", "sum");
    put(result, "file", "median");
    cyto_pp_result_free(result);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    from = argv[1];
    to = argv[2];
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    options.threads = 2;
    OK(cyto_context_new(&options, &ctx, &err));
    files();
    size_t starts_size, genes_size, values_size, names_size;
    void *starts = all_of("plain/cells.starts.i32", &starts_size);
    void *genes = all_of("plain/cells.genes.i32", &genes_size);
    void *values = all_of("plain/cells.values.f64", &values_size);
    char *names = all_of("plain/genes.txt", &names_size);
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    view.layout = CYTO_CSC;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.indptr_type = view.index_type = CYTO_I32;
    view.value_type = CYTO_F64;
    for (size_t i = 0; i < names_size; i++) view.nrow += names[i] == '\n';
    view.ncol = (int64_t)(starts_size / 4) - 1;
    view.nnz = (int64_t)(values_size / 8);
    view.indptr = starts;
    view.indices = genes;
    view.values = values;
    cyto_matrix *counts = NULL;
    OK(cyto_matrix_from_view(ctx, &view, &counts, &err));
    cyto_pp_input input = CYTO_PP_INPUT_INIT;
    input.counts = counts;
    cyto_pp_result *result =
        over(cyto_pp_matrix_highly_variable_genes, &input, "{\"n_top_genes\": 40, " BEFORE "}");
    put(result, "matrix", "highly_variable");
    cyto_pp_result_free(result);
    result = over(cyto_pp_matrix_pca, &input, "{\"n_comps\": 5, " BEFORE "}");
    put(result, "matrix", "scores");
    cyto_pp_result_free(result);
    result = over(cyto_pp_matrix_filter_genes, &input, "{\"min_cells\": 60}");
    put(result, "matrix", "kept");
    cyto_pp_result_free(result);
    OK(cyto_pp_matrix_scale(ctx, &input, NULL, 0, "{\"max_value\": 10, " BEFORE "}", &result, &err));
    put(result, "matrix", "x");
    cyto_pp_result_free(result);
    result = over(cyto_pp_matrix_transform, &input, "{" BEFORE "}");
    put(result, "matrix", "x_values");
    /* Logarithms of one's own: 64-bit floats, in place of the counts. */
    cyto_array logs = CYTO_ARRAY_INIT;
    cyto_matrix *own = NULL;
    OK(cyto_pp_result_array(result, "x_values", &logs, &err));
    CHECK(logs.n_rows == (size_t)view.nnz);
    view.values = logs.data;
    OK(cyto_matrix_values_from_view(ctx, &view, &own, &err));
    input.counts = own;
    cyto_pp_result *found = over(cyto_pp_matrix_pca, &input, "{\"n_comps\": 5}");
    put(found, "values", "scores");
    cyto_pp_result_free(found);
    found = over(cyto_pp_matrix_highly_variable_genes, &input, "{\"flavor\": \"cell_ranger\", \"n_top_genes\": 40}");
    put(found, "values", "highly_variable");
    cyto_pp_result_free(found);
    cyto_pp_result_free(result);
    cyto_matrix_free(own);
    cyto_matrix_free(counts);
    cyto_context_free(ctx);
    free(starts);
    free(genes);
    free(values);
    free(names);
    return failures == 0 ? 0 : 1;
}
