/* DESeq2's analysis in C; see README.md. Writes the study, then analyses it. Usage: deseq STUDY OUTPUT */
#include <inttypes.h>
#include <math.h>

#include "check.h"

enum { GENES = 240, SAMPLES = 12 };

static int32_t counts[GENES * SAMPLES];
static int32_t codes[2][SAMPLES];
static char names[GENES][8];
static const char *genes[GENES], *samples[SAMPLES];
static const char *const levels[] = {"L1", "L2"};

static FILE *create(const char *path) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void write_study(const char *path) {
    FILE *file = create(path);
    fprintf(file, "%d %d 2\n", GENES, SAMPLES);
    for (int s = 0; s < SAMPLES; s++) {
        codes[0][s] = s % 2;
        codes[1][s] = s / 2 % 2;
    }
    for (int f = 0; f < 2; f++) {
        fprintf(file, "2");
        for (int s = 0; s < SAMPLES; s++) fprintf(file, " %d", codes[f][s]);
        fprintf(file, "\n");
    }
    for (int g = 0; g < GENES; g++) {
        snprintf(names[g], sizeof names[g], "g%d", g + 1);
        genes[g] = names[g];
        if (g < SAMPLES) samples[g] = names[g];
        for (int s = 0; s < SAMPLES; s++) {
            const double turn = fmod(fabs(sin(12.9898 * g + 78.233 * s)) * 43758.5453, 1.0);
            const double effect = g % 10 == 3 && codes[1][s] ? 5.0 : 1.0;
            counts[g * SAMPLES + s] = g % 60 == 59 ? 0 : (int32_t)(4.0 * pow(1.03, g % 180) * effect * (0.4 + 1.2 * turn));
        }
    }
    CHECK(fwrite(counts, sizeof *counts, GENES * SAMPLES, file) == GENES * SAMPLES);
    fclose(file);
}

static cyto_deseq *analysed(cyto_context *ctx) {
    cyto_dense_view view = CYTO_DENSE_VIEW_INIT;
    cyto_deseq_input input = CYTO_DESEQ_INPUT_INIT;
    cyto_deseq_samples *table = NULL;
    cyto_matrix *matrix = NULL;
    cyto_deseq *deseq = NULL;
    view.value_type = CYTO_I32;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.nrow = GENES;
    view.ncol = view.row_stride = SAMPLES;
    view.col_stride = 1;
    view.data = counts;
    OK(cyto_matrix_from_dense_view(ctx, &view, &matrix, &err));
    OK(cyto_deseq_samples_new(samples, SAMPLES, &table, &err));
    OK(cyto_deseq_samples_set_factor(table, "f1", codes[0], SAMPLES, levels, 2, &err));
    OK(cyto_deseq_samples_set_factor(table, "f2", codes[1], SAMPLES, levels, 2, &err));
    input.counts = matrix;
    input.samples = table;
    input.genes = genes;
    input.n_genes = GENES;
    input.design = "~ f1 + f2";
    OK(cyto_deseq_new(ctx, &input, NULL, &deseq, &err));
    OK(cyto_deseq_run(ctx, deseq, NULL, &err));
    cyto_deseq_samples_free(table);
    cyto_matrix_free(matrix);
    return deseq;
}

static void put(FILE *file, cyto_array array) {
    for (size_t i = 0; i < array.n_rows * array.n_columns; i++) {
        uint64_t bits = 0;
        memcpy(&bits, (const double *)array.data + i, sizeof bits);
        fprintf(file, "%" PRIx64 "\n", bits);
    }
}

static void put_results(FILE *file, const cyto_deseq_results *results) {
    static const char *const columns[] = {"log2FoldChange", "lfcSE", "pvalue", "padj"};
    for (size_t c = 0; c < 4; c++) {
        cyto_array array = CYTO_ARRAY_INIT;
        OK(cyto_deseq_results_array(results, columns[c], &array, &err));
        put(file, array);
    }
}

static void put_transformed(FILE *file, cyto_deseq_transformed *transformed) {
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_deseq_transformed_array(transformed, "values", &array, &err));
    put(file, array);
    cyto_deseq_transformed_free(transformed);
}

int main(int argc, char **argv) {
    static const char *const columns[] = {"size_factors", "baseMean", "dispGeneEst", "dispFit", "dispMAP", "dispersion"};
    cyto_context *ctx = NULL;
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_deseq_results *results = NULL, *shrunken = NULL;
    cyto_deseq_transformed *stable = NULL, *regular = NULL;
    if (argc != 3) return 2;
    write_study(argv[1]);
    options.threads = 2;
    OK(cyto_context_new(&options, &ctx, &err));
    cyto_deseq *deseq = analysed(ctx);
    FILE *file = create(argv[2]);
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        cyto_array array = CYTO_ARRAY_INIT;
        OK(cyto_deseq_array(deseq, columns[c], &array, &err));
        put(file, array);
    }
    OK(cyto_deseq_results_new(ctx, deseq, NULL, &results, &err));
    OK(cyto_deseq_lfc_shrink(ctx, deseq, NULL, "{\"type\": \"apeglm\", \"name\": \"f2_L2_vs_L1\"}", &shrunken, &err));
    put_results(file, results);
    put_results(file, shrunken);
    OK(cyto_deseq_vst(ctx, deseq, "{\"nsub\": 0}", &stable, &err));
    OK(cyto_deseq_rlog(ctx, deseq, NULL, &regular, &err));
    put_transformed(file, stable);
    put_transformed(file, regular);
    fclose(file);
    cyto_deseq_results_free(results);
    cyto_deseq_results_free(shrunken);
    cyto_deseq_free(deseq);
    cyto_context_free(ctx);
    return failures != 0;
}
