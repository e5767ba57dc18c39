/* What the hosts of preprocessing share: steps, and comparisons of what they found. */
#ifndef PREPROCESS_H
#define PREPROCESS_H

#include "check.h"
#include "simulate.h"

typedef cyto_status (*file_step)(const cyto_context *, cyto_str, cyto_str, cyto_str,
                                 cyto_pp_result **, cyto_error **);
typedef cyto_status (*matrix_step)(const cyto_context *, const cyto_pp_input *, cyto_str,
                                   cyto_pp_result **, cyto_error **);

static const char *folder;
static cyto_context *ctx;
static struct simulation *sim;

/* The path of a file in the folder; eight at a time. */
static const char *at(const char *name) {
    static char paths[8][1024];
    static int next = 0;
    char *path = paths[next = (next + 1) % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static cyto_pp_result *step(file_step run, const char *input, const char *output,
                            const char *options) {
    cyto_pp_result *result = NULL;
    OK(run(ctx, at(input), output == NULL ? NULL : at(output), options, &result, &err));
    CHECK(result != NULL && strstr(cyto_pp_result_report_json(result), "\"options\":{") != NULL);
    return result;
}

static void done(file_step run, const char *input, const char *output, const char *options) {
    cyto_pp_result_free(step(run, input, output, options));
}

static cyto_pp_result *over(matrix_step run, const cyto_pp_input *input, const char *options) {
    cyto_pp_result *result = NULL;
    OK(run(ctx, input, options, &result, &err));
    return result;
}

static int says(const cyto_pp_result *result, const char *words) {
    const char *report = cyto_pp_result_report_json(result);
    if (strstr(report, words) != NULL) return 1;
    fprintf(stderr, "no %s in %s\n", words, report);
    return 0;
}

static cyto_array array(const cyto_pp_result *result, const char *name) {
    cyto_array found = CYTO_ARRAY_INIT;
    OK(cyto_pp_result_array(result, name, &found, &err));
    return found;
}

static size_t size_of(int32_t dtype) {
    static const size_t sizes[] = {4, 8, 4, 8, 2, 4, 1, 8, sizeof(char *)};
    return sizes[dtype];
}

/* Whether both results have the same bits in an array. */
static int same(const cyto_pp_result *a, const cyto_pp_result *b, const char *name) {
    const cyto_array x = array(a, name), y = array(b, name);
    if (x.dtype != y.dtype || x.n_dims != y.n_dims || x.n_rows != y.n_rows ||
        x.n_columns != y.n_columns)
        return 0;
    if (x.dtype == CYTO_TEXT) {
        for (size_t i = 0; i < x.n_rows; i++)
            if (strcmp(((const char *const *)x.data)[i], ((const char *const *)y.data)[i]) != 0)
                return 0;
        return 1;
    }
    return memcmp(x.data, y.data, x.n_rows * x.n_columns * size_of(x.dtype)) == 0;
}

struct table {
    struct ArrowSchema schema;
    struct ArrowArray batch;
};

static struct table table(const cyto_pp_result *result, const char *name) {
    struct ArrowArrayStream stream;
    struct table found;
    OK(cyto_pp_result_table_arrow(result, name, &stream, &err));
    CHECK(stream.get_schema(&stream, &found.schema) == 0);
    CHECK(stream.get_next(&stream, &found.batch) == 0 && found.batch.release != NULL);
    stream.release(&stream);
    return found;
}

static void table_free(struct table *table) {
    table->batch.release(&table->batch);
    table->schema.release(&table->schema);
}

static int same_column(const struct ArrowSchema *type, const struct ArrowArray *x,
                       const struct ArrowArray *y) {
    const size_t n = (size_t)x->length;
    switch (type->format[0]) {
    case 'u':
        return memcmp(x->buffers[1], y->buffers[1], (n + 1) * 4) == 0 &&
               memcmp(x->buffers[2], y->buffers[2],
                      (size_t)((const int32_t *)x->buffers[1])[n]) == 0;
    case 'b': return memcmp(x->buffers[1], y->buffers[1], (n + 7) / 8) == 0;
    case 'i':
    case 'f': return memcmp(x->buffers[1], y->buffers[1], n * 4) == 0;
    case 'l':
    case 'L':
    case 'g': return memcmp(x->buffers[1], y->buffers[1], n * 8) == 0;
    default: return 0;
    }
}

/* Whether both results have a table of the same names, types and bits. */
static int same_table(const cyto_pp_result *a, const cyto_pp_result *b, const char *name) {
    struct table x = table(a, name), y = table(b, name);
    int equal = x.schema.n_children == y.schema.n_children && x.batch.length == y.batch.length &&
                x.schema.n_children > 1;
    for (int64_t i = 0; equal && i < x.schema.n_children; i++) {
        const struct ArrowSchema *p = x.schema.children[i], *q = y.schema.children[i];
        equal = strcmp(p->name, q->name) == 0 && strcmp(p->format, q->format) == 0 &&
                same_column(p, x.batch.children[i], y.batch.children[i]);
        if (!equal) fprintf(stderr, "%s: column %s (%s) differs\n", name, p->name, p->format);
    }
    table_free(&x);
    table_free(&y);
    return equal;
}

#define SUMS "{\"by\": \"cell_type\", \"func\": [\"sum\", \"var\", \"count_nonzero\", \"median\"]}"

#define HVG "{\"n_top_genes\": 40}"
#define BEFORE "\"normalize_total\": {\"target_sum\": 1e4}, \"log1p\": true"


/* Labels in the order of their names, as a file has them, and one that no cell has. */
static int32_t sorted_labels[N_CELLS];
static const char *const sorted_names[N_TYPES + 1] = {"astrocyte", "microglia", "neuron",
                                                        "nobody", "oligo"};

static cyto_pp_input input_of(const cyto_matrix *counts) {
    cyto_pp_input input = CYTO_PP_INPUT_INIT;
    input.counts = counts;
    input.cells = (const char *const *)sim->cell_names;
    input.n_cells = N_CELLS;
    input.genes = (const char *const *)sim->gene_names;
    input.n_genes = N_GENES;
    return input;
}

static void with_labels(cyto_pp_input *input) {
    for (int i = 0; i < N_CELLS; i++)
        for (int32_t k = 0; k < N_TYPES + 1; k++)
            if (strcmp(sim->type_names[sim->labels[i]], sorted_names[k]) == 0) sorted_labels[i] = k;
    input->labels = sorted_labels;
    input->n_labels = N_CELLS;
    input->label_names = sorted_names;
    input->n_label_names = N_TYPES + 1;
}

#endif
