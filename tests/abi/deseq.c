/*
 * A host that runs DESeq2's analysis on a study with known changes: in one call and step by step, from
 * dense and sparse counts, from a formula and a matrix, with any number of threads, all with the same bits;
 * every form of contrast; what bad input gets; messages, progress and cancel.
 */
#include <math.h>

#include "results_equal.h"
#include "simulate.h"

enum { GENES = 240, SAMPLES = 8 };

static int32_t counts[GENES * SAMPLES];
static char gene_text[GENES][8];
static const char *genes[GENES];
static const char *const samples_text[SAMPLES] = {"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"};
static const int32_t batch[SAMPLES] = {0, 1, 0, 1, 0, 1, 0, 1};
static const int32_t condition[SAMPLES] = {0, 0, 0, 0, 1, 1, 1, 1};
static const char *const batches[] = {"a", "b"};
static const char *const conditions[] = {"untreated", "treated"};

/* Uneven counts of a fixed pattern; every tenth gene is six times as high when treated. */
static void make_study(void) {
    for (int g = 0; g < GENES; g++) {
        snprintf(gene_text[g], sizeof gene_text[g], "g%d", g);
        genes[g] = gene_text[g];
        for (int s = 0; s < SAMPLES; s++) {
            uint64_t state = (uint64_t)(g * 7919 + s * 104729 + 12345);
            for (int i = 0; i < 3; i++) {
                state = state * 6364136223846793005u + 1;
                state ^= state >> 29;
            }
            const double unit = (double)(state >> 11) / 9007199254740992.0;
            const double mean = 6.0 * pow(1.02, g % 200);
            const double effect = g % 10 == 3 && condition[s] ? 6.0 : 1.0;
            counts[g * SAMPLES + s] = g % 50 == 49 ? 0 : (int32_t)(mean * effect * (0.6 + 0.8 * unit));
        }
    }
}

static cyto_matrix *dense(cyto_context *ctx) {
    cyto_dense_view view = CYTO_DENSE_VIEW_INIT;
    cyto_matrix *matrix = NULL;
    view.value_type = CYTO_I32;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.nrow = GENES;
    view.ncol = SAMPLES;
    view.row_stride = SAMPLES;
    view.col_stride = 1;
    view.data = counts;
    OK(cyto_matrix_from_dense_view(ctx, &view, &matrix, &err));
    return matrix;
}

/* The same counts as compressed columns of genes x samples, copied. */
static cyto_matrix *sparse(cyto_context *ctx) {
    static int32_t starts[SAMPLES + 1], rows[GENES * SAMPLES];
    static double values[GENES * SAMPLES];
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    cyto_matrix *matrix = NULL;
    int32_t n = 0;
    for (int s = 0; s < SAMPLES; s++) {
        for (int g = 0; g < GENES; g++) {
            if (counts[g * SAMPLES + s] == 0) continue;
            rows[n] = g;
            values[n++] = counts[g * SAMPLES + s];
        }
        starts[s + 1] = n;
    }
    view.layout = CYTO_CSC;
    view.indptr_type = view.index_type = CYTO_I32;
    view.value_type = CYTO_F64;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.nrow = GENES;
    view.ncol = SAMPLES;
    view.nnz = n;
    view.indptr = starts;
    view.indices = rows;
    view.values = values;
    OK(cyto_matrix_from_view_copy(ctx, &view, &matrix, &err));
    return matrix;
}

static cyto_deseq_samples *sample_table(void) {
    cyto_deseq_samples *table = NULL;
    OK(cyto_deseq_samples_new(samples_text, SAMPLES, &table, &err));
    OK(cyto_deseq_samples_set_factor(table, "batch", batch, SAMPLES, batches, 2, &err));
    OK(cyto_deseq_samples_set_factor(table, "condition", condition, SAMPLES, conditions, 2, &err));
    return table;
}

/* A data set whose inputs are freed at once. */
static cyto_deseq *data_set(cyto_context *ctx, cyto_matrix *matrix, const char *design) {
    cyto_deseq_input input = CYTO_DESEQ_INPUT_INIT;
    cyto_deseq_samples *table = sample_table();
    cyto_deseq *deseq = NULL;
    input.counts = matrix;
    input.samples = table;
    input.genes = genes;
    input.n_genes = GENES;
    input.design = design;
    OK(cyto_deseq_new(ctx, &input, NULL, &deseq, &err));
    cyto_deseq_samples_free(table);
    cyto_matrix_free(matrix);
    return deseq;
}

static cyto_array lent(const cyto_deseq *deseq, const char *name) {
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_deseq_array(deseq, name, &array, &err));
    return array;
}

static cyto_array column(const cyto_deseq_results *results, const char *name) {
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_deseq_results_array(results, name, &array, &err));
    return array;
}

static int same_bits(cyto_array a, cyto_array b) {
    return a.dtype == b.dtype && a.n_rows == b.n_rows && a.n_columns == b.n_columns &&
           memcmp(a.data, b.data, a.n_rows * a.n_columns * element_size(a.dtype)) == 0;
}

static int same_analysis(const cyto_deseq *a, const cyto_deseq *b) {
    static const char *const names[] = {
        "size_factors", "baseMean", "baseVar", "allZero", "dispGeneEst", "dispFit", "dispersion",
        "dispMAP", "dispOutlier", "coefficients", "SE", "betaConv", "betaIter", "deviance", "maxCooks"};
    int same = 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!same_bits(lent(a, names[i]), lent(b, names[i]))) {
            fprintf(stderr, "array \"%s\" differs\n", names[i]);
            same = 0;
        }
    }
    return same;
}

static cyto_deseq *analysed(cyto_context *ctx, cyto_matrix *matrix, const char *options) {
    cyto_deseq *deseq = data_set(ctx, matrix, "~ batch + condition");
    OK(cyto_deseq_run(ctx, deseq, options, &err));
    return deseq;
}

static cyto_deseq_results *results_of(cyto_context *ctx, const cyto_deseq *deseq,
                                      const char *options) {
    cyto_deseq_results *results = NULL;
    OK(cyto_deseq_results_new(ctx, deseq, options, &results, &err));
    return results;
}

static void steps_are_the_one_call(cyto_context *ctx, const cyto_deseq *whole) {
    cyto_deseq *deseq = data_set(ctx, dense(ctx), "~ batch + condition");
    cyto_array early, late;
    FAILS(CYTO_STATE, "estimate_size_factors",
          cyto_deseq_estimate_dispersions(ctx, deseq, NULL, &err));
    FAILS(CYTO_STATE, "cyto_deseq_estimate_dispersions", cyto_deseq_wald(ctx, deseq, NULL, &err));
    FAILS(CYTO_NOT_FOUND, "dispersion", cyto_deseq_array(deseq, "dispersion", &(cyto_array)CYTO_ARRAY_INIT, &err));
    OK(cyto_deseq_estimate_size_factors(ctx, deseq, "{\"sf_type\": \"ratio\"}", &err));
    OK(cyto_deseq_estimate_dispersions(ctx, deseq, "{\"fit_type\": \"parametric\"}", &err));
    OK(cyto_deseq_wald(ctx, deseq, "{}", &err));
    CHECK(same_analysis(deseq, whole));
    CHECK(same_bits(lent(deseq, "WaldPvalue"), lent(whole, "WaldPvalue")));
    /* A step done again leaves what is on loan where it is. */
    early = lent(deseq, "dispersion");
    OK(cyto_deseq_estimate_size_factors(ctx, deseq, NULL, &err));
    OK(cyto_deseq_estimate_dispersions(ctx, deseq, "{\"fit_type\": \"mean\"}", &err));
    late = lent(deseq, "dispersion");
    CHECK(early.data != late.data && same_bits(early, lent(whole, "dispersion")));
    CHECK(!same_bits(early, late));
    /* Size factors of the host's own. */
    OK(cyto_deseq_set(deseq, "size_factors", lent(whole, "size_factors").data, SAMPLES, &err));
    OK(cyto_deseq_run(ctx, deseq, "{\"keep_assays\": true}", &err));
    CHECK(same_analysis(deseq, whole));
    CHECK(lent(deseq, "mu").n_rows == GENES && lent(deseq, "cooks").n_columns == SAMPLES);
    cyto_deseq_free(deseq);
}

/* A lent array as doubles, flags and positions too. */
static double *as_doubles(cyto_array array) {
    const size_t n = array.n_rows * (array.n_columns == 0 ? 1 : array.n_columns);
    double *values = malloc((n == 0 ? 1 : n) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = array.dtype == CYTO_F64   ? ((const double *)array.data)[i]
                    : array.dtype == CYTO_U32 ? ((const uint32_t *)array.data)[i]
                                              : ((const uint8_t *)array.data)[i];
    }
    return values;
}

/* Columns that the host kept are as good as the fit. */
static void kept_estimates_go_back(cyto_context *ctx, const cyto_deseq *whole) {
    enum { N = 22 };
    static const char *const names[N] = {
        "baseMean", "baseVar", "allZero", "dispGeneEst", "dispGeneIter", "dispFit", "dispersion", "dispIter",
        "dispOutlier", "dispMAP", "disp_model_matrix", "trend", "coefficients", "SE", "WaldStatistic",
        "WaldPvalue", "betaConv", "betaIter", "deviance", "maxCooks", "cooksSample", "unknown"};
    const char *options = "{\"results_names\": [\"Intercept\", \"batch_b_vs_a\", "
                          "\"condition_treated_vs_untreated\"], \"model_matrix_type\": \"standard\"}";
    double *values[N], means[3] = {1.0, 10.0, 100.0}, at[3];
    size_t lengths[N];
    cyto_deseq *deseq = data_set(ctx, dense(ctx), "~ batch + condition");
    for (int i = 0; i < N - 1; i++) {
        const cyto_array array = lent(whole, names[i]);
        lengths[i] = array.n_rows * (array.n_columns == 0 ? 1 : array.n_columns);
        values[i] = as_doubles(array);
    }
    values[N - 1] = values[0];
    lengths[N - 1] = lengths[0];
    OK(cyto_deseq_set(deseq, "size_factors", lent(whole, "size_factors").data, SAMPLES, &err));
    const double *const *given = (const double *const *)values;
    FAILS(CYTO_INVALID_ARGUMENT, "NULL", cyto_deseq_restore(NULL, options, names, given, lengths, N - 1, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "unknown", cyto_deseq_restore(deseq, options, names, given, lengths, N, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "disp_model_matrix", cyto_deseq_restore(deseq, "{}", names, given, lengths, 9, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "model_matrix_type", cyto_deseq_restore(deseq, "{}", names, given, lengths, N - 1, &err));
    lengths[6] -= 1;
    FAILS(CYTO_INVALID_ARGUMENT, "dispersion", cyto_deseq_restore(deseq, options, names, given, lengths, N - 1, &err));
    lengths[6] += 1;
    OK(cyto_deseq_restore(deseq, options, names, given, lengths, N - 1, &err));
    CHECK(same_analysis(deseq, whole));
    cyto_deseq_results *again = results_of(ctx, deseq, "{\"contrast\": [0, 1, -1]}");
    cyto_deseq_results *before = results_of(ctx, whole, "{\"contrast\": [0, 1, -1]}");
    CHECK(same_bits(column(again, "padj"), column(before, "padj")));
    CHECK(same_bits(column(again, "lfcSE"), column(before, "lfcSE")));
    /* A column of the host's own. */
    OK(cyto_deseq_results_set(again, "padj", values[0], GENES, &err));
    CHECK(memcmp(column(again, "padj").data, values[0], GENES * sizeof(double)) == 0);
    FAILS(CYTO_INVALID_ARGUMENT, "values for", cyto_deseq_results_set(again, "padj", values[0], 3, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "baseMean", cyto_deseq_results_set(again, "baseMean", values[0], GENES, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "NULL", cyto_deseq_results_set(NULL, "padj", values[0], GENES, &err));
    /* The trend by itself. */
    OK(cyto_deseq_trend_values(values[11], lengths[11], means, 3, at, &err));
    CHECK(at[0] > at[2] && at[2] > 0.0);
    FAILS(CYTO_INVALID_ARGUMENT, "trend", cyto_deseq_trend_values(values[11], 1, means, 3, at, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "NULL", cyto_deseq_trend_values(values[11], lengths[11], means, 3, NULL, &err));
    for (int i = 0; i < N - 1; i++) free(values[i]);
    cyto_deseq_results_free(again);
    cyto_deseq_results_free(before);
    cyto_deseq_free(deseq);
}

static void inputs_and_threads_do_not_matter(cyto_context *ctx, const cyto_deseq *whole) {
    cyto_context *three = context_of(3);
    cyto_deseq *other = analysed(three, dense(three), NULL);
    CHECK(same_analysis(other, whole));
    cyto_deseq_free(other);
    other = analysed(ctx, sparse(ctx), NULL);
    CHECK(same_analysis(other, whole));
    cyto_deseq_free(other);
    cyto_context_free(three);
}

static void a_matrix_is_as_good_as_a_formula(cyto_context *ctx, const cyto_deseq *whole) {
    cyto_deseq_input input = CYTO_DESEQ_INPUT_INIT;
    cyto_deseq_samples *table = sample_table();
    cyto_matrix *matrix = dense(ctx);
    cyto_deseq *deseq = NULL, *lrt = NULL;
    input.counts = matrix;
    input.samples = table;
    input.genes = genes;
    input.n_genes = GENES;
    input.model_matrix = lent(whole, "model_matrix").data;
    input.coefficients = lent(whole, "results_names").data;
    input.n_coefficients = 3;
    OK(cyto_deseq_new(ctx, &input, NULL, &deseq, &err));
    OK(cyto_deseq_run(ctx, deseq, NULL, &err));
    CHECK(same_analysis(deseq, whole));
    OK(cyto_deseq_lrt(ctx, deseq, "{\"reduced\": [\"Intercept\", \"batch_b_vs_a\"]}", &err));
    lrt = analysed(ctx, dense(ctx), "{\"test\": \"LRT\", \"reduced\": \"~ batch\"}");
    CHECK(same_bits(lent(deseq, "LRTPvalue"), lent(lrt, "LRTPvalue")));
    CHECK(same_bits(lent(deseq, "LRTStatistic"), lent(lrt, "LRTStatistic")));
    cyto_deseq_free(lrt);
    input.design = "~ condition";
    FAILS(CYTO_INVALID_ARGUMENT, "either", cyto_deseq_new(ctx, &input, NULL, &lrt, &err));
    CHECK(lrt == NULL);
    cyto_deseq_free(deseq);
    cyto_deseq_samples_free(table);
    cyto_matrix_free(matrix);
}

static void comparisons(cyto_context *ctx, const cyto_deseq *deseq) {
    static const char *const same[] = {
        "{\"name\": \"condition_treated_vs_untreated\"}",
        "{\"contrast\": [\"condition\", \"treated\", \"untreated\"]}",
        "{\"contrast\": {\"numerators\": [\"condition_treated_vs_untreated\"]}}",
        "{\"contrast\": [0, 0, 1]}"};
    cyto_deseq_results *plain = results_of(ctx, deseq, NULL), *other;
    const double *lfc = column(plain, "log2FoldChange").data, *padj = column(plain, "padj").data;
    int right = 0, wrong = 0;
    for (int g = 0; g < GENES; g++) {
        if (padj[g] < 0.1) *(g % 10 == 3 ? &right : &wrong) += 1;
        CHECK(isnan(lfc[g]) == (g % 50 == 49));
    }
    printf("truth: %d of %d changed genes, %d others\n", right, GENES / 10, wrong);
    CHECK(right >= 20 && wrong <= 5);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        other = results_of(ctx, deseq, same[i]);
        const double *values = column(other, "log2FoldChange").data;
        const double *p = column(other, "pvalue").data, *q = column(plain, "pvalue").data;
        for (int g = 0; g < GENES; g++)
            CHECK(isnan(lfc[g]) ? isnan(values[g])
                                : values[g] == lfc[g] && (isnan(q[g]) || fabs(p[g] - q[g]) <= 1e-6 * q[g]));
        cyto_deseq_results_free(other);
    }
    other = results_of(ctx, deseq, "{\"contrast\": [\"condition\", \"untreated\", \"treated\"]}");
    CHECK(((const double *)column(other, "log2FoldChange").data)[3] == -lfc[3]);
    cyto_deseq_results_free(other);
    other = results_of(ctx, deseq,
                       "{\"lfc_threshold\": 1, \"alt_hypothesis\": \"greater\", \"alpha\": 0.05}");
    CHECK(strstr(cyto_deseq_results_info_json(other), "\"alpha\":0.05") != NULL);
    CHECK(strstr(cyto_deseq_results_info_json(other), "condition treated vs untreated") != NULL);
    CHECK(strstr(cyto_deseq_results_summary(plain), "low counts") != NULL);
    cyto_deseq_results_free(other);
    cyto_deseq_results_free(plain);
}

static void shrinkage(cyto_context *ctx, const cyto_deseq *deseq) {
    static const char *const types[] = {"apeglm", "ashr", "normal"};
    cyto_deseq_results *plain = results_of(ctx, deseq, NULL), *shrunken = NULL;
    const double *before = column(plain, "log2FoldChange").data;
    char options[128];
    for (int t = 0; t < 3; t++) {
        snprintf(options, sizeof options,
                 "{\"type\": \"%s\", \"name\": \"condition_treated_vs_untreated\"}", types[t]);
        OK(cyto_deseq_lfc_shrink(ctx, deseq, plain, options, &shrunken, &err));
        const double *after = column(shrunken, "log2FoldChange").data;
        double sum_before = 0, sum_after = 0;
        for (int g = 0; g < GENES; g++) {
            sum_before += isnan(before[g]) ? 0 : fabs(before[g]);
            sum_after += isnan(after[g]) ? 0 : fabs(after[g]);
        }
        CHECK(sum_after < sum_before);
        CHECK(strstr(cyto_deseq_results_info_json(shrunken), types[t]) != NULL);
        cyto_deseq_results_free(shrunken);
    }
    FAILS(CYTO_INVALID_ARGUMENT, "\"contrast\"",
          cyto_deseq_lfc_shrink(ctx, deseq, NULL, NULL, &shrunken, &err));
    CHECK(shrunken == NULL);
    cyto_deseq_results_free(plain);
}

static void transformations(cyto_context *ctx) {
    cyto_deseq *deseq = data_set(ctx, dense(ctx), "~ condition");
    cyto_deseq_transformed *made[2] = {NULL, NULL};
    OK(cyto_deseq_vst(ctx, deseq, "{\"nsub\": 0}", &made[0], &err));
    OK(cyto_deseq_rlog(ctx, deseq, "{\"blind\": false}", &made[1], &err));
    for (int i = 0; i < 2; i++) {
        cyto_array values = CYTO_ARRAY_INIT;
        OK(cyto_deseq_transformed_array(made[i], "values", &values, &err));
        CHECK(values.n_rows == GENES && values.n_columns == SAMPLES);
        for (int k = 0; k < GENES * SAMPLES; k++) CHECK(isfinite(((const double *)values.data)[k]));
    }
    cyto_deseq_transformed_free(made[0]);
    FAILS(CYTO_INVALID_ARGUMENT, "nsub", cyto_deseq_vst(ctx, deseq, NULL, &made[0], &err));
    CHECK(made[0] == NULL);
    cyto_deseq_transformed_free(made[1]);
    cyto_deseq_free(deseq);
}

static void tables(cyto_context *ctx, cyto_deseq *deseq) {
    static const char *const names[] = {"gene", "baseMean", "log2FoldChange", "lfcSE",
                                        "stat", "pvalue", "padj"};
    cyto_deseq_results *results = results_of(ctx, deseq, NULL);
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch_;
    OK(cyto_deseq_results_table_arrow(results, &stream, &err));
    cyto_deseq_results_free(results);
    CHECK(stream.get_schema(&stream, &schema) == 0 && schema.n_children == 7);
    for (int i = 0; i < 7; i++) CHECK(strcmp(schema.children[i]->name, names[i]) == 0);
    CHECK(stream.get_next(&stream, &batch_) == 0 && batch_.length == GENES);
    batch_.release(&batch_);
    schema.release(&schema);
    stream.release(&stream);
    OK(cyto_deseq_table_arrow(deseq, "genes", &stream, &err));
    CHECK(stream.get_schema(&stream, &schema) == 0);
    CHECK(strcmp(schema.children[1]->name, "baseMean") == 0 && schema.n_children > 20);
    schema.release(&schema);
    stream.release(&stream);
    OK(cyto_deseq_table_arrow(deseq, "samples", &stream, &err));
    stream.release(&stream);
    FAILS(CYTO_INVALID_ARGUMENT, "\"samples\"", cyto_deseq_table_arrow(deseq, "cells", &stream, &err));
    CHECK(stream.release == NULL);
    CHECK(strstr(cyto_deseq_info_json(deseq), "\"disp_prior_var\"") != NULL);
}

static void bad_input(cyto_context *ctx, cyto_deseq *deseq) {
    static const struct {
        const char *options, *words;
    } wrong[] = {{"{\"alhpa\": 0.1}", "did you mean \"alpha\""},
                 {"{\"alpha\": \"x\"}", "a number"},
                 {"[1]", "JSON object"},
                 {"{", "not valid JSON"},
                 {"{\"contrast\": [\"condition\", \"treated\", \"no\"]}", "is not a level"},
                 {"{\"contrast\": [0, 1]}", "contrast"},
                 {"{\"name\": \"condition_treated\"}", "condition_treated_vs_untreated"},
                 {"{\"lfc_threshold\": -1}", "lfcThreshold"}};
    cyto_deseq_results *none = NULL;
    cyto_deseq_input input = CYTO_DESEQ_INPUT_INIT;
    cyto_deseq_samples *table = sample_table();
    cyto_matrix *matrix = dense(ctx);
    cyto_deseq *made = NULL;
    const int32_t bad_codes[SAMPLES] = {0, 1, 2, 0, 0, 0, 0, 0}, kept = counts[5];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const cyto_status status = cyto_deseq_results_new(ctx, deseq, wrong[i].options, &none, &err);
        CHECK(status == CYTO_INVALID_ARGUMENT && none == NULL);
        if (strstr(cyto_error_message(err), wrong[i].words) == NULL) {
            fprintf(stderr, "%s: %s\n", wrong[i].options, cyto_error_message(err));
            failures += 1;
        }
        cyto_error_free(err);
        err = NULL;
    }
    FAILS(CYTO_INVALID_ARGUMENT, "codes[2]",
          cyto_deseq_samples_set_factor(table, "x", bad_codes, SAMPLES, batches, 2, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "3 values for 8 samples",
          cyto_deseq_samples_set_numbers(table, "x", (double[]){1, 2, 3}, 3, &err));
    input.counts = matrix;
    input.samples = table;
    input.genes = genes;
    input.n_genes = GENES - 1;
    input.design = "~ condition";
    FAILS(CYTO_INVALID_ARGUMENT, "gene names", cyto_deseq_new(ctx, &input, NULL, &made, &err));
    input.n_genes = GENES;
    input.design = "~ colour";
    FAILS(CYTO_INVALID_ARGUMENT, "colour", cyto_deseq_new(ctx, &input, NULL, &made, &err));
    input.design = "~ condition";
    counts[5] = -1;
    FAILS(CYTO_INVALID_DATA, "negative", cyto_deseq_new(ctx, &input, NULL, &made, &err));
    counts[5] = kept;
    input.struct_size = 8;
    FAILS(CYTO_INVALID_ARGUMENT, "CYTO_DESEQ_INPUT_INIT", cyto_deseq_new(ctx, &input, NULL, &made, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "size_factors",
          cyto_deseq_set(deseq, "sizefactors", (double[]){1}, 1, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "must be 8",
          cyto_deseq_set(deseq, "size_factors", (double[]){1}, 1, &err));
    CHECK(lent(deseq, "size_factors").n_rows == SAMPLES);
    FAILS(CYTO_INVALID_ARGUMENT, "reduced", cyto_deseq_lrt(ctx, deseq, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "reduced", cyto_deseq_run(ctx, deseq, "{\"test\": \"LRT\"}", &err));
    CHECK(made == NULL);
    cyto_matrix_free(matrix);
    cyto_deseq_samples_free(table);
}

static const double *values_of(const cyto_deseq_transformed *made) {
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_deseq_transformed_array(made, "values", &array, &err));
    CHECK(array.n_columns > 0);
    return array.data;
}

/* The dispersions stage by stage, also with what a host kept in between. */
static void stages(cyto_context *ctx, const cyto_deseq *whole) {
    static const char *const names[] = {"baseMean", "baseVar", "allZero", "dispGeneEst", "dispGeneIter",
                                        "disp_model_matrix", "mu", "dispFit", "trend"};
    enum { N = sizeof names / sizeof *names };
    cyto_deseq *deseq = data_set(ctx, dense(ctx), "~ batch + condition"), *other;
    double *values[N], variance = 0;
    size_t lengths[N];
    char options[64];
    FAILS(CYTO_STATE, "size", cyto_deseq_estimate_gene_wise_dispersions(ctx, deseq, NULL, &err));
    FAILS(CYTO_STATE, "gene_wise", cyto_deseq_fit_dispersion_trend(ctx, deseq, NULL, &err));
    OK(cyto_deseq_estimate_size_factors(ctx, deseq, NULL, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "outlier_sd",
          cyto_deseq_estimate_gene_wise_dispersions(ctx, deseq, "{\"outlier_sd\": 3}", &err));
    OK(cyto_deseq_estimate_gene_wise_dispersions(ctx, deseq, "{\"keep_assays\": true}", &err));
    CHECK(same_bits(lent(deseq, "dispGeneEst"), lent(whole, "dispGeneEst")));
    CHECK(lent(deseq, "mu").n_rows == GENES);
    FAILS(CYTO_STATE, "trend", cyto_deseq_shrink_dispersions(ctx, deseq, NULL, &err));
    FAILS(CYTO_STATE, "trend", cyto_deseq_estimate_disp_prior_var(deseq, NULL, &variance, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "niter", cyto_deseq_fit_dispersion_trend(ctx, deseq, "{\"niter\": 2}", &err));
    const cyto_array estimates = lent(deseq, "dispGeneEst"), mu = lent(deseq, "mu");
    OK(cyto_deseq_fit_dispersion_trend(ctx, deseq, NULL, &err));
    CHECK(same_bits(lent(deseq, "dispFit"), lent(whole, "dispFit")));
    CHECK(lent(deseq, "dispGeneEst").data == estimates.data && lent(deseq, "mu").data == mu.data);
    FAILS(CYTO_INVALID_ARGUMENT, "out", cyto_deseq_estimate_disp_prior_var(deseq, NULL, NULL, &err));
    OK(cyto_deseq_estimate_disp_prior_var(deseq, NULL, &variance, &err));
    CHECK(variance >= 0.25);
    for (int i = 0; i < N; i++) {
        const cyto_array array = lent(deseq, names[i]);
        lengths[i] = array.n_rows * (array.n_columns == 0 ? 1 : array.n_columns);
        values[i] = as_doubles(array);
    }
    other = data_set(ctx, dense(ctx), "~ batch + condition");
    OK(cyto_deseq_set(other, "size_factors", lent(whole, "size_factors").data, SAMPLES, &err));
    OK(cyto_deseq_restore(other, NULL, names, (const double *const *)values, lengths, N, &err));
    CHECK(same_bits(lent(other, "dispFit"), lent(whole, "dispFit")));
    FAILS(CYTO_INVALID_ARGUMENT, "alpha_init", cyto_deseq_shrink_dispersions(ctx, deseq, "{\"alpha_init\": [1]}", &err));
    OK(cyto_deseq_shrink_dispersions(ctx, deseq, NULL, &err));
    CHECK(same_bits(lent(deseq, "dispGeneEst"), estimates));
    CHECK(same_bits(lent(deseq, "dispersion"), lent(whole, "dispersion")));
    OK(cyto_deseq_wald(ctx, deseq, NULL, &err));
    CHECK(same_analysis(deseq, whole));
    OK(cyto_deseq_estimate_beta_prior_var(deseq, NULL, 0, NULL, &err));
    CHECK(lent(deseq, "beta_prior_var").n_rows == lent(deseq, "beta_prior_names").n_rows);
    CHECK(lent(deseq, "beta_prior_var").n_rows == 5);
    FAILS(CYTO_INVALID_ARGUMENT, "mle", cyto_deseq_estimate_beta_prior_var(deseq, values[0], 3, NULL, &err));
    FAILS(CYTO_STATE, "dispersions", cyto_deseq_estimate_beta_prior_var(other, NULL, 0, NULL, &err));
    snprintf(options, sizeof options, "{\"disp_prior_var\": %.17g}", variance);
    OK(cyto_deseq_shrink_dispersions(ctx, other, options, &err));
    CHECK(same_bits(lent(other, "dispMAP"), lent(whole, "dispMAP")));
    for (int i = 0; i < N; i++) free(values[i]);
    cyto_deseq_free(other);
    cyto_deseq_free(deseq);
}

/* Counts, counts per million and kilobase, samples added up, outliers, components, a kept table. */
static void functions_of_counts(cyto_context *ctx, const cyto_deseq *whole) {
    static const int32_t groups[SAMPLES] = {0, 2, 0, 2, 0, 2, 0, 2}, bad[SAMPLES] = {0, 9, 0, 0, 0, 0, 0, 0};
    static const char *const group_names[] = {"odd", "none", "even"};
    static double cooks[GENES * SAMPLES], lengths[GENES], scores[SAMPLES * SAMPLES], share[SAMPLES];
    cyto_deseq *deseq = data_set(ctx, dense(ctx), "~ condition"), *made = NULL;
    cyto_deseq_transformed *plain = NULL, *million = NULL, *kilobase = NULL, *sums = NULL;
    FAILS(CYTO_STATE, "size", cyto_deseq_counts(ctx, deseq, "{\"normalized\": true}", &plain, &err));
    OK(cyto_deseq_counts(ctx, deseq, NULL, &plain, &err));
    OK(cyto_deseq_fpm(ctx, deseq, "{\"robust\": false}", &million, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "lengths", cyto_deseq_fpkm(ctx, deseq, NULL, &kilobase, &err));
    for (int g = 0; g < GENES; g++) lengths[g] = 2000;
    FAILS(CYTO_INVALID_ARGUMENT, "values for", cyto_deseq_set(deseq, "base_pairs", lengths, 3, &err));
    OK(cyto_deseq_set(deseq, "base_pairs", lengths, GENES, &err));
    OK(cyto_deseq_fpkm(ctx, deseq, "{\"robust\": false}", &kilobase, &err));
    double total = 0;
    for (int i = 0; i < GENES * SAMPLES; i++) {
        CHECK(values_of(plain)[i] == counts[i]);
        CHECK(fabs(values_of(kilobase)[i] - values_of(million)[i] / 2) < 1e-9);
        if (i % SAMPLES == 1) total += values_of(million)[i];
    }
    CHECK(fabs(total - 1e6) < 1e-3);
    FAILS(CYTO_INVALID_ARGUMENT, "codes[1]",
          cyto_deseq_collapse_replicates(ctx, deseq, bad, SAMPLES, group_names, 3, NULL, &made, &err));
    OK(cyto_deseq_collapse_replicates(ctx, deseq, groups, SAMPLES, group_names, 3, samples_text, &made, &err));
    OK(cyto_deseq_counts(ctx, made, NULL, &sums, &err));
    CHECK(lent(made, "samples").n_rows == 2);
    CHECK(values_of(sums)[1] == counts[1] + counts[3] + counts[5] + counts[7]);
    cyto_deseq_transformed_free(sums);
    cyto_deseq_free(made);
    FAILS(CYTO_STATE, "run", cyto_deseq_replace_outliers(deseq, cooks, GENES * SAMPLES, NULL, &made, &err));
    FAILS(CYTO_STATE, "keep_assays", cyto_deseq_replace_outliers(whole, NULL, 0, NULL, &made, &err));
    cooks[SAMPLES * 4 + 2] = 1e6;
    OK(cyto_deseq_replace_outliers(whole, cooks, GENES * SAMPLES, "{\"samples\": [2]}", &made, &err));
    OK(cyto_deseq_counts(ctx, made, NULL, &sums, &err));
    for (int i = 0; i < GENES * SAMPLES; i++)
        CHECK((values_of(sums)[i] != counts[i]) == (i == SAMPLES * 4 + 2));
    CHECK(((const uint8_t *)lent(made, "replace").data)[4] == 1);
    CHECK(((const uint8_t *)lent(made, "replaceable").data)[3] == 0);
    cyto_deseq_transformed_free(sums);
    cyto_deseq_free(made);
    OK(cyto_deseq_sample_pca(values_of(million), GENES, SAMPLES, 100, scores, share, &err));
    CHECK(share[0] >= share[1] && share[0] > 0.2 && share[SAMPLES - 1] < 1e-9);
    FAILS(CYTO_INVALID_ARGUMENT, "scores",
          cyto_deseq_sample_pca(values_of(million), GENES, SAMPLES, 100, NULL, share, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "two samples",
          cyto_deseq_sample_pca(values_of(million), GENES, 1, 100, scores, share, &err));
    cyto_deseq_transformed_free(plain);
    cyto_deseq_transformed_free(million);
    cyto_deseq_transformed_free(kilobase);
    cyto_deseq_free(deseq);
}

static void a_kept_table_has_its_summary(cyto_context *ctx, const cyto_deseq *whole) {
    static const char *const names[] = {"baseMean", "log2FoldChange", "pvalue", "padj"};
    cyto_deseq_results *table = results_of(ctx, whole, NULL), *kept = NULL;
    const double *values[4];
    size_t lengths[4] = {GENES, GENES, GENES, GENES};
    char options[96];
    for (int i = 0; i < 4; i++) values[i] = column(table, names[i]).data;
    const char *at = strstr(cyto_deseq_results_info_json(table), "\"filter_threshold\":");
    CHECK(at != NULL);
    snprintf(options, sizeof options, "{\"alpha\": 0.1, \"filter_threshold\": %g}",
             at == NULL ? 0 : strtod(at + strlen("\"filter_threshold\":"), NULL));
    OK(cyto_deseq_results_restore(genes, GENES, options, names, values, lengths, 4, &kept, &err));
    CHECK(strcmp(cyto_deseq_results_summary(kept), cyto_deseq_results_summary(table)) == 0);
    cyto_deseq_results_free(kept);
    kept = NULL;
    FAILS(CYTO_INVALID_ARGUMENT, "log2FoldChange",
          cyto_deseq_results_restore(genes, GENES, NULL, names, values, lengths, 1, &kept, &err));
    lengths[1] = 3;
    FAILS(CYTO_INVALID_ARGUMENT, "3 values",
          cyto_deseq_results_restore(genes, GENES, NULL, names, values, lengths, 4, &kept, &err));
    CHECK(kept == NULL);
    cyto_deseq_results_free(table);
}

static void nulls(cyto_context *ctx, cyto_deseq *deseq) {
    cyto_deseq_results *results = NULL;
    cyto_deseq_transformed *transformed = NULL;
    cyto_deseq_samples *table = NULL;
    cyto_deseq *made = NULL;
    cyto_array array = CYTO_ARRAY_INIT;
    const cyto_status bad = CYTO_INVALID_ARGUMENT;
    FAILS(bad, "NULL", cyto_deseq_samples_new(NULL, 2, &table, &err));
    FAILS(bad, "out", cyto_deseq_samples_new(samples_text, 2, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_samples_set_factor(NULL, "x", batch, SAMPLES, batches, 2, &err));
    FAILS(bad, "NULL", cyto_deseq_samples_set_numbers(NULL, "x", NULL, 0, &err));
    FAILS(bad, "NULL", cyto_deseq_new(ctx, NULL, NULL, &made, &err));
    FAILS(bad, "samples", cyto_deseq_new(ctx, &(cyto_deseq_input)CYTO_DESEQ_INPUT_INIT, NULL, &made, &err));
    FAILS(bad, "NULL", cyto_deseq_set(NULL, "weights", NULL, 0, &err));
    FAILS(bad, "NULL", cyto_deseq_estimate_size_factors(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_estimate_dispersions(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_wald(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_lrt(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_run(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_estimate_gene_wise_dispersions(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_fit_dispersion_trend(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_shrink_dispersions(ctx, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_estimate_disp_prior_var(NULL, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_estimate_beta_prior_var(NULL, NULL, 0, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_counts(ctx, NULL, NULL, &transformed, &err));
    FAILS(bad, "out", cyto_deseq_fpm(ctx, deseq, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_fpkm(ctx, NULL, NULL, &transformed, &err));
    FAILS(bad, "NULL", cyto_deseq_collapse_replicates(ctx, NULL, NULL, 0, NULL, 0, NULL, &made, &err));
    FAILS(bad, "NULL", cyto_deseq_replace_outliers(NULL, NULL, 0, NULL, &made, &err));
    FAILS(bad, "NULL", cyto_deseq_results_restore(NULL, 2, NULL, NULL, NULL, NULL, 0, &results, &err));
    FAILS(bad, "ctx", cyto_deseq_run(NULL, deseq, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_results_new(ctx, NULL, NULL, &results, &err));
    FAILS(bad, "out", cyto_deseq_results_new(ctx, deseq, NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_lfc_shrink(ctx, NULL, NULL, NULL, &results, &err));
    FAILS(bad, "NULL", cyto_deseq_vst(ctx, NULL, NULL, &transformed, &err));
    FAILS(bad, "NULL", cyto_deseq_rlog(ctx, NULL, NULL, &transformed, &err));
    FAILS(bad, "NULL", cyto_deseq_array(NULL, "genes", &array, &err));
    FAILS(bad, "NULL", cyto_deseq_array(deseq, NULL, &array, &err));
    FAILS(bad, "did you mean", cyto_deseq_array(deseq, "disperson", &array, &err));
    FAILS(bad, "NULL", cyto_deseq_results_array(NULL, "padj", &array, &err));
    FAILS(bad, "NULL", cyto_deseq_results_table_arrow(NULL, NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_table_arrow(deseq, "genes", NULL, &err));
    FAILS(bad, "NULL", cyto_deseq_transformed_array(NULL, "values", &array, &err));
    CHECK(cyto_deseq_info_json(NULL) == NULL);
    CHECK(strcmp(cyto_deseq_results_info_json(NULL), "{}") == 0);
    CHECK(strcmp(cyto_deseq_results_summary(NULL), "") == 0);
    CHECK(cyto_deseq_run(ctx, NULL, NULL, NULL) == bad);
    cyto_deseq_free(NULL);
    cyto_deseq_samples_free(NULL);
    cyto_deseq_results_free(NULL);
    cyto_deseq_transformed_free(NULL);
}

/* The F test of quasi-likelihood dispersions, in one call, by steps and after its columns went out and back. */
static void quasi_likelihood(cyto_context *ctx) {
    enum { N = 16 };
    static const char *const names[N] = {
        "baseMean", "baseVar", "allZero", "dispGeneEst", "dispGeneIter", "dispFit", "dispersion", "dispIter",
        "dispOutlier", "dispMAP", "disp_model_matrix", "trend", "qlDispMLE", "qlDispFit", "qlDispMAP",
        "dispFitQLCorrected"};
    const char *lrt = "{\"type\": \"glmGamPoi\", \"reduced\": \"~ batch\"}";
    cyto_deseq *whole = analysed(
        ctx, dense(ctx), "{\"fit_type\": \"glmGamPoi\", \"test\": \"LRT\", \"reduced\": \"~ batch\"}");
    cyto_deseq *steps = data_set(ctx, dense(ctx), "~ batch + condition"), *kept;
    double *values[N], df0 = 0.0;
    size_t lengths[N];
    char options[160];
    OK(cyto_deseq_estimate_size_factors(ctx, steps, NULL, &err));
    OK(cyto_deseq_estimate_dispersions(ctx, steps, NULL, &err));
    FAILS(CYTO_STATE, "glmGamPoi", cyto_deseq_lrt(ctx, steps, lrt, &err));
    OK(cyto_deseq_estimate_dispersions(ctx, steps, "{\"fit_type\": \"glmGamPoi\"}", &err));
    OK(cyto_deseq_lrt(ctx, steps, lrt, &err));
    CHECK(same_bits(lent(steps, "LRTPvalue"), lent(whole, "LRTPvalue")));
    CHECK(same_bits(lent(steps, "qlDispMAP"), lent(whole, "qlDispMAP")));
    const double *p = lent(whole, "LRTPvalue").data, *se = lent(whole, "SE").data;
    int right = 0;
    for (int g = 3; g < GENES; g += 10) right += p[g] < 0.01;
    printf("quasi-likelihood: %d of %d changed genes\n", right, GENES / 10);
    CHECK(right >= 20 && isnan(se[0]));
    const char *found = strstr(cyto_deseq_info_json(whole), "\"ql_df0\":");
    CHECK(found != NULL && sscanf(found + 9, "%lf", &df0) == 1 && df0 > 0.0);
    kept = data_set(ctx, dense(ctx), "~ batch + condition");
    OK(cyto_deseq_set(kept, "size_factors", lent(whole, "size_factors").data, SAMPLES, &err));
    for (int i = 0; i < N; i++) {
        const cyto_array array = lent(whole, names[i]);
        lengths[i] = array.n_rows * (array.n_columns == 0 ? 1 : array.n_columns);
        values[i] = as_doubles(array);
    }
    snprintf(options, sizeof options, "{\"var_log_disp_ests\": 1, \"disp_prior_var\": 1, \"ql_df0\": %.17g}", df0);
    const double *const *given = (const double *const *)values;
    OK(cyto_deseq_restore(kept, options, names, given, lengths, N, &err));
    OK(cyto_deseq_lrt(ctx, kept, lrt, &err));
    CHECK(same_bits(lent(kept, "LRTPvalue"), lent(whole, "LRTPvalue")));
    lengths[14] -= 1;
    FAILS(CYTO_INVALID_ARGUMENT, "qlDispMAP", cyto_deseq_restore(kept, options, names, given, lengths, N, &err));
    for (int i = 0; i < N; i++) free(values[i]);
    cyto_deseq_free(kept);
    cyto_deseq_free(steps);
    cyto_deseq_free(whole);
}

/* The fast mode calls the same genes, with the same bits for any number of threads. */
static void fast_mode(cyto_context *ctx, const cyto_deseq *whole) {
    cyto_context *three = context_of(3);
    cyto_deseq *fast = analysed(ctx, dense(ctx), "{\"mode\": \"fast\"}");
    cyto_deseq *threads = analysed(three, dense(three), "{\"mode\": \"fast\"}");
    CHECK(same_analysis(fast, threads));
    const double *p = lent(fast, "WaldPvalue").data, *q = lent(whole, "WaldPvalue").data;
    for (int i = 0; i < 3 * GENES; i++) {
        CHECK(isnan(p[i]) == isnan(q[i]) && !(fabs(p[i] - q[i]) > 0.01));
    }
    FAILS(CYTO_INVALID_ARGUMENT, "mode", cyto_deseq_run(ctx, fast, "{\"mode\": \"quick\"}", &err));
    cyto_deseq_free(threads);
    cyto_deseq_free(fast);
    cyto_context_free(three);
}

static void mixtures(cyto_context *ctx) {
    static const double pure[8] = {100, 1, 1, 100, 50, 50, 10, 0}, shares[2] = {0.25, 0.75};
    double x[4];
    cyto_deseq_unmix_input input = CYTO_DESEQ_UNMIX_INPUT_INIT;
    cyto_deseq_unmixed *unmixed = NULL;
    cyto_array mix = CYTO_ARRAY_INIT;
    for (int g = 0; g < 4; g++) x[g] = shares[0] * pure[2 * g] + shares[1] * pure[2 * g + 1];
    input.x = x;
    input.pure = pure;
    input.n_genes = 4;
    input.n_samples = 1;
    input.n_types = 2;
    OK(cyto_deseq_unmix(ctx, &input, "{\"alpha\": 0.1, \"power\": 2}", &unmixed, &err));
    OK(cyto_deseq_unmixed_array(unmixed, "mix", &mix, &err));
    CHECK(mix.n_rows == 1 && mix.n_columns == 2);
    for (int t = 0; t < 2; t++) CHECK(fabs(((const double *)mix.data)[t] - shares[t]) < 1e-4);
    cyto_deseq_unmixed_free(unmixed);
    FAILS(CYTO_INVALID_ARGUMENT, "one of", cyto_deseq_unmix(ctx, &input, NULL, &unmixed, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "power",
          cyto_deseq_unmix(ctx, &input, "{\"shift\": 1, \"power\": 3}", &unmixed, &err));
    x[2] = -1.0;
    FAILS(CYTO_INVALID_ARGUMENT, "row 3", cyto_deseq_unmix(ctx, &input, "{\"shift\": 1}", &unmixed, &err));
    FAILS(CYTO_INVALID_ARGUMENT, "NULL", cyto_deseq_unmixed_array(NULL, "mix", &mix, &err));
    cyto_deseq_unmixed_free(NULL);
}

struct watcher {
    int calls, messages, cancel_at;
};

static int32_t watch(void *user, const cyto_progress *progress) {
    struct watcher *watcher = user;
    watcher->calls += 1;
    watcher->messages += strcmp(progress->stage, "message") == 0 && progress->message[0] != '\0';
    return watcher->cancel_at > 0 && watcher->calls >= watcher->cancel_at;
}

/* Stopped at each progress call in turn, the data set stays as it was and the next run is the same. */
static void cancel(const cyto_deseq *whole) {
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_context *ctx = NULL;
    struct watcher watcher = {0, 0, 0};
    cyto_deseq *deseq;
    int at = 1, cancelled = 0;
    options.threads = 2;
    options.progress_interval_ms = 0;
    OK(cyto_context_new(&options, &ctx, &err));
    deseq = data_set(ctx, dense(ctx), "~ batch + condition");
    OK(cyto_context_set_progress(ctx, watch, &watcher, &err));
    /* How often progress is called depends on time, so later calls are tried in growing steps, which
     * have no end but success. */
    for (;; at += 1 + at / 2) {
        watcher = (struct watcher){.cancel_at = at};
        const cyto_status status = cyto_deseq_run(ctx, deseq, NULL, &err);
        if (status == CYTO_OK) break;
        cancelled += 1;
        CHECK(status == CYTO_CANCELLED && strlen(cyto_error_message(err)) > 0);
        cyto_error_free(err);
        err = NULL;
        FAILS(CYTO_NOT_FOUND, "coefficients",
              cyto_deseq_array(deseq, "coefficients", &(cyto_array)CYTO_ARRAY_INIT, &err));
    }
    printf("cancel: %d times, up to progress call %d; %d messages\n", cancelled, at, watcher.messages);
    CHECK(cancelled > 5 && watcher.messages >= 3);
    CHECK(same_analysis(deseq, whole));
    cyto_deseq_free(deseq);
    cyto_context_free(ctx);
}

int main(void) {
    make_study();
    cyto_context *ctx = context_of(1);
    cyto_deseq *whole = analysed(ctx, dense(ctx), NULL);
    CHECK(strcmp(((const char *const *)lent(whole, "results_names").data)[2],
                 "condition_treated_vs_untreated") == 0);
    steps_are_the_one_call(ctx, whole);
    kept_estimates_go_back(ctx, whole);
    inputs_and_threads_do_not_matter(ctx, whole);
    a_matrix_is_as_good_as_a_formula(ctx, whole);
    comparisons(ctx, whole);
    shrinkage(ctx, whole);
    transformations(ctx);
    quasi_likelihood(ctx);
    fast_mode(ctx, whole);
    mixtures(ctx);
    stages(ctx, whole);
    functions_of_counts(ctx, whole);
    a_kept_table_has_its_summary(ctx, whole);
    tables(ctx, whole);
    bad_input(ctx, whole);
    nulls(ctx, whole);
    cancel(whole);
    cyto_deseq_free(whole);
    cyto_context_free(ctx);
    return failures == 0 ? 0 : 1;
}
