/*
 * Preprocessing of files and of counts in memory: step by step, in one go, and over a view give
 * the same bits.
 * Usage: preprocess FOLDER (an empty one that may be written to).
 */
#include <sys/time.h>
#include <unistd.h>

#include "preprocess.h"

/* raw.h5ad, from a folder in Matrix Market format. */
static void make_the_file(void) {
    cyto_dataset *dataset = NULL;
    simulation_write(sim, at("pixels"), at("counts"));
    OK(cyto_dataset_open(ctx, at("counts"), NULL, &dataset, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "compression",
          cyto_dataset_write_h5ad(ctx, dataset, at("raw.h5ad"), "{\"compresion\": \"none\"}",
                                  &err));
    FAILS(CYTO_INVALID_ARGUMENT, "gzip:9",
          cyto_dataset_write_h5ad(ctx, dataset, at("raw.h5ad"), "{\"compression\": \"lzo\"}",
                                  &err));
    FAILS(CYTO_INVALID_ARGUMENT, "dataset",
          cyto_dataset_write_h5ad(ctx, NULL, at("raw.h5ad"), NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "output", cyto_dataset_write_h5ad(ctx, dataset, NULL, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "ctx",
          cyto_dataset_write_h5ad(NULL, dataset, at("raw.h5ad"), NULL, &err));
    CHECK(access(at("raw.h5ad"), F_OK) != 0);
    OK(cyto_dataset_write_h5ad(ctx, dataset, at("raw.h5ad"),
                               "{\"compression\": \"gzip:1+shuffle\"}", &err));
    cyto_dataset_free(dataset);
    CHECK(access(at("raw.h5ad"), F_OK) == 0);
    /* What a killed writer left: its process is gone, and the file is old. */
    const char *left = at(".raw.h5ad.4294967295.abc.tmp");
    const struct timeval old[2] = {{1, 0}, {1, 0}};
    FILE *file = fopen(left, "w");
    CHECK(file != NULL && fclose(file) == 0 && utimes(left, old) == 0);
    uint64_t n = 7;
    OK(cyto_cleanup(at(""), &n, &err));
    CHECK(n == 1 && access(at(".raw.h5ad.4294967295.abc.tmp"), F_OK) != 0);
    OK(cyto_cleanup(at(""), NULL, &err));
    FAILS(CYTO_NOT_FOUND, "none", cyto_cleanup(at("none"), &n, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "folder", cyto_cleanup(NULL, &n, &err));
    CHECK(n == 1);
}

/* Whether two files have the same numbers in X, as far as sums by cell type can tell. */
static int same_matrix(const char *a, const char *b) {
    cyto_pp_result *x = step(cyto_pp_aggregate, a, NULL, SUMS);
    cyto_pp_result *y = step(cyto_pp_aggregate, b, NULL, SUMS);
    const int equal = same(x, y, "sum") && same(x, y, "var") && same(x, y, "count_nonzero") &&
                      same(x, y, "median") && same(x, y, "groups") && same(x, y, "group_sizes") &&
                      same(x, y, "group_codes");
    CHECK(array(x, "sum").n_rows == N_TYPES);
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
    return equal;
}

#define FUSED                                                                                \
    "{\"qc\": {\"percent_top\": [5, 20]}, \"normalize_total\": {\"target_sum\": 1e4}, "     \
    "\"highly_variable_genes\": " HVG ", \"pca\": {\"n_comps\": 5}}"

static void steps_equal_the_fused(void) {
    cyto_pp_result *qc = step(cyto_pp_qc, "raw.h5ad", "q.h5ad", "{\"percent_top\": [5, 20]}");
    cyto_pp_result *sizes =
        step(cyto_pp_normalize_total, "q.h5ad", "n.h5ad", "{\"target_sum\": 1e4}");
    done(cyto_pp_log1p, "n.h5ad", "l.h5ad", NULL);
    cyto_pp_result *hvg = step(cyto_pp_highly_variable_genes, "l.h5ad", "h.h5ad", HVG);
    cyto_pp_result *pca = step(cyto_pp_pca, "h.h5ad", "p.h5ad", "{\"n_comps\": 5}");
    cyto_pp_result *fused = step(cyto_pp_preprocess, "raw.h5ad", "f.h5ad", FUSED);
    CHECK(says(qc, "\"n_cells\":160") && says(sizes, "\"target_sum\":10000.0"));
    CHECK(says(hvg, "\"n_highly_variable\":40") && says(pca, "\"n_comps\":5"));
    CHECK(says(fused, "\"n_highly_variable\":40") && says(fused, "\"min_disp\":0.5"));
    CHECK(says(fused, "\"max_disp\":\"inf\"") && says(fused, "\"n_genes_kept\":160"));
    CHECK(same_table(qc, fused, "obs") && same_table(qc, fused, "var"));
    CHECK(same(sizes, fused, "size_factors") && same(hvg, fused, "highly_variable"));
    CHECK(same_table(hvg, fused, "hvg"));
    CHECK(same(pca, fused, "loadings") && same(pca, fused, "variance"));
    CHECK(same(pca, fused, "variance_ratio") && same(pca, fused, "pca_genes"));
    CHECK(array(pca, "loadings").n_rows == N_GENES && array(pca, "loadings").n_columns == 5);
    CHECK(array(pca, "pca_genes").n_rows == 40);
    CHECK(same_matrix("p.h5ad", "f.h5ad") && !same_matrix("raw.h5ad", "f.h5ad"));
    /* Coordinates, through neighbours; with the matrix left as it is they are the same. */
    done(cyto_pp_preprocess, "raw.h5ad", "v.h5ad",
         "{\"materialize\": false, \"qc\": null, \"normalize_total\": {\"target_sum\": 1e4}, "
         "\"highly_variable_genes\": " HVG ", \"pca\": {\"n_comps\": 5}}");
    CHECK(same_matrix("raw.h5ad", "v.h5ad"));
    cyto_pp_result *x = step(cyto_pp_neighbors, "p.h5ad", "k.h5ad", NULL);
    for (int i = 0; i < 2; i++) {
        cyto_pp_result *y = step(cyto_pp_neighbors, i == 0 ? "f.h5ad" : "v.h5ad", NULL, NULL);
        CHECK(same(x, y, "indices") && same(x, y, "distances"));
        CHECK(same(x, y, "connectivities_indptr") && same(x, y, "connectivities_indices"));
        CHECK(same(x, y, "connectivities_values") && same(x, y, "distances_values"));
        cyto_pp_result_free(y);
    }
    CHECK(array(x, "indices").n_rows == N_CELLS && array(x, "indices").n_columns == 14);
    cyto_pp_result_free(x);
    cyto_pp_result_free(qc);
    cyto_pp_result_free(sizes);
    cyto_pp_result_free(hvg);
    cyto_pp_result_free(pca);
    cyto_pp_result_free(fused);
}

static void filters_equal_the_fused(void) {
    cyto_pp_result *cells =
        step(cyto_pp_filter_cells, "raw.h5ad", "c.h5ad", "{\"min_counts\": 690}");
    cyto_pp_result *genes = step(cyto_pp_filter_genes, "c.h5ad", "g.h5ad", "{\"max_cells\": 70}");
    done(cyto_pp_normalize_total, "g.h5ad", "gn.h5ad", NULL);
    done(cyto_pp_log1p, "gn.h5ad", "gl.h5ad", "{\"base\": 2}");
    cyto_pp_result *fused =
        step(cyto_pp_preprocess, "raw.h5ad", "gf.h5ad",
             "{\"qc\": false, \"filter_cells\": {\"min_counts\": 690}, \"filter_genes\": "
             "{\"max_cells\": 70}, \"log1p\": {\"base\": 2}, \"highly_variable_genes\": null, "
             "\"pca\": null}");
    const cyto_array kept = array(cells, "kept");
    int n = 0;
    for (size_t i = 0; i < kept.n_rows; i++) n += ((const uint8_t *)kept.data)[i];
    CHECK(kept.dtype == CYTO_U8 && kept.n_rows == N_CELLS && 0 < n && n < N_CELLS);
    CHECK(array(genes, "kept").n_rows == N_GENES);
    CHECK(array(fused, "size_factors").n_rows == (size_t)n);
    CHECK(same_matrix("gl.h5ad", "gf.h5ad"));
    struct table obs = table(cells, "obs");
    CHECK(strcmp(obs.schema.children[1]->name, "n_counts") == 0 && obs.batch.length == N_CELLS);
    table_free(&obs);
    cyto_array missing = CYTO_ARRAY_INIT;
    FAILS(CYTO_NOT_FOUND, "loadings", cyto_pp_result_array(fused, "loadings", &missing, &err));
    struct ArrowArrayStream stream;
    FAILS(CYTO_NOT_FOUND, "obs", cyto_pp_result_table_arrow(fused, "obs", &stream, &err));
    CHECK(stream.release == NULL);
    /* The mask of the filter is the subset that it makes. */
    cyto_pp_result *subset = NULL;
    OK(cyto_pp_subset(ctx, at("raw.h5ad"), at("s.h5ad"), kept.data, kept.n_rows,
                      array(genes, "kept").data, N_GENES, NULL, &subset, &err));
    CHECK(same_matrix("g.h5ad", "s.h5ad"));
    cyto_pp_result_free(subset);
    FAILS(CYTO_INVALID_ARGUMENT, "160",
          cyto_pp_subset(ctx, at("raw.h5ad"), at("s.h5ad"), kept.data, 3, NULL, 0, NULL, &subset,
                         &err));
    FAILS(CYTO_INVALID_ARGUMENT, "cells",
          cyto_pp_subset(ctx, at("raw.h5ad"), at("s.h5ad"), NULL, 3, NULL, 0, NULL, &subset, &err));
    CHECK(subset == NULL);
    cyto_pp_result_free(cells);
    cyto_pp_result_free(genes);
    cyto_pp_result_free(fused);
}

static void views_equal_the_files(const cyto_matrix *counts) {
    static const char *const group = "highly_variable";
    cyto_pp_input input = input_of(counts);
    /* Variable genes, which are then a group of genes and a mask. */
    cyto_pp_result *x = step(cyto_pp_highly_variable_genes, "l.h5ad", NULL, HVG);
    cyto_pp_result *y = over(cyto_pp_matrix_highly_variable_genes, &input,
                             "{\"n_top_genes\": 40, " BEFORE "}");
    CHECK(same_table(x, y, "hvg") && same(x, y, "highly_variable"));
    cyto_pp_result_free(x);
    const cyto_array mask = array(y, "highly_variable");
    input.gene_groups = mask.data;
    input.n_gene_groups = mask.n_rows;
    input.gene_group_names = &group;
    input.n_gene_group_names = 1;
    input.mask_var = mask.data;
    input.n_mask_var = mask.n_rows;
    done(cyto_pp_highly_variable_genes, "l.h5ad", "h.h5ad", HVG);
    x = step(cyto_pp_pca, "h.h5ad", NULL, "{\"n_comps\": 5}");
    cyto_pp_result *pca = over(cyto_pp_matrix_pca, &input, "{\"n_comps\": 5, " BEFORE "}");
    CHECK(same(x, pca, "loadings") && same(x, pca, "variance") && same(x, pca, "pca_mean"));
    cyto_pp_result_free(x);
    /* Coordinates: a file has them as 32-bit floats. */
    const cyto_array scores = array(pca, "scores");
    double *rounded = calloc(scores.n_rows * scores.n_columns, sizeof *rounded);
    for (size_t i = 0; i < scores.n_rows * scores.n_columns; i++)
        rounded[i] = (float)((const double *)scores.data)[i];
    cyto_pp_result *near = NULL;
    OK(cyto_pp_coordinates_neighbors(ctx, rounded, scores.n_rows, scores.n_columns,
                                     "{\"n_neighbors\": 15}", &near, &err));
    x = step(cyto_pp_neighbors, "p.h5ad", NULL, NULL);
    CHECK(same(x, near, "indices") && same(x, near, "distances"));
    CHECK(same(x, near, "connectivities_values"));
    cyto_pp_result_free(near);
    FAILS(CYTO_INVALID_ARGUMENT, "n_neighbors",
          cyto_pp_coordinates_neighbors(ctx, rounded, scores.n_rows, scores.n_columns,
                                        "{\"n_neighbors\": 1}", &near, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "n_neighbors",
          cyto_pp_coordinates_neighbors(ctx, rounded, 10, 5, "{\"neighbors\": 3}", &near, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "coordinates",
          cyto_pp_coordinates_neighbors(ctx, NULL, 10, 5, NULL, &near, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "too large",
          cyto_pp_coordinates_neighbors(ctx, rounded, SIZE_MAX, 5, NULL, &near, &err));
    free(rounded);
    cyto_pp_result_free(x);
    cyto_pp_result_free(pca);
    /* Metrics with the group; var has the column in a file whose counts are those of the view. */
    done(cyto_pp_preprocess, "raw.h5ad", "v.h5ad",
         "{\"materialize\": false, \"qc\": null, \"pca\": null, \"highly_variable_genes\": " HVG
         ", \"normalize_total\": {\"target_sum\": 1e4}}");
    x = step(cyto_pp_qc, "v.h5ad", NULL,
             "{\"qc_vars\": \"highly_variable\", \"percent_top\": [5, 20]}");
    cyto_pp_result *qc = over(cyto_pp_matrix_qc, &input, "{\"percent_top\": [5, 20]}");
    CHECK(same_table(x, qc, "obs") && same_table(x, qc, "var"));
    cyto_pp_result_free(x);
    cyto_pp_result_free(qc);
    cyto_pp_result_free(y);
}

static void views_equal_the_files_with_labels(const cyto_matrix *counts) {
    cyto_pp_input input = input_of(counts);
    with_labels(&input);
    cyto_pp_result *x = step(cyto_pp_normalize_total, "raw.h5ad", "n2.h5ad", NULL);
    cyto_pp_result *y = over(cyto_pp_matrix_size_factors, &input, NULL);
    CHECK(same(x, y, "size_factors") && array(x, "size_factors").n_rows == N_CELLS);
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
    x = step(cyto_pp_aggregate, "raw.h5ad", "a.h5ad", SUMS);
    y = over(cyto_pp_matrix_aggregate, &input,
             "{\"func\": [\"sum\", \"var\", \"count_nonzero\", \"median\"]}");
    CHECK(same(x, y, "sum") && same(x, y, "var") && same(x, y, "median"));
    CHECK(same(x, y, "groups") && same(x, y, "group_codes"));
    cyto_pp_result_free(x);
    cyto_pp_result_free(y);
    const char *flavors[] = {"seurat", "cell_ranger", "seurat_v3", "seurat_v3_paper"};
    for (int i = 0; i < 4; i++) {
        char file[256], view[256];
        snprintf(file, sizeof file,
                 "{\"flavor\": \"%s\", \"n_top_genes\": 30, \"batch_key\": \"cell_type\"}",
                 flavors[i]);
        snprintf(view, sizeof view, "{\"flavor\": \"%s\", \"n_top_genes\": 30%s}", flavors[i],
                 i < 2 ? ", " BEFORE : "");
        x = step(cyto_pp_highly_variable_genes, i < 2 ? "l.h5ad" : "raw.h5ad", NULL, file);
        y = over(cyto_pp_matrix_highly_variable_genes, &input, view);
        CHECK(same_table(x, y, "hvg") && same(x, y, "highly_variable"));
        cyto_pp_result_free(x);
        cyto_pp_result_free(y);
    }
}

static void layouts_and_scaling(void) {
    cyto_pp_result *result = NULL;
    done(cyto_pp_convert, "raw.h5ad", "t.h5ad", "{\"layout\": \"csc\", \"compression\": \"none\"}");
    CHECK(same_matrix("raw.h5ad", "t.h5ad"));
    done(cyto_pp_convert, "t.h5ad", "t.h5ad", "{\"layout\": \"dense\", \"chunk\": 4096}");
    CHECK(same_matrix("raw.h5ad", "t.h5ad"));
    OK(cyto_pp_validate(ctx, at("t.h5ad"), &result, &err));
    CHECK(says(result, "\"faults\":[]") && says(result, "\"layout\":\"dense\""));
    cyto_pp_result_free(result);
    FAILS(CYTO_UNSUPPORTED, "dense_ok",
          cyto_pp_scale(ctx, at("l.h5ad"), at("z.h5ad"), NULL, &result, &err));
    result = step(cyto_pp_scale, "l.h5ad", "z.h5ad", "{\"zero_center\": false, \"max_value\": 10}");
    CHECK(array(result, "gene_std").n_rows == N_GENES);
    CHECK(array(result, "gene_mean").n_rows == N_GENES);
    cyto_pp_result_free(result);
    /* A file that is cut off. */
    FILE *whole = fopen(at("raw.h5ad"), "rb"), *half = fopen(at("half.h5ad"), "wb");
    for (int i = 0; i < 3000; i++) fputc(fgetc(whole), half);
    fclose(whole);
    fclose(half);
    FAILS(CYTO_FORMAT, "half.h5ad", cyto_pp_validate(ctx, at("half.h5ad"), &result, &err));
    FAILS(CYTO_FORMAT, "half.h5ad",
          cyto_pp_qc(ctx, at("half.h5ad"), at("no.h5ad"), NULL, &result, &err));
    FAILS(CYTO_NOT_FOUND, "nowhere",
          cyto_pp_log1p(ctx, at("raw.h5ad"), at("nowhere/x.h5ad"), NULL, &result, &err));
    CHECK(access(at("no.h5ad"), F_OK) != 0);
}

struct known {
    file_step run;
    const char *misspelt;
    const char *nearest;
    int needs_output;
    const char *wrong;
    const char *words;
};

static void wrong_calls_are_refused(void) {
    const struct known all[] = {
        {cyto_pp_qc, "percent_tops", "percent_top", 0, "{\"percent_top\": [0]}", "percent_top"},
        {cyto_pp_filter_cells, "min_gene", "min_genes", 0, "{}", "min_counts"},
        {cyto_pp_filter_genes, "min_cell", "min_cells", 0, "{\"min_cells\": 1, \"max_cells\": 3}",
         "max_cells"},
        {cyto_pp_normalize_total, "target_sums", "target_sum", 1, "{\"target_sum\": -1}",
         "target_sum"},
        {cyto_pp_log1p, "bases", "base", 1, "{\"base\": 1}", "base"},
        {cyto_pp_highly_variable_genes, "flavour", "flavor", 0, "{\"flavor\": \"surat\"}",
         "\"seurat\""},
        {cyto_pp_pca, "n_comp", "n_comps", 0, "{\"n_comps\": 5000}", "n_comps"},
        {cyto_pp_scale, "max_val", "max_value", 1, "{\"max_value\": -2}", "max_value"},
        {cyto_pp_neighbors, "n_neighbor", "n_neighbors", 0, "{\"use_rep\": \"X_pc\"}", "X_pc"},
        {cyto_pp_aggregate, "functions", "func", 0, "{\"by\": \"cell_type\", \"func\": \"sums\"}",
         "sum"},
        {cyto_pp_preprocess, "materialise", "materialize", 1, "{\"pca\": {\"n_comp\": 5}}",
         "pca.n_comp"},
        {cyto_pp_convert, "lay_out", "layout", 1, "{\"layout\": \"coo\"}", "csr"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct known *f = &all[i];
        char options[128];
        cyto_pp_result *result = (cyto_pp_result *)&failures;
        const char *in = at("raw.h5ad"), *to = at("no.h5ad");
        snprintf(options, sizeof options, "{\"%s\": 1}", f->misspelt);
        FAILS(CYTO_INVALID_ARGUMENT, f->nearest, f->run(ctx, in, to, options, &result, &err));
        CHECK(result == NULL);
        FAILS(CYTO_INVALID_ARGUMENT, f->words, f->run(ctx, in, to, f->wrong, &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "JSON", f->run(ctx, in, to, "{", &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "object", f->run(ctx, in, to, "[1]", &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "ctx", f->run(NULL, in, to, NULL, &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "input", f->run(ctx, NULL, to, NULL, &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "out", f->run(ctx, in, to, NULL, NULL, &err));
        CHECK(f->run(ctx, NULL, to, NULL, &result, NULL) == CYTO_INVALID_ARGUMENT);
        if (f->needs_output)
            FAILS(CYTO_INVALID_ARGUMENT, "output", f->run(ctx, in, NULL, NULL, &result, &err));
        const char *options_of_all = f->run == cyto_pp_filter_cells   ? "{\"min_genes\": 1}"
                                     : f->run == cyto_pp_filter_genes ? "{\"min_cells\": 1}"
                                     : f->run == cyto_pp_aggregate    ? "{\"by\": \"cell_type\"}"
                                                                      : "{}";
        FAILS(CYTO_NOT_FOUND, "absent.h5ad",
              f->run(ctx, at("absent.h5ad"), to, options_of_all, &result, &err));
        CHECK(access(to, F_OK) != 0);
    }
    cyto_pp_result *result = NULL;
    cyto_array found = CYTO_ARRAY_INIT;
    struct ArrowArrayStream stream;
    FAILS(CYTO_INVALID_ARGUMENT, "input", cyto_pp_validate(ctx, NULL, &result, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "by",
          cyto_pp_aggregate(ctx, at("raw.h5ad"), NULL, "{}", &result, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "normalize_total",
          cyto_pp_preprocess(ctx, at("raw.h5ad"), at("no.h5ad"), "{\"normalize_total\": null}",
                             &result, &err));
    FAILS(CYTO_STATE, "log1p",
          cyto_pp_log1p(ctx, at("l.h5ad"), at("no.h5ad"), "{\"guard\": true}", &result, &err));
    FAILS(CYTO_STATE, "log1p",
          cyto_pp_preprocess(ctx, at("l.h5ad"), at("no.h5ad"), NULL, &result, &err));
    FAILS(CYTO_NOT_FOUND, "cell_type",
          cyto_pp_qc(ctx, at("raw.h5ad"), NULL, "{\"qc_vars\": \"cell_type\"}", &result, &err));
    cyto_pp_result_free(NULL);
    CHECK(strcmp(cyto_pp_result_report_json(NULL), "{}") == 0);
    FAILS(CYTO_INVALID_ARGUMENT, "NULL", cyto_pp_result_array(NULL, "kept", &found, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "NULL", cyto_pp_result_table_arrow(NULL, "obs", &stream, &err));
    result = step(cyto_pp_log1p, "raw.h5ad", "again.h5ad", NULL);
    CHECK(says(result, "\"warnings\":[]"));
    FAILS(CYTO_INVALID_ARGUMENT, "\"kept\"", cyto_pp_result_array(result, "keep", &found, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "\"obs\"",
          cyto_pp_result_table_arrow(result, "cells obs", &stream, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "out", cyto_pp_result_array(result, "kept", NULL, &err));
    cyto_pp_result_free(result);
    result = step(cyto_pp_log1p, "again.h5ad", "again.h5ad", NULL);
    CHECK(says(result, "already"));
    cyto_pp_result_free(result);
}

static void wrong_inputs_are_refused(const cyto_matrix *counts) {
    const matrix_step all[] = {cyto_pp_matrix_qc, cyto_pp_matrix_size_factors,
                               cyto_pp_matrix_highly_variable_genes, cyto_pp_matrix_pca,
                               cyto_pp_matrix_aggregate, cyto_pp_matrix_filter_cells,
                               cyto_pp_matrix_filter_genes, cyto_pp_matrix_transform};
    cyto_pp_result *result = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cyto_pp_input input = input_of(counts);
        FAILS(CYTO_INVALID_ARGUMENT, "ctx", all[i](NULL, &input, NULL, &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "input", all[i](ctx, NULL, NULL, &result, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "out", all[i](ctx, &input, NULL, NULL, &err));
        FAILS(CYTO_INVALID_ARGUMENT, "unknown",
              all[i](ctx, &input, "{\"layer\": \"x\"}", &result, &err));
        input.n_cells = 3;
        FAILS(CYTO_INVALID_ARGUMENT, "input.cells", all[i](ctx, &input, NULL, &result, &err));
        input = input_of(NULL);
        FAILS(CYTO_INVALID_ARGUMENT, "input.counts", all[i](ctx, &input, NULL, &result, &err));
        input = input_of(counts);
        input.struct_size = 8;
        FAILS(CYTO_INVALID_ARGUMENT, "CYTO_PP_INPUT_INIT",
              all[i](ctx, &input, NULL, &result, &err));
        input = input_of(counts);
        with_labels(&input);
        input.n_label_names = 2;
        FAILS(CYTO_INVALID_ARGUMENT, "input.labels[", all[i](ctx, &input, NULL, &result, &err));
        input = input_of(counts);
        input.n_gene_groups = 2;
        FAILS(CYTO_INVALID_ARGUMENT, "input.gene_groups", all[i](ctx, &input, NULL, &result, &err));
        CHECK(result == NULL);
    }
    cyto_pp_input input = input_of(counts);
    FAILS(CYTO_INVALID_ARGUMENT, "input.labels",
          cyto_pp_matrix_aggregate(ctx, &input, NULL, &result, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "looks at counts",
          cyto_pp_matrix_highly_variable_genes(ctx, &input,
                                               "{\"flavor\": \"seurat_v3\", \"log1p\": true}",
                                               &result, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "log1p.base",
          cyto_pp_matrix_pca(ctx, &input, "{\"log1p\": {\"base\": 1}}", &result, &err));
    with_labels(&input);
    input.genes = NULL;
    input.n_genes = 0;
    FAILS(CYTO_INVALID_ARGUMENT, "input.genes",
          cyto_pp_matrix_highly_variable_genes(ctx, &input, NULL, &result, &err));
}

struct watch {
    int calls;
    int stop_at;
    uint64_t last_done, last_total;
};

static int32_t watch(void *user, const cyto_progress *progress) {
    struct watch *seen = user;
    seen->calls += 1;
    seen->last_done = progress->done;
    seen->last_total = progress->total;
    return seen->stop_at > 0 && seen->calls >= seen->stop_at;
}

/* Cancelled at the first call, the second, ever later, until it runs through: the target is as
 * it was each time. */
static void cancelled(void) {
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_context *own = NULL;
    cyto_pp_result *result = NULL;
    struct watch seen = {0, 0, 0, 0};
    int n_cancelled = 0;
    options.threads = 2;
    /* How often progress is told depends on how fast the machine is, so the steps have no end but
     * success. */
    options.progress_interval_ms = 0;
    OK(cyto_context_new(&options, &own, &err));
    OK(cyto_context_set_progress(own, watch, &seen, &err));
    done(cyto_pp_convert, "raw.h5ad", "target.h5ad", NULL);
    for (seen.stop_at = 1;; seen.stop_at *= 2) {
        seen.calls = 0;
        const cyto_status status =
            cyto_pp_preprocess(own, at("target.h5ad"), at("target.h5ad"), FUSED, &result, &err);
        if (status == CYTO_OK) break;
        CHECK(status == CYTO_CANCELLED && result == NULL);
        cyto_error_free(err);
        err = NULL;
        n_cancelled += 1;
        CHECK(same_matrix("raw.h5ad", "target.h5ad"));
    }
    printf("cancelled at %d places\n", n_cancelled);
    CHECK(n_cancelled > 3);
    CHECK(seen.last_total > 0 && seen.last_done == seen.last_total);
    CHECK(same_matrix("f.h5ad", "target.h5ad"));
    cyto_pp_result_free(result);
    cyto_context_free(own);
}

/* The same bits with other threads and little memory. */
static void threads_and_memory(void) {
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_context *before = ctx;
    cyto_pp_result *x = step(cyto_pp_preprocess, "raw.h5ad", "f1.h5ad", FUSED);
    for (int32_t threads = 1; threads <= 3; threads++) {
        options.threads = threads;
        options.memory_limit_bytes = 64u << 20;
        OK(cyto_context_new(&options, &ctx, &err));
        cyto_pp_result *y = step(cyto_pp_preprocess, "raw.h5ad", "f2.h5ad", FUSED);
        CHECK(same(x, y, "loadings") && same_table(x, y, "hvg") && same_table(x, y, "obs"));
        cyto_pp_result_free(y);
        cyto_context_free(ctx);
        ctx = before;
        CHECK(same_matrix("f1.h5ad", "f2.h5ad"));
    }
    cyto_pp_result_free(x);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    sim = simulate(10);
    ctx = context_of(2);
    make_the_file();
    steps_equal_the_fused();
    filters_equal_the_fused();
    cyto_matrix *counts = NULL;
    const cyto_sparse_view view = view_of(&sim->cells);
    OK(cyto_matrix_from_view(ctx, &view, &counts, &err));
    views_equal_the_files(counts);
    views_equal_the_files_with_labels(counts);
    layouts_and_scaling();
    wrong_calls_are_refused();
    wrong_inputs_are_refused(counts);
    cancelled();
    threads_and_memory();
    cyto_matrix_free(counts);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
