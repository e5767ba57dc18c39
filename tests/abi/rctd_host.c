/*
 * A host that runs RCTD on a tissue with known truth: in one call, step by step and in shards, from
 * every kind of input, with any number of threads, all with the same bits; progress and cancel.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "results_equal.h"
#include "simulate.h"

enum { N_PIXELS = 150 };

/* Options with sigma given, which saves its search: for the runs that are about something else. */
static cyto_rctd_options *given_sigma(void) {
    cyto_rctd_options *options = NULL;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set(options, "sigma", "40", &err));
    return options;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Types found against the truth. */
static void agrees_with_truth(const cyto_rctd_results *results, const struct simulation *sim) {
    const cyto_array pixels = array_of(results, "pixels");
    const uint32_t *row = pixels.data;
    const uint8_t *spot_class = array_of(results, "spot_class").data;
    const uint32_t *first = array_of(results, "first_type").data;
    const uint32_t *second = array_of(results, "second_type").data;
    const double *weights = array_of(results, "weights_doublet").data;
    int singlets = 0, doublets = 0, right_singlets = 0, right_doublets = 0;
    CHECK(pixels.n_rows == (size_t)sim->pixels.n_cells);
    for (size_t i = 0; i < pixels.n_rows; i++) {
        const uint32_t a = (uint32_t)sim->first[row[i]], b = (uint32_t)sim->second[row[i]];
        if (a == b) {
            singlets += 1;
            right_singlets += spot_class[i] == CYTO_SPOT_SINGLET && first[i] == a;
        } else {
            doublets += 1;
            right_doublets += spot_class[i] == CYTO_SPOT_DOUBLET_CERTAIN &&
                              ((first[i] == a && second[i] == b) ||
                               (first[i] == b && second[i] == a)) &&
                              weights[2 * i] > 0.35 && weights[2 * i] < 0.65;
        }
    }
    printf("truth: %d of %d singlets, %d of %d doublets\n", right_singlets, singlets,
           right_doublets, doublets);
    CHECK(right_singlets >= singlets * 95 / 100);
    CHECK(right_doublets >= doublets * 95 / 100);
}

static cyto_rctd_results *in_one_call(cyto_context *ctx, const cyto_spatial *spatial,
                                      const cyto_reference *reference, int32_t mode) {
    cyto_rctd_results *results = NULL;
    OK(cyto_rctd_run(ctx, spatial, reference, NULL, mode, &results, &err));
    return results;
}

static cyto_rctd_results *with_sigma(cyto_context *ctx, const cyto_spatial *spatial,
                                     const cyto_reference *reference) {
    cyto_rctd_options *options = given_sigma();
    cyto_rctd_results *results = NULL;
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err));
    cyto_rctd_options_free(options);
    return results;
}

/* An object up to sigma; the handles it was made from are freed at once. */
static cyto_rctd *prepared(cyto_context *ctx, const struct simulation *sim,
                           cyto_rctd_options *options) {
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd *rctd = NULL;
    OK(cyto_rctd_create(ctx, spatial, reference, options, &rctd, &err));
    cyto_rctd_options_free(options);
    cyto_reference_free(reference);
    cyto_spatial_free(spatial);
    OK(cyto_rctd_fit_bulk(ctx, rctd, &err));
    OK(cyto_rctd_choose_sigma(ctx, rctd, &err));
    return rctd;
}

static cyto_rctd_results *in_shards(cyto_context *ctx, cyto_rctd *rctd, int32_t mode) {
    cyto_plan *plan = NULL;
    cyto_partial *partials[64];
    cyto_rctd_results *results = NULL;
    OK(cyto_rctd_plan(rctd, 37, &plan, &err));
    const size_t n = cyto_plan_n_shards(plan);
    const uint64_t *bounds = cyto_plan_bounds(plan);
    CHECK(n == (N_PIXELS + 36) / 37);
    for (size_t i = 0; i < n; i++) {
        cyto_partial *fitted = NULL;
        const uint8_t *bytes = NULL;
        size_t n_bytes = 0;
        uint64_t start = 0, end = 0;
        OK(cyto_rctd_run_shard(ctx, rctd, mode, bounds[2 * i], bounds[2 * i + 1], &fitted, &err));
        OK(cyto_partial_serialize(fitted, &bytes, &n_bytes, &err));
        /* Backwards: the order of the shards must not matter. */
        OK(cyto_partial_deserialize(bytes, n_bytes, &partials[n - 1 - i], &err));
        OK(cyto_partial_range(partials[n - 1 - i], &start, &end, &err));
        CHECK(start == bounds[2 * i] && end == bounds[2 * i + 1]);
        cyto_partial_free(fitted);
    }
    OK(cyto_rctd_merge(rctd, mode, (const cyto_partial *const *)partials, n, &results, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "cover all pixels",
          cyto_rctd_merge(rctd, mode, (const cyto_partial *const *)partials, n - 1,
                          &(cyto_rctd_results *){NULL}, &err));
    FAILS(CYTO_CHECKPOINT_MISMATCH, "mode",
          cyto_rctd_merge(rctd, (mode + 1) % 3, (const cyto_partial *const *)partials, n,
                          &(cyto_rctd_results *){NULL}, &err));
    for (size_t i = 0; i < n; i++) cyto_partial_free(partials[i]);
    cyto_plan_free(plan);
    return results;
}

static void one_call_steps_and_shards_agree(const struct simulation *sim) {
    for (int32_t mode = CYTO_RCTD_FULL; mode <= CYTO_RCTD_MULTI; mode++) {
        /* Doublet mode searches for sigma, the others take the one that is given. */
        const int searches = mode == CYTO_RCTD_DOUBLET;
        cyto_context *ctx = context_of(2);
        cyto_reference *reference = reference_of(ctx, sim);
        cyto_spatial *spatial = spatial_of(ctx, sim);
        cyto_rctd_options *options = searches ? NULL : given_sigma();
        cyto_rctd_results *whole = NULL, *steps = NULL, *shards = NULL;
        OK(cyto_rctd_run(ctx, spatial, reference, options, mode, &whole, &err));
        cyto_rctd *rctd = prepared(ctx, sim, options);
        CHECK(cyto_rctd_sigma(rctd) == cyto_rctd_results_sigma(whole));
        OK(cyto_rctd_fit_pixels(ctx, rctd, mode, &steps, &err));
        CHECK(same_results(whole, steps));
        shards = in_shards(ctx, rctd, mode);
        CHECK(same_results(whole, shards));
        if (searches) agrees_with_truth(whole, sim);
        cyto_context_free(ctx);
        cyto_rctd_free(rctd);
        cyto_spatial_free(spatial);
        cyto_reference_free(reference);
        cyto_rctd_results_free(shards);
        cyto_rctd_results_free(steps);
        cyto_rctd_results_free(whole);
    }
}

static void threads_do_not_change_bits(const struct simulation *sim,
                                       const cyto_rctd_results *searched,
                                       const cyto_rctd_results *fixed) {
    static const int32_t threads[] = {1, 2, 3, 7};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        cyto_context *ctx = context_of(threads[i]);
        cyto_reference *reference = reference_of(ctx, sim);
        cyto_spatial *spatial = spatial_of(ctx, sim);
        cyto_rctd_results *results = with_sigma(ctx, spatial, reference);
        CHECK(cyto_context_threads(ctx) == threads[i]);
        CHECK(same_results(fixed, results));
        cyto_rctd_results_free(results);
        if (threads[i] == 3) {
            results = in_one_call(ctx, spatial, reference, CYTO_RCTD_DOUBLET);
            CHECK(same_results(searched, results));
            cyto_rctd_results_free(results);
        }
        cyto_spatial_free(spatial);
        cyto_reference_free(reference);
        cyto_context_free(ctx);
    }
}

/* ---- every kind of input ---- */

/* Values of every type, positions of both widths and both bases, both layouts, sparse and dense. */
struct variants {
    int64_t starts64[N_PIXELS + 1];
    int64_t genes64[N_PIXELS * N_GENES];
    int32_t i32[N_PIXELS * N_GENES];
    int64_t i64[N_PIXELS * N_GENES];
    float f32[N_PIXELS * N_GENES];
    uint16_t u16[N_PIXELS * N_GENES];
    uint32_t u32[N_PIXELS * N_GENES];
    uint8_t u8[N_PIXELS * N_GENES];
    double dense[N_PIXELS * N_GENES];
};

static struct variants *variants_of(const struct counts *counts) {
    struct variants *all = calloc(1, sizeof *all);
    if (all == NULL) exit(1);
    for (int64_t cell = 0; cell < counts->n_cells; cell++) {
        all->starts64[cell + 1] = counts->starts[cell + 1];
        for (int32_t e = counts->starts[cell]; e < counts->starts[cell + 1]; e++)
            all->dense[cell * N_GENES + counts->genes[e]] = counts->values[e];
    }
    for (int64_t e = 0; e < counts->n_entries; e++) {
        const double value = counts->values[e];
        all->genes64[e] = counts->genes[e];
        all->i32[e] = (int32_t)value;
        all->i64[e] = (int64_t)value;
        all->f32[e] = (float)value;
        all->u16[e] = (uint16_t)value;
        all->u32[e] = (uint32_t)value;
        all->u8[e] = (uint8_t)value;
    }
    return all;
}

static void gives(cyto_context *ctx, const struct simulation *sim, const cyto_matrix *counts,
                  const cyto_reference *reference, const cyto_rctd_results *expected) {
    cyto_spatial *spatial = spatial_with(sim, counts);
    cyto_rctd_results *results = with_sigma(ctx, spatial, reference);
    CHECK(cyto_matrix_n_cells(counts) == N_PIXELS && cyto_matrix_n_genes(counts) == N_GENES);
    CHECK(same_results(expected, results));
    cyto_rctd_results_free(results);
    cyto_spatial_free(spatial);
}

static void gives_view(cyto_context *ctx, const struct simulation *sim, const cyto_sparse_view *view,
                       const cyto_reference *reference, const cyto_rctd_results *expected) {
    cyto_matrix *counts = NULL;
    OK(cyto_matrix_from_view(ctx, view, &counts, &err));
    gives(ctx, sim, counts, reference, expected);
    cyto_matrix_free(counts);
}

static void every_input_gives_the_same(cyto_context *ctx, const struct simulation *sim,
                                       const cyto_reference *reference,
                                       const cyto_rctd_results *expected) {
    struct variants *all = variants_of(&sim->pixels);
    const struct {
        int32_t type;
        const void *values;
    } values[] = {{CYTO_I32, all->i32}, {CYTO_I64, all->i64}, {CYTO_F32, all->f32},
                  {CYTO_U16, all->u16}, {CYTO_U32, all->u32}, {CYTO_U8, all->u8}};
    cyto_sparse_view view = view_of(&sim->pixels);
    cyto_matrix *counts = NULL;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        view.value_type = values[i].type;
        view.values = values[i].values;
        gives_view(ctx, sim, &view, reference, expected);
    }
    /* Cells x genes by row is the same arrays; 64-bit positions; trusted. */
    view.layout = CYTO_CSR;
    view.orientation = CYTO_CELLS_BY_GENES;
    view.nrow = N_PIXELS;
    view.ncol = N_GENES;
    view.indptr_type = CYTO_I64;
    view.indptr = all->starts64;
    view.flags = CYTO_VIEW_TRUSTED;
    gives_view(ctx, sim, &view, reference, expected);
    view.index_type = CYTO_I64;
    view.indices = all->genes64;
    view.flags = 0;
    gives_view(ctx, sim, &view, reference, expected);
    /* From 1, as Julia has them; copied, so that the arrays may change afterwards. */
    for (int64_t i = 0; i <= N_PIXELS; i++) all->starts64[i] += 1;
    for (int64_t i = 0; i < view.nnz; i++) all->genes64[i] += 1;
    view.index_base = 1;
    OK(cyto_matrix_from_view_copy(ctx, &view, &counts, &err));
    memset(all->genes64, 0xff, sizeof all->genes64);
    memset(all->u8, 0xff, sizeof all->u8);
    gives(ctx, sim, counts, reference, expected);
    cyto_matrix_free(counts);
    /* Dense, borrowed and copied. */
    cyto_dense_view dense = CYTO_DENSE_VIEW_INIT;
    dense.value_type = CYTO_F64;
    dense.orientation = CYTO_CELLS_BY_GENES;
    dense.nrow = N_PIXELS;
    dense.ncol = N_GENES;
    dense.row_stride = N_GENES;
    dense.col_stride = 1;
    dense.data = all->dense;
    OK(cyto_matrix_from_dense_view(ctx, &dense, &counts, &err));
    gives(ctx, sim, counts, reference, expected);
    cyto_matrix_free(counts);
    OK(cyto_matrix_from_dense_view_copy(ctx, &dense, &counts, &err));
    memset(all->dense, 0xff, sizeof all->dense);
    gives(ctx, sim, counts, reference, expected);
    cyto_matrix_free(counts);
    free(all);
}

/* ---- blocks that the host reads ---- */

struct host_source {
    const struct simulation *sim;
    pthread_t thread;
    int on_loan, reads, released;
    int32_t starts[4097];
};

static int32_t read_block(void *user_data, int64_t first, int64_t n, cyto_sparse_view *out) {
    struct host_source *source = user_data;
    const struct counts *counts = &source->sim->pixels;
    const int32_t origin = counts->starts[first];
    CHECK(pthread_equal(pthread_self(), source->thread));
    CHECK(n > 0 && n <= 4096 && first + n <= counts->n_cells);
    for (int64_t i = 0; i <= n; i++) source->starts[i] = counts->starts[first + i] - origin;
    *out = view_of(counts);
    out->ncol = n;
    out->nnz = source->starts[n];
    out->indptr = source->starts;
    out->indices = counts->genes + origin;
    out->values = counts->values + origin;
    source->on_loan += 1;
    source->reads += 1;
    CHECK(source->on_loan == 1);
    return 0;
}

static void release_block(void *user_data, const cyto_sparse_view *block) {
    struct host_source *source = user_data;
    CHECK(block->indptr == source->starts);
    source->on_loan -= 1;
}

static void release_source(void *user_data) { ((struct host_source *)user_data)->released += 1; }

static void blocks_of_the_host_give_the_same(cyto_context *ctx, const struct simulation *sim,
                                             const cyto_reference *reference,
                                             const cyto_rctd_results *expected) {
    struct host_source source = {sim, pthread_self(), 0, 0, 0, {0}};
    cyto_block_source blocks = CYTO_BLOCK_SOURCE_INIT;
    cyto_matrix *counts = NULL;
    cyto_spatial *spatial = NULL;
    cyto_rctd *rctd = NULL;
    blocks.n_cells = N_PIXELS;
    blocks.n_genes = N_GENES;
    blocks.read_block = read_block;
    blocks.release_block = release_block;
    blocks.release_source = release_source;
    blocks.user_data = &source;
    OK(cyto_matrix_from_blocks(&blocks, &counts, &err));
    gives(ctx, sim, counts, reference, expected);
    CHECK(source.on_loan == 0 && source.reads > 0 && source.released == 0);
    /* The source lives until the last of its children goes. */
    spatial = spatial_with(sim, counts);
    OK(cyto_rctd_create(ctx, spatial, reference, NULL, &rctd, &err));
    cyto_matrix_free(counts);
    cyto_spatial_free(spatial);
    CHECK(source.released == 0);
    cyto_rctd_free(rctd);
    CHECK(source.released == 1 && source.on_loan == 0);
}

/* ---- progress and cancel ---- */

struct watcher {
    cyto_context *ctx;
    pthread_t thread;
    int calls, stages, ends, cancel_at;
    uint64_t done;
    char stage[64];
    atomic_int running;
};

static int32_t watch(void *user_data, const cyto_progress *progress) {
    struct watcher *watcher = user_data;
    cyto_rctd_results *results = NULL;
    cyto_error *inner = NULL;
    CHECK(progress->struct_size >= sizeof *progress);
    CHECK(pthread_equal(pthread_self(), watcher->thread));
    CHECK(progress->message != NULL && progress->elapsed_s >= 0);
    if (strcmp(watcher->stage, progress->stage) != 0) {
        snprintf(watcher->stage, sizeof watcher->stage, "%s", progress->stage);
        watcher->stages += 1;
    } else if (progress->done > 0) {
        /* A stage of the same name begins again at 0. */
        CHECK(progress->done >= watcher->done);
    }
    watcher->done = progress->done;
    watcher->calls += 1;
    if (progress->total > 0) {
        CHECK(progress->done <= progress->total);
        watcher->ends += progress->done == progress->total;
    }
    /* The same context from inside the callback is refused. */
    CHECK(cyto_rctd_run(watcher->ctx, NULL, NULL, NULL, 0, &results, &inner) != CYTO_OK);
    cyto_error_free(inner);
    CHECK(cyto_context_set_progress(watcher->ctx, NULL, NULL, NULL) == CYTO_STATE);
    atomic_store(&watcher->running, 1);
    return watcher->cancel_at > 0 && watcher->calls >= watcher->cancel_at;
}

/* Cancelled at every single progress call; how many there are depends a little on the clock. */
static void cancel_at_each_call(cyto_context *ctx, const cyto_spatial *spatial,
                                const cyto_reference *reference, struct watcher *watcher) {
    cyto_rctd_options *options = given_sigma();
    cyto_rctd_results *results = NULL;
    cyto_status status = CYTO_CANCELLED;
    int at = 0;
    while (status == CYTO_CANCELLED) {
        at += 1;
        *watcher = (struct watcher){.ctx = ctx, .thread = pthread_self(), .cancel_at = at};
        status = cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err);
        CHECK(cyto_error_code(err) == status && (results == NULL) == (status != CYTO_OK));
        CHECK(status == CYTO_OK ? watcher->calls < at : watcher->calls == at);
        cyto_error_free(err);
        err = NULL;
    }
    printf("cancel: at each of %d progress calls\n", at - 1);
    CHECK(status == CYTO_OK && at > 8);
    cyto_rctd_results_free(results);
    cyto_rctd_options_free(options);
}

static void progress_is_told(const struct simulation *sim, const cyto_rctd_results *expected) {
    cyto_context *ctx = context_of(2);
    struct watcher watcher = {.ctx = ctx, .thread = pthread_self()};
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_results *results = NULL;
    OK(cyto_context_set_progress(ctx, watch, &watcher, &err));
    results = in_one_call(ctx, spatial, reference, CYTO_RCTD_DOUBLET);
    printf("progress: %d calls, %d stages, %d of them ended\n", watcher.calls, watcher.stages,
           watcher.ends);
    CHECK(watcher.stages >= 4 && watcher.ends >= 4);
    CHECK(same_results(expected, results));
    cyto_rctd_results_free(results);
    cancel_at_each_call(ctx, spatial, reference, &watcher);
    OK(cyto_context_set_progress(ctx, NULL, NULL, &err));
    cyto_context_cancel(ctx); /* before the start: forgotten */
    results = with_sigma(ctx, spatial, reference);
    cyto_rctd_results_free(results);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
}

struct canceller {
    struct watcher watcher;
    double asked;
};

static void *cancel_soon(void *user_data) {
    struct canceller *canceller = user_data;
    const struct timespec pause = {0, 30 * 1000 * 1000};
    while (!atomic_load(&canceller->watcher.running)) nanosleep(&pause, NULL);
    nanosleep(&pause, NULL);
    canceller->asked = seconds();
    cyto_context_cancel(canceller->watcher.ctx);
    cyto_context_cancel(NULL);
    return NULL;
}

static void cancel_from_another_thread(void) {
    struct simulation *sim = simulate(3000);
    cyto_context *ctx = context_of(2);
    cyto_rctd *rctd = prepared(ctx, sim, given_sigma());
    cyto_rctd_results *results = NULL;
    double worst = 0;
    for (int i = 0; i < 3; i++) {
        struct canceller canceller = {{.ctx = ctx, .thread = pthread_self()}, 0};
        pthread_t thread;
        OK(cyto_context_set_progress(ctx, watch, &canceller.watcher, &err));
        if (pthread_create(&thread, NULL, cancel_soon, &canceller) != 0) exit(1);
        FAILS(CYTO_CANCELLED, "cancel",
              cyto_rctd_fit_pixels(ctx, rctd, CYTO_RCTD_DOUBLET, &results, &err));
        const double returned = seconds();
        pthread_join(thread, NULL);
        if (returned - canceller.asked > worst) worst = returned - canceller.asked;
    }
    printf("cancel: returned after at most %.1f ms\n", worst * 1e3);
    /* The promise is 250 ms on a quiet machine. */
    CHECK(worst < 1.0);
    cyto_rctd_free(rctd);
    cyto_context_free(ctx);
    simulation_free(sim);
}

/* ---- the arrays of an object ---- */

/* Counts that were lent come back, in pieces. */
static void read_back(cyto_context *ctx, const struct simulation *sim) {
    const cyto_sparse_view view = view_of(&sim->pixels);
    cyto_matrix *matrix = NULL;
    cyto_rows *rows = NULL;
    cyto_array starts = CYTO_ARRAY_INIT, values = CYTO_ARRAY_INIT;
    uint64_t n = 0;
    OK(cyto_matrix_from_view(ctx, &view, &matrix, &err));
    for (int64_t first = 0; first < N_PIXELS; first += 7) {
        int64_t cells = first + 7 < N_PIXELS ? 7 : N_PIXELS - first;
        OK(cyto_matrix_read(ctx, matrix, first, cells, &rows, &err));
        OK(cyto_rows_array(rows, "indptr", &starts, &err));
        OK(cyto_rows_array(rows, "values", &values, &err));
        CHECK(starts.dtype == CYTO_U64 && starts.n_rows == (size_t)cells + 1);
        CHECK(values.n_rows == ((const uint64_t *)starts.data)[cells]);
        n += values.n_rows;
        cyto_rows_free(rows);
    }
    CHECK(n == (uint64_t)sim->pixels.n_entries);
    FAILS(CYTO_INVALID_ARGUMENT, "cells.n", cyto_matrix_read(ctx, matrix, 1, N_PIXELS, &rows, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "matrix", cyto_matrix_read(ctx, NULL, 0, 1, &rows, &err));
    CHECK(rows == NULL);
    cyto_rows_free(NULL);
    cyto_matrix_free(matrix);
}

static void arrays_of_an_object(const struct simulation *sim) {
    cyto_context *ctx = context_of(1);
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd *rctd = NULL;
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_rctd_create(ctx, spatial, reference, NULL, &rctd, &err));
    OK(cyto_rctd_array(rctd, "fates", &array, &err));
    CHECK(array.dtype == CYTO_U8 && array.n_rows == N_PIXELS);
    OK(cyto_rctd_array(rctd, "coords", &array, &err));
    CHECK(array.n_columns == 2);
    CHECK(memcmp(array.data, sim->coords, sizeof(double) * 2 * N_PIXELS) == 0);
    OK(cyto_rctd_array(rctd, "genes_reg", &array, &err));
    CHECK(array.n_rows >= 100 && strncmp(((const char *const *)array.data)[0], "gene", 4) == 0);
    FAILS(CYTO_NOT_FOUND, "proportions", cyto_rctd_array(rctd, "proportions", &array, &err));
    CHECK(array.data == NULL);
    FAILS(CYTO_STATE, "fit_bulk", cyto_rctd_choose_sigma(ctx, rctd, &err));
    OK(cyto_rctd_fit_bulk(ctx, rctd, &err));
    OK(cyto_rctd_array(rctd, "proportions", &array, &err));
    CHECK(array.n_rows == N_TYPES);
    const double *proportions = array.data;
    for (int k = 0; k < N_TYPES; k++) CHECK(proportions[k] > 0.1 && proportions[k] < 0.4);
    CHECK(cyto_rctd_sigma(rctd) == 0);
    OK(cyto_rctd_choose_sigma(ctx, rctd, &err));
    CHECK(cyto_rctd_sigma(rctd) >= 10 && cyto_rctd_sigma(rctd) <= 200);
    OK(cyto_rctd_array(rctd, "sigma_keys", &array, &err));
    CHECK(array.n_rows >= 1 &&
          ((const uint32_t *)array.data)[array.n_rows - 1] == cyto_rctd_sigma(rctd));
    const char *config = cyto_rctd_config_json(rctd);
    CHECK(strstr(config, "\"umi_min\":100") != NULL);
    /* Options of later steps can change; the old text stays on loan. */
    cyto_rctd_options *options = given_sigma();
    OK(cyto_rctd_set_options(rctd, options, &err));
    CHECK(cyto_rctd_sigma(rctd) == 0);
    CHECK(strstr(config, "\"sigma\":null") != NULL);
    CHECK(strstr(cyto_rctd_config_json(rctd), "\"sigma\":40") != NULL);
    OK(cyto_rctd_choose_sigma(ctx, rctd, &err));
    CHECK(cyto_rctd_sigma(rctd) == 40);
    OK(cyto_rctd_options_set(options, "umi_min", "50", &err));
    FAILS(CYTO_INVALID_ARGUMENT, "umi_min", cyto_rctd_set_options(rctd, options, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "rctd", cyto_rctd_set_options(NULL, options, &err));
    cyto_rctd_options_free(options);
    read_back(ctx, sim);
    OK(cyto_reference_array(reference, "cells_per_type", &array, &err));
    CHECK(array.dtype == CYTO_U64 && ((const uint64_t *)array.data)[0] == CELLS_PER_TYPE);
    cyto_rctd_free(rctd);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
}

/* Profiles of one reference, handed in, give what the reference gives. */
static void profiles_in_place_of_a_reference(cyto_context *ctx, const struct simulation *sim,
                                             const cyto_reference *reference,
                                             const cyto_rctd_results *expected) {
    cyto_array profiles = CYTO_ARRAY_INIT;
    cyto_reference *made = NULL;
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_results *results = NULL;
    OK(cyto_reference_array(reference, "profiles", &profiles, &err));
    OK(cyto_reference_from_profiles(profiles.data, (const char *const *)sim->gene_names, N_GENES,
                                    sim->type_names, N_TYPES, &made, &err));
    results = with_sigma(ctx, spatial, made);
    CHECK(same_results(expected, results));
    cyto_rctd_results_free(results);
    cyto_spatial_free(spatial);
    cyto_reference_free(made);
}

int main(void) {
    struct simulation *sim = simulate(N_PIXELS);
    cyto_context *ctx = context_of(2);
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    CHECK(cyto_abi_version() == CYTO_ABI_VERSION);
    cyto_rctd_results *expected = in_one_call(ctx, spatial, reference, CYTO_RCTD_DOUBLET);
    cyto_rctd_results *fixed = with_sigma(ctx, spatial, reference);
    CHECK(cyto_rctd_results_sigma(fixed) == 40);
    /* Replicates: one reference, one call per tissue. */
    cyto_rctd_results *again = with_sigma(ctx, spatial, reference);
    CHECK(same_results(fixed, again));
    cyto_rctd_results_free(again);
    arrays_of_an_object(sim);
    one_call_steps_and_shards_agree(sim);
    threads_do_not_change_bits(sim, expected, fixed);
    every_input_gives_the_same(ctx, sim, reference, fixed);
    blocks_of_the_host_give_the_same(ctx, sim, reference, fixed);
    profiles_in_place_of_a_reference(ctx, sim, reference, fixed);
    cyto_rctd_results_free(fixed);
    progress_is_told(sim, expected);
    cancel_from_another_thread();
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
    cyto_rctd_results_free(expected);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
