/*
 * Matrices in memory and what is made of them: log-normalised values of a host, sparse and dense, give
 * the same bits as a file of them, and so do filters, transformed and scaled values.
 * Usage: values FOLDER (an empty one that may be written to).
 */
#include "preprocess.h"

static void make_the_files(void) {
    cyto_dataset *dataset = NULL;
    simulation_write(sim, at("pixels"), at("counts"));
    OK(cyto_dataset_open(ctx, at("counts"), NULL, &dataset, &err));
    OK(cyto_dataset_write_h5ad(ctx, dataset, at("raw.h5ad"), NULL, &err));
    cyto_dataset_free(dataset);
    done(cyto_pp_normalize_total, "raw.h5ad", "l.h5ad", "{\"target_sum\": 1e4}");
    done(cyto_pp_log1p, "l.h5ad", "l.h5ad", NULL);
}

/* Values compressed by cell, as 32-bit floats: what a file of them holds. */
struct floats {
    cyto_sparse_view view;
    float *values;
};

static struct floats floats_of(const cyto_pp_result *made) {
    const cyto_array starts = array(made, "x_indptr"), genes = array(made, "x_indices");
    const cyto_array values = array(made, "x_values");
    struct floats floats = {CYTO_SPARSE_VIEW_INIT, calloc(values.n_rows, sizeof(float))};
    for (size_t i = 0; i < values.n_rows; i++)
        floats.values[i] = (float)((const double *)values.data)[i];
    floats.view.layout = CYTO_CSR;
    floats.view.orientation = CYTO_CELLS_BY_GENES;
    floats.view.indptr_type = CYTO_I64;
    floats.view.index_type = CYTO_I32;
    floats.view.value_type = CYTO_F32;
    floats.view.nrow = (int64_t)starts.n_rows - 1;
    floats.view.ncol = N_GENES;
    floats.view.nnz = (int64_t)values.n_rows;
    floats.view.indptr = starts.data;
    floats.view.indices = genes.data;
    floats.view.values = floats.values;
    CHECK(starts.dtype == CYTO_U64 && genes.dtype == CYTO_U32 && values.dtype == CYTO_F64);
    return floats;
}

/* Variable genes, components and sums of a matrix are those of a file. */
static void equals_the_file(const cyto_matrix *values, const char *file) {
    cyto_pp_input input = input_of(values);
    cyto_pp_result *x = step(cyto_pp_highly_variable_genes, file, NULL, HVG);
    cyto_pp_result *y = over(cyto_pp_matrix_highly_variable_genes, &input, HVG);
    CHECK(same_table(x, y, "hvg") && same(x, y, "highly_variable"));
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
    x = step(cyto_pp_pca, file, NULL, "{\"n_comps\": 5}");
    y = over(cyto_pp_matrix_pca, &input, "{\"n_comps\": 5}");
    CHECK(same(x, y, "loadings") && same(x, y, "variance") && same(x, y, "pca_mean"));
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
    with_labels(&input);
    x = step(cyto_pp_aggregate, file, NULL, SUMS);
    y = over(cyto_pp_matrix_aggregate, &input,
             "{\"func\": [\"sum\", \"var\", \"count_nonzero\", \"median\"]}");
    CHECK(same(x, y, "sum") && same(x, y, "var") && same(x, y, "median"));
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
}

/* Log-normalised values as a host holds them: sparse by cell, sparse by gene, dense. */
static void views_of_values_equal_the_files(const cyto_matrix *counts) {
    cyto_pp_input input = input_of(counts);
    cyto_pp_result *made = over(cyto_pp_matrix_transform, &input, "{" BEFORE "}");
    struct floats floats = floats_of(made);
    cyto_matrix *values = NULL;
    CHECK(says(made, "\"target_sum\":10000.0") && array(made, "size_factors").n_rows == N_CELLS);
    OK(cyto_matrix_values_from_view(ctx, &floats.view, &values, &err));
    CHECK(cyto_matrix_n_cells(values) == N_CELLS && cyto_matrix_n_genes(values) == N_GENES);
    equals_the_file(values, "l.h5ad");
    /* What wants counts takes no others. */
    cyto_rows *rows = NULL;
    FAILS(CYTO_INVALID_ARGUMENT, "counts are needed",
          cyto_matrix_read(ctx, values, 0, 1, &rows, &err));
    /* Scaled on the way, scaled afterwards, scaled in a file. */
    cyto_pp_result *x = NULL, *y = NULL;
    cyto_pp_input of_values = input_of(values);
    OK(cyto_pp_matrix_scale(ctx, &input, NULL, 0, "{\"max_value\": 3, " BEFORE "}", &x, &err));
    OK(cyto_pp_matrix_scale(ctx, &of_values, NULL, 0, "{\"max_value\": 3}", &y, &err));
    CHECK(same(x, y, "x") && same(x, y, "gene_mean") && same(x, y, "gene_std"));
    CHECK(array(x, "x").n_rows == N_CELLS && array(x, "x").n_columns == N_GENES);
    done(cyto_pp_scale, "l.h5ad", "zd.h5ad", "{\"max_value\": 3, \"dense_ok\": true}");
    cyto_dense_view dense = CYTO_DENSE_VIEW_INIT;
    dense.value_type = CYTO_F64;
    dense.orientation = CYTO_CELLS_BY_GENES;
    dense.nrow = N_CELLS;
    dense.ncol = dense.row_stride = N_GENES;
    dense.col_stride = 1;
    dense.data = array(x, "x").data;
    cyto_matrix *scaled = NULL;
    OK(cyto_matrix_values_from_dense_view(ctx, &dense, &scaled, &err));
    cyto_pp_input of_scaled = input_of(scaled);
    with_labels(&of_scaled);
    cyto_pp_result *a = step(cyto_pp_aggregate, "zd.h5ad", NULL,
                             "{\"by\": \"cell_type\", \"func\": [\"sum\", \"median\"]}");
    cyto_pp_result *b =
        over(cyto_pp_matrix_aggregate, &of_scaled, "{\"func\": [\"sum\", \"median\"]}");
    CHECK(same(a, b, "sum") && same(a, b, "median"));
    cyto_pp_result_free(a);
    cyto_pp_result_free(b);
    cyto_matrix_free(scaled);
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
    uint8_t some[N_CELLS];
    for (int i = 0; i < N_CELLS; i++) some[i] = i % 3 != 0;
    OK(cyto_pp_matrix_scale(ctx, &of_values, some, N_CELLS, "{\"zero_center\": false}", &x, &err));
    const cyto_array before = array(made, "x_values"), after = array(x, "x_values");
    const int64_t second = ((const int64_t *)array(made, "x_indptr").data)[1];
    CHECK(before.n_rows == after.n_rows);
    CHECK(memcmp(before.data, after.data, (size_t)second * sizeof(double)) == 0);
    CHECK(memcmp(before.data, after.data, before.n_rows * sizeof(double)) != 0);
    cyto_pp_result_free(x);
    FAILS(CYTO_INVALID_ARGUMENT, "mask_obs",
          cyto_pp_matrix_scale(ctx, &of_values, some, 3, NULL, &x, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "max_value",
          cyto_pp_matrix_scale(ctx, &of_values, NULL, 0, "{\"max_value\": -1}", &x, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "input",
          cyto_pp_matrix_scale(ctx, NULL, NULL, 0, NULL, &x, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "normalize_total",
          cyto_pp_matrix_transform(ctx, &input, NULL, &x, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "log_base",
          cyto_pp_matrix_highly_variable_genes(ctx, &input, "{\"log1p\": true, \"log_base\": 2}", &x,
                                               &err));
    cyto_matrix_free(values);
    /* The same values by gene and dense. */
    const int64_t *starts = floats.view.indptr;
    const int32_t *genes = floats.view.indices;
    int32_t by_gene[N_GENES + 1] = {1};
    int32_t *cells = calloc((size_t)floats.view.nnz, sizeof *cells);
    float *turned = calloc((size_t)floats.view.nnz, sizeof *turned);
    float *all = calloc(N_CELLS * N_GENES, sizeof *all);
    size_t at = 0;
    for (int32_t gene = 0; gene < N_GENES; gene++) {
        for (int32_t cell = 0; cell < N_CELLS; cell++)
            for (int64_t i = starts[cell]; i < starts[cell + 1]; i++)
                if (genes[i] == gene) {
                    cells[at] = cell + 1;
                    turned[at++] = all[gene + (size_t)cell * N_GENES] = floats.values[i];
                }
        by_gene[gene + 1] = (int32_t)at + 1;
    }
    cyto_sparse_view view = floats.view;
    view.layout = CYTO_CSC;
    view.index_base = 1;
    view.indptr_type = CYTO_I32;
    view.indptr = by_gene;
    view.indices = cells;
    view.values = turned;
    OK(cyto_matrix_values_from_view(ctx, &view, &values, &err));
    equals_the_file(values, "l.h5ad");
    cyto_matrix_free(values);
    dense.value_type = CYTO_F32;
    dense.data = all;
    OK(cyto_matrix_values_from_dense_view(ctx, &dense, &values, &err));
    equals_the_file(values, "l.h5ad");
    cyto_matrix_free(values);
    /* What is no number is named by its place. */
    all[5 * N_GENES + 7] = (float)(1e300 * 1e300);
    OK(cyto_matrix_values_from_dense_view(ctx, &dense, &values, &err));
    of_values = input_of(values);
    FAILS(CYTO_INVALID_DATA, "[row 5, column 7]",
          cyto_pp_matrix_pca(ctx, &of_values, NULL, &x, &err));
    cyto_matrix_free(values);
    /* Without genes there is nothing to read, wherever the strides point. */
    dense.ncol = 0;
    OK(cyto_matrix_values_from_dense_view(ctx, &dense, &values, &err));
    of_values.counts = values;
    of_values.genes = NULL;
    of_values.n_genes = 0;
    OK(cyto_pp_matrix_filter_cells(ctx, &of_values, "{\"min_counts\": 1}", &x, &err));
    cyto_pp_result_free(x);
    cyto_matrix_free(values);
    dense.row_stride = -1;
    FAILS(CYTO_INVALID_ARGUMENT, "row_stride",
          cyto_matrix_values_from_dense_view(ctx, &dense, &values, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "view", cyto_matrix_values_from_view(ctx, NULL, &values, &err));
    view.nnz -= 1;
    FAILS(CYTO_INVALID_ARGUMENT, "indptr", cyto_matrix_values_from_view(ctx, &view, &values, &err));
    free(cells);
    free(turned);
    free(all);
    free(floats.values);
    cyto_pp_result_free(made);
}

static void filters_of_views_equal_the_files(const cyto_matrix *counts) {
    cyto_pp_input input = input_of(counts);
    const char *cells[] = {"{\"min_counts\": 690}", "{\"max_genes\": 120}"};
    const char *genes[] = {"{\"max_counts\": 900}", "{\"min_cells\": 70}"};
    for (int i = 0; i < 2; i++) {
        cyto_pp_result *x = step(cyto_pp_filter_cells, "raw.h5ad", NULL, cells[i]);
        cyto_pp_result *y = over(cyto_pp_matrix_filter_cells, &input, cells[i]);
        CHECK(same(x, y, "kept") && same_table(x, y, "obs"));
        cyto_pp_result_free(x);
        cyto_pp_result_free(y);
        x = step(cyto_pp_filter_genes, "raw.h5ad", NULL, genes[i]);
        y = over(cyto_pp_matrix_filter_genes, &input, genes[i]);
        CHECK(same(x, y, "kept") && same_table(x, y, "var"));
        cyto_pp_result_free(x);
        cyto_pp_result_free(y);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    sim = simulate(10);
    ctx = context_of(2);
    make_the_files();
    cyto_matrix *counts = NULL;
    const cyto_sparse_view view = view_of(&sim->cells);
    OK(cyto_matrix_from_view(ctx, &view, &counts, &err));
    views_of_values_equal_the_files(counts);
    filters_of_views_equal_the_files(counts);
    cyto_matrix_free(counts);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
