/*
 * A context after fork(): R's parallel::mclapply does this. The child has none of the parent's threads;
 * without care it would wait for them for ever, so an alarm ends the host.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "results_equal.h"
#include "simulate.h"

static cyto_rctd_results *run(cyto_context *ctx, const cyto_spatial *spatial,
                              const cyto_reference *reference) {
    cyto_rctd_options *options = NULL;
    cyto_rctd_results *results = NULL;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set(options, "sigma", "50", &err));
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err));
    cyto_rctd_options_free(options);
    return results;
}

static int in_child(cyto_context *ctx, const cyto_spatial *spatial, const cyto_reference *reference,
                    const cyto_rctd_results *expected) {
    alarm(10);
    cyto_rctd_results *results = run(ctx, spatial, reference);
    CHECK(same_results(expected, results));
    cyto_rctd_results_free(results);
    cyto_context_free(ctx); /* must not wait for the parent's threads */
    return failures;
}

int main(void) {
    alarm(60);
    struct simulation *sim = simulate(60);
    cyto_context *ctx = context_of(2);
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_results *expected = run(ctx, spatial, reference);
    for (int i = 0; i < 3; i++) {
        int status = -1;
        fflush(NULL);
        const pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) _exit(in_child(ctx, spatial, reference, expected));
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        /* The parent's context still works. */
        cyto_rctd_results *results = run(ctx, spatial, reference);
        CHECK(same_results(expected, results));
        cyto_rctd_results_free(results);
    }
    cyto_rctd_results_free(expected);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
