/* Tables as Arrow streams, read by a consumer that knows only the interface, against the arrays. */
#include "results_equal.h"
#include "simulate.h"

enum { N_PIXELS = 90 };

struct table {
    struct ArrowSchema schema;
    struct ArrowArray batch;
};

/* The only batch of a small table; its stream is released before it is read. */
static struct table read_table(const cyto_rctd_results *results, const char *name) {
    struct ArrowArrayStream stream;
    struct ArrowArray end;
    struct table table;
    OK(cyto_rctd_results_table_arrow(results, name, &stream, &err));
    CHECK(stream.get_schema(&stream, &table.schema) == 0);
    CHECK(stream.get_next(&stream, &table.batch) == 0 && table.batch.release != NULL);
    CHECK(stream.get_next(&stream, &end) == 0 && end.release == NULL);
    CHECK(stream.get_last_error(&stream) == NULL);
    CHECK(strcmp(table.schema.format, "+s") == 0);
    CHECK(table.schema.n_children == table.batch.n_children);
    stream.release(&stream);
    CHECK(stream.release == NULL);
    return table;
}

static void release(struct table *table) {
    table->batch.release(&table->batch);
    table->schema.release(&table->schema);
    CHECK(table->batch.release == NULL && table->schema.release == NULL);
}

/* The column of this name and format. */
static const struct ArrowArray *column(const struct table *table, const char *name,
                                       const char *format) {
    for (int64_t i = 0; i < table->schema.n_children; i++) {
        if (strcmp(table->schema.children[i]->name, name) == 0) {
            CHECK(strcmp(table->schema.children[i]->format, format) == 0);
            CHECK(table->batch.children[i]->length == table->batch.length);
            return table->batch.children[i];
        }
    }
    fprintf(stderr, "no column %s\n", name);
    exit(1);
}

static int same_text(const struct ArrowArray *texts, int64_t i, const char *expected) {
    const int32_t *offsets = texts->buffers[1];
    const char *bytes = texts->buffers[2];
    const size_t length = (size_t)(offsets[i + 1] - offsets[i]);
    return length == strlen(expected) && memcmp(bytes + offsets[i], expected, length) == 0;
}

static int bit(const struct ArrowArray *bits, int64_t i) {
    return ((const uint8_t *)bits->buffers[1])[i / 8] >> (i % 8) & 1;
}

static void the_results_table(const cyto_rctd_results *results) {
    static const char *const classes[] = {"reject", "singlet", "doublet_certain",
                                          "doublet_uncertain"};
    struct table table = read_table(results, "results");
    const struct ArrowArray *barcode = column(&table, "barcode", "u");
    const struct ArrowArray *spot_class = column(&table, "spot_class", "i");
    const struct ArrowArray *first = column(&table, "first_type", "i");
    const struct ArrowArray *score = column(&table, "min_score", "g");
    const struct ArrowArray *converged = column(&table, "conv_all", "b");
    const char *const *barcodes = array_of(results, "barcodes").data;
    const char *const *types = array_of(results, "cell_types").data;
    const uint8_t *codes = array_of(results, "spot_class").data;
    const uint32_t *first_types = array_of(results, "first_type").data;
    const uint8_t *conv_all = array_of(results, "conv_all").data;
    CHECK(table.batch.length == N_PIXELS && spot_class->null_count == 0);
    CHECK(spot_class->dictionary->length == 4 && first->dictionary->length == N_TYPES);
    for (int64_t i = 0; i < N_PIXELS; i++) {
        const int32_t class_code = ((const int32_t *)spot_class->buffers[1])[i];
        const int32_t type_code = ((const int32_t *)first->buffers[1])[i];
        CHECK(same_text(barcode, i, barcodes[i]));
        CHECK(same_text(spot_class->dictionary, class_code, classes[codes[i]]));
        CHECK(same_text(first->dictionary, type_code, types[first_types[i]]));
        CHECK(bit(converged, i) == conv_all[i]);
    }
    CHECK(memcmp(score->buffers[1], array_of(results, "min_score").data, 8 * N_PIXELS) == 0);
    release(&table);
}

static void the_tables_of_weights(const cyto_rctd_results *results) {
    static const char *const names[] = {"weights", "normalized_weights", "doublet_weights"};
    const char *const *types = array_of(results, "cell_types").data;
    for (size_t t = 0; t < 3; t++) {
        struct table table = read_table(results, names[t]);
        const cyto_array array = array_of(results, names[t]);
        const double *weights = array.data;
        CHECK(table.batch.n_children == 1 + N_TYPES && array.row_stride == N_TYPES);
        for (int k = 0; k < N_TYPES; k++) {
            const double *values = column(&table, types[k], "g")->buffers[1];
            for (int64_t i = 0; i < N_PIXELS; i++)
                CHECK(values[i] == weights[(size_t)i * array.row_stride + (size_t)k]);
        }
        release(&table);
    }
}

static void the_tables_of_scores(const cyto_rctd_results *results) {
    struct table table = read_table(results, "pair_scores");
    const cyto_array scores = array_of(results, "pair_scores");
    CHECK(table.batch.length == (int64_t)scores.n_rows && scores.n_rows > 0);
    CHECK(memcmp(column(&table, "score", "g")->buffers[1], scores.data, 8 * scores.n_rows) == 0);
    CHECK(column(&table, "second_type", "i")->dictionary != NULL);
    release(&table);
    table = read_table(results, "singlet_scores");
    CHECK(table.batch.length == (int64_t)array_of(results, "candidates").n_rows);
    release(&table);
}

int main(void) {
    struct simulation *sim = simulate(N_PIXELS);
    cyto_context *ctx = context_of(1);
    cyto_reference *reference = reference_of(ctx, sim);
    cyto_spatial *spatial = spatial_of(ctx, sim);
    cyto_rctd_options *options = NULL;
    cyto_rctd_results *results = NULL;
    struct ArrowArrayStream unread;
    OK(cyto_rctd_options_new(&options, &err));
    OK(cyto_rctd_options_set(options, "sigma", "50", &err));
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_DOUBLET, &results, &err));
    the_results_table(results);
    the_tables_of_weights(results);
    the_tables_of_scores(results);
    /* A stream outlives the results it was made from, and may be released unread. */
    OK(cyto_rctd_results_table_arrow(results, "results", &unread, &err));
    cyto_rctd_results_free(results);
    unread.release(&unread);
    OK(cyto_rctd_run(ctx, spatial, reference, options, CYTO_RCTD_MULTI, &results, &err));
    struct table multi = read_table(results, "results");
    CHECK(multi.batch.length == (int64_t)array_of(results, "multi_types").n_rows);
    CHECK(memcmp(column(&multi, "sub_weight", "g")->buffers[1], array_of(results, "sub_weights").data,
                 8 * (size_t)multi.batch.length) == 0);
    release(&multi);
    cyto_rctd_results_free(results);
    cyto_rctd_options_free(options);
    cyto_spatial_free(spatial);
    cyto_reference_free(reference);
    cyto_context_free(ctx);
    simulation_free(sim);
    return failures == 0 ? 0 : 1;
}
