/*
 * Times the steps of DESeq2's analysis. Usage: deseq STUDY OPTIONS STEP...; STUDY is a file whose first line is
 * "GENES SAMPLES FACTORS", then a line a factor "LEVELS CODE CODE ...", then the counts as 32-bit integers, all
 * samples of the first gene first. OPTIONS is the JSON of cyto_deseq_run, "{}" for none. A STEP is run, rlog, vst,
 * apeglm, ashr, normal, or columns=FILE for the columns of the genes. Prints "STEP processor-seconds" a line. One thread.
 */
#include <time.h>

#include "check.h"

static cyto_context *ctx = NULL;

static void *memory(size_t n, size_t size) {
    void *p = calloc(n, size);
    if (p == NULL) exit(3);
    return p;
}

static const char **names(const char *stem, size_t n) {
    const char **all = memory(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        char *name = memory(1, 24);
        snprintf(name, 24, "%s%zu", stem, i + 1);
        all[i] = name;
    }
    return all;
}

static int read_all(FILE *file, void *to, size_t size, size_t n) {
    return fread(to, size, n, file) == n;
}

static cyto_deseq *study(const char *path) {
    size_t n = 0, m = 0, k = 0;
    cyto_deseq_input input = CYTO_DESEQ_INPUT_INIT;
    cyto_dense_view view = CYTO_DENSE_VIEW_INIT;
    cyto_deseq_samples *samples = NULL;
    cyto_matrix *matrix = NULL;
    cyto_deseq *deseq = NULL;
    char design[1024] = "~";
    FILE *file = fopen(path, "rb");
    if (file == NULL || fscanf(file, "%zu %zu %zu", &n, &m, &k) != 3) exit(2);
    OK(cyto_deseq_samples_new(names("s", m), m, &samples, &err));
    int32_t *codes = memory(m, sizeof *codes);
    for (size_t f = 0; f < k; f++) {
        size_t levels = 0;
        char name[24];
        if (fscanf(file, "%zu", &levels) != 1) exit(2);
        for (size_t j = 0; j < m; j++) {
            if (fscanf(file, "%d", &codes[j]) != 1) exit(2);
        }
        snprintf(name, sizeof name, "f%zu", f + 1);
        OK(cyto_deseq_samples_set_factor(samples, name, codes, m, names("L", levels), levels, &err));
        snprintf(design + strlen(design), sizeof design - strlen(design), "%s %s", f ? " +" : "", name);
    }
    int after = fgetc(file);
    while (after == ' ') after = fgetc(file);
    if (after != '\n') exit(2);
    int32_t *counts = memory(n * m, sizeof *counts);
    if (!read_all(file, counts, sizeof *counts, n * m)) exit(2);
    fclose(file);
    view.value_type = CYTO_I32;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.nrow = n;
    view.ncol = m;
    view.row_stride = m;
    view.col_stride = 1;
    view.data = counts;
    OK(cyto_matrix_from_dense_view(ctx, &view, &matrix, &err));
    input.counts = matrix;
    input.samples = samples;
    input.genes = names("g", n);
    input.n_genes = n;
    input.design = design;
    OK(cyto_deseq_new(ctx, &input, NULL, &deseq, &err));
    return deseq;
}

static void columns(const cyto_deseq *deseq, const char *path) {
    static const char *const wanted[] = {"baseMean", "dispGeneEst", "dispGeneIter", "dispFit", "dispMAP", "dispersion"};
    cyto_array arrays[6];
    FILE *file = fopen(path, "w");
    if (file == NULL) exit(2);
    for (size_t c = 0; c < 6; c++) {
        const cyto_array empty = CYTO_ARRAY_INIT;
        arrays[c] = empty;
        OK(cyto_deseq_array(deseq, wanted[c], &arrays[c], &err));
        fprintf(file, "%s%c", wanted[c], c < 5 ? '\t' : '\n');
    }
    for (size_t i = 0; i < arrays[0].n_rows; i++) {
        for (size_t c = 0; c < 6; c++) {
            fprintf(file, "%.17g%c", ((const double *)arrays[c].data)[i], c < 5 ? '\t' : '\n');
        }
    }
    fclose(file);
    printf("%s\n", cyto_deseq_info_json(deseq));
}

static void step(cyto_deseq *deseq, const char *name, const char *options) {
    cyto_deseq_transformed *transformed = NULL;
    cyto_deseq_results *results = NULL;
    char shrink[512];
    if (strcmp(name, "run") == 0) {
        OK(cyto_deseq_run(ctx, deseq, options, &err));
    } else if (strcmp(name, "rlog") == 0) {
        OK(cyto_deseq_rlog(ctx, deseq, NULL, &transformed, &err));
    } else if (strcmp(name, "vst") == 0) {
        OK(cyto_deseq_vst(ctx, deseq, NULL, &transformed, &err));
    } else if (strcmp(name, "apeglm") == 0 || strcmp(name, "ashr") == 0 || strcmp(name, "normal") == 0) {
        cyto_array coefficients = CYTO_ARRAY_INIT;
        OK(cyto_deseq_array(deseq, "results_names", &coefficients, &err));
        snprintf(shrink, sizeof shrink, "{\"type\": \"%s\", \"name\": \"%s\"}", name,
                 ((const char *const *)coefficients.data)[coefficients.n_rows - 1]);
        OK(cyto_deseq_lfc_shrink(ctx, deseq, NULL, shrink, &results, &err));
    } else if (strncmp(name, "columns=", 8) == 0) {
        columns(deseq, name + 8);
    } else {
        fprintf(stderr, "no step %s\n", name);
        exit(2);
    }
    cyto_deseq_transformed_free(transformed);
    cyto_deseq_results_free(results);
}

int main(int argc, char **argv) {
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    if (argc < 4) return 2;
    options.threads = 1;
    OK(cyto_context_new(&options, &ctx, &err));
    cyto_deseq *deseq = study(argv[1]);
    for (int i = 3; i < argc; i++) {
        const clock_t begun = clock();
        step(deseq, argv[i], argv[2]);
        printf("%s %.4f\n", argv[i], (double)(clock() - begun) / CLOCKS_PER_SEC);
        fflush(stdout);
    }
    cyto_deseq_free(deseq);
    cyto_context_free(ctx);
    return failures != 0;
}
