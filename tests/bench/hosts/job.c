/*
 * The job that the other languages are measured against. Usage: job SPATIAL REFERENCE; prints, three times, processor seconds
 * of the job and of its part outside the engine's run, which is what a wrapper can add to.
 */
#include <time.h>

#include "check.h"

static int32_t hear(void *user_data, const cyto_progress *progress) {
    *(uint64_t *)user_data += progress->done;
    return 0;
}

static void job(cyto_context *ctx, const char *spatial_path, const char *reference_path) {
    const clock_t begun = clock();
    cyto_dataset *pixels = NULL, *cells = NULL;
    cyto_matrix *counts = NULL;
    cyto_reference *reference = NULL;
    cyto_spatial *spatial = NULL;
    cyto_rctd_results *results = NULL;
    cyto_array names = CYTO_ARRAY_INIT, genes = CYTO_ARRAY_INIT, weights = CYTO_ARRAY_INIT, class = CYTO_ARRAY_INIT;
    cyto_spatial_input input = CYTO_SPATIAL_INPUT_INIT;
    OK(cyto_dataset_open(ctx, reference_path, NULL, &cells, &err));
    OK(cyto_reference_from_dataset(ctx, cells, "cell_type", NULL, &reference, &err));
    OK(cyto_dataset_open(ctx, spatial_path, NULL, &pixels, &err));
    OK(cyto_dataset_counts(pixels, &counts, &err));
    OK(cyto_dataset_array(pixels, "cells", &names, &err));
    OK(cyto_dataset_array(pixels, "genes", &genes, &err));
    input.counts = counts;
    input.pixels = names.data;
    input.n_pixels = names.n_rows;
    input.genes = genes.data;
    input.n_genes = genes.n_rows;
    OK(cyto_spatial_new(&input, &spatial, &err));
    const clock_t run = clock();
    OK(cyto_rctd_run(ctx, spatial, reference, NULL, CYTO_RCTD_DOUBLET, &results, &err));
    const clock_t ran = clock();
    OK(cyto_rctd_results_array(results, "weights", &weights, &err));
    OK(cyto_rctd_results_array(results, "spot_class", &class, &err));
    double total = 0;
    for (size_t i = 0; i < weights.n_rows * weights.n_columns; i++) total += ((const double *)weights.data)[i];
    CHECK(total > 0 && class.n_rows == weights.n_rows);
    cyto_rctd_results_free(results);
    cyto_spatial_free(spatial);
    cyto_matrix_free(counts);
    cyto_dataset_free(pixels);
    cyto_reference_free(reference);
    cyto_dataset_free(cells);
    const clock_t all = clock() - begun;
    printf("%.6f %.6f\n", (double)all / CLOCKS_PER_SEC, (double)(all - (ran - run)) / CLOCKS_PER_SEC);
}

int main(int argc, char **argv) {
    cyto_context *ctx = NULL;
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    uint64_t heard = 0;
    if (argc != 3) return 2;
    options.threads = 1;
    OK(cyto_context_new(&options, &ctx, &err));
    OK(cyto_context_set_progress(ctx, hear, &heard, &err));
    for (int i = 0; i < 3; i++) job(ctx, argv[1], argv[2]);
    cyto_context_free(ctx);
    return failures != 0;
}
