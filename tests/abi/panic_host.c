/* Panics, injected on the calling thread and on a worker: an error each time, and life goes on. */
#include "results_equal.h"
#include "simulate.h"

/* capi/examples/inject.rs */
cyto_matrix *inject_matrix(size_t n_cells, size_t n_genes, uint32_t at);
cyto_status inject_worker_panic(const cyto_context *ctx, cyto_error **error);

enum { PIXELS = 40, GENES = 60 };

static cyto_spatial *bomb(uint32_t at) {
    static char names[PIXELS][16], genes[GENES][16];
    static const char *pixel_names[PIXELS], *gene_names[GENES];
    for (int i = 0; i < PIXELS; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        pixel_names[i] = names[i];
    }
    for (int i = 0; i < GENES; i++) {
        snprintf(genes[i], sizeof genes[i], "gene%d", i);
        gene_names[i] = genes[i];
    }
    cyto_matrix *counts = inject_matrix(PIXELS, GENES, at);
    cyto_spatial *spatial = NULL;
    cyto_spatial_input input = CYTO_SPATIAL_INPUT_INIT;
    input.counts = counts;
    input.pixels = pixel_names;
    input.n_pixels = PIXELS;
    input.genes = gene_names;
    input.n_genes = GENES;
    OK(cyto_spatial_new(&input, &spatial, &err));
    cyto_matrix_free(counts);
    return spatial;
}

static cyto_rctd_options *coarse(void) {
    cyto_rctd_options *options = NULL;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set_json(options, "{\"sigma\": 50, \"umi_min\": 1}", &err));
    return options;
}

int main(void) {
    struct simulation *sim = simulate(30);
    cyto_context *ctx = context_of(2);
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_rctd_options *options = coarse();
    cyto_rctd *rctd = NULL;
    cyto_rctd_results *results = NULL;
    /* On the calling thread, in every step that reads counts. */
    cyto_spatial *spatial = bomb(0);
    FAILS(CYTO_PANIC, "inject.rs:",
          cyto_rctd_create(ctx, spatial, reference, options, &rctd, &err));
    CHECK(rctd == NULL);
    /* The matrix was at work: it is poisoned, which is an error and not a second panic. */
    FAILS(CYTO_STATE, "panic", cyto_rctd_create(ctx, spatial, reference, options, &rctd, &err));
    cyto_spatial_free(spatial);
    /* The object at work is poisoned, the context is not. */
    spatial = bomb(2);
    OK(cyto_rctd_create(ctx, spatial, reference, options, &rctd, &err));
    OK(cyto_rctd_fit_bulk(ctx, rctd, &err));
    OK(cyto_rctd_choose_sigma(ctx, rctd, &err));
    FAILS(CYTO_PANIC, "injected into the reading of counts",
          cyto_rctd_fit_pixels(ctx, rctd, CYTO_RCTD_FULL, &results, &err));
    CHECK(results == NULL);
    FAILS(CYTO_STATE, "panic", cyto_rctd_fit_pixels(ctx, rctd, CYTO_RCTD_FULL, &results, &err));
    FAILS(CYTO_STATE, "panic", cyto_rctd_fit_bulk(ctx, rctd, &err));
    FAILS(CYTO_STATE, "panic", cyto_rctd_plan(rctd, 0, &(cyto_plan *){NULL}, &err));
    cyto_array kept = CYTO_ARRAY_INIT;
    OK(cyto_rctd_array(rctd, "kept", &kept, &err)); /* what was lent stays readable */
    cyto_rctd_free(rctd);
    cyto_spatial_free(spatial);
    /* On a worker: text and place reach the caller; the pool lives on. */
    for (int i = 0; i < 3; i++)
        FAILS(CYTO_PANIC, "injected into worker item 57", inject_worker_panic(ctx, &err));
    FAILS(CYTO_PANIC, "inject.rs:", inject_worker_panic(ctx, &err));
    CHECK(inject_worker_panic(ctx, NULL) == CYTO_PANIC);
    spatial = spatial_of(ctx, sim);
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err));
    CHECK(array_of(results, "pixels").n_rows == 30);
    cyto_rctd_results_free(results);
    cyto_spatial_free(spatial);
    cyto_rctd_options_free(options);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
