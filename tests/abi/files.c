/*
 * RCTD from files: folders with a Matrix Market file, written here, give what the arrays give.
 * Usage: files FOLDER (an empty one that may be written to).
 */
#include <sys/stat.h>
#include <unistd.h>

#include "results_equal.h"
#include "simulate.h"

enum { N_PIXELS = 90 };

/* Every array that a dataset lends, and its table obs. */
static void the_dataset(cyto_context *ctx, const char *path, const struct simulation *sim) {
    cyto_dataset *dataset = NULL;
    cyto_matrix *counts = NULL;
    cyto_array array = CYTO_ARRAY_INIT;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    OK(cyto_dataset_open(ctx, path, NULL, &dataset, &err));
    CHECK(strstr(cyto_dataset_info_json(dataset), "\"format\":\"mtx\"") != NULL);
    OK(cyto_dataset_array(dataset, "cells", &array, &err));
    CHECK(array.n_rows == N_PIXELS);
    CHECK(strcmp(((const char *const *)array.data)[3], sim->pixel_names[3]) == 0);
    OK(cyto_dataset_array(dataset, "coords", &array, &err));
    CHECK(memcmp(array.data, sim->coords, sizeof(double) * 2 * N_PIXELS) == 0);
    FAILS(CYTO_NOT_FOUND, "n_umi", cyto_dataset_array(dataset, "n_umi", &array, &err));
    OK(cyto_dataset_table_arrow(dataset, "obs", &stream, &err));
    CHECK(stream.get_schema(&stream, &schema) == 0 && schema.n_children == 3);
    CHECK(strcmp(schema.children[0]->name, "index") == 0);
    CHECK(strcmp(schema.children[1]->name, "x") == 0);
    schema.release(&schema);
    stream.release(&stream);
    OK(cyto_dataset_counts(dataset, &counts, &err));
    cyto_dataset_free(dataset); /* the counts keep what they need */
    CHECK(cyto_matrix_n_cells(counts) == N_PIXELS && cyto_matrix_n_genes(counts) == N_GENES);
    cyto_matrix_free(counts);
}

/* The results stand in the file, beside the counts. */
static void the_output(cyto_context *ctx, const char *path) {
    cyto_dataset *dataset = NULL;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    int found = 0;
    OK(cyto_dataset_open(ctx, path, NULL, &dataset, &err));
    CHECK(strstr(cyto_dataset_info_json(dataset), "obsm/rctd_weights_doublet") != NULL);
    OK(cyto_dataset_table_arrow(dataset, "obs", &stream, &err));
    CHECK(stream.get_schema(&stream, &schema) == 0);
    for (int64_t i = 0; i < schema.n_children; i++)
        found += strcmp(schema.children[i]->name, "rctd_spot_class") == 0;
    CHECK(found == 1);
    schema.release(&schema);
    stream.release(&stream);
    cyto_dataset_free(dataset);
}

int main(int argc, char **argv) {
    char spatial_path[512], reference_path[512];
    if (argc != 2) return 2;
    snprintf(spatial_path, sizeof spatial_path, "%s/spatial", argv[1]);
    snprintf(reference_path, sizeof reference_path, "%s/reference", argv[1]);
    struct simulation *sim = simulate(N_PIXELS);
    simulation_write(sim, spatial_path, reference_path);
    cyto_context *ctx = context_of(2);
    the_dataset(ctx, spatial_path, sim);
    /* In one call from arrays, in one call from files, and from datasets. */
    cyto_rctd_options *options = NULL;
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_results *expected = NULL, *results = NULL;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set(options, "sigma", "50", &err));
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &expected, &err));
    cyto_reference_free(reference);
    cyto_spatial_free(spatial);
    cyto_rctd_files files = CYTO_RCTD_FILES_INIT;
    cyto_reference_options order = CYTO_REFERENCE_OPTIONS_INIT;
    order.type_order = sim->type_names; /* else sorted by name */
    order.n_type_order = N_TYPES;
    files.spatial_path = spatial_path;
    files.reference_path = reference_path;
    files.reference_options = &order;
    OK(cyto_rctd_run_files(ctx, &files, options, CYTO_RCTD_DOUBLET, &results, &err));
    CHECK(same_results(expected, results));
    cyto_rctd_results_free(results);
    cyto_dataset *cells = NULL, *pixels = NULL;
    OK(cyto_dataset_open(ctx, reference_path, NULL, &cells, &err));
    OK(cyto_dataset_open(ctx, spatial_path, NULL, &pixels, &err));
    FAILS(CYTO_NOT_FOUND, "cell_type",
          cyto_reference_from_dataset(ctx, cells, "cell_typ", &order, &reference, &err));
    OK(cyto_reference_from_dataset(ctx, cells, "cell_type", &order, &reference, &err));
    OK(cyto_spatial_from_dataset(pixels, &spatial, &err));
    cyto_dataset_free(cells);
    cyto_dataset_free(pixels);
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err));
    CHECK(same_results(expected, results));
    char written[512];
    snprintf(written, sizeof written, "%s/out.h5ad", argv[1]);
    FAILS(CYTO_INVALID_ARGUMENT, "pixels",
          cyto_rctd_results_write_h5ad(ctx, results, reference_path, NULL, written, &err));
    CHECK(access(written, F_OK) != 0);
    OK(cyto_rctd_results_write_h5ad(ctx, results, spatial_path, NULL, written, &err));
    the_output(ctx, written);
    /* Once more, into the file itself. */
    OK(cyto_rctd_results_write_h5ad(ctx, results, written, NULL, written, &err));
    the_output(ctx, written);
    cyto_rctd_results_free(results);
    files.cell_type_column = "no such column";
    FAILS(CYTO_NOT_FOUND, "no such column",
          cyto_rctd_run_files(ctx, &files, options, CYTO_RCTD_DOUBLET, &results, &err));
    cyto_rctd_results_free(expected);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_rctd_options_free(options);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
