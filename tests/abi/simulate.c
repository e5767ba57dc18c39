#include "simulate.h"

#include <sys/stat.h>

#include "check.h"

/* A linear congruential generator: the same tissue everywhere. */
static double uniform(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

/* Poisson by multiplying uniforms; exp(-mean) as (1 - mean/2^20)^(2^20) needs no libm. */
static int32_t poisson(uint64_t *state, double mean) {
    double limit = 1.0 - mean / 1048576.0;
    for (int i = 0; i < 20; i++) limit *= limit;
    int32_t n = 0;
    for (double product = uniform(state); product > limit; product *= uniform(state)) n += 1;
    return n;
}

/* Relative expression: markers of a type are 12 times as high in it. */
static double expression(int32_t type, int32_t gene) {
    const double base = 0.5 + (gene % 7) / 4.0;
    return (gene % (N_TYPES + 1) == type ? 12.0 : 1.0) * base;
}

static double total_expression(int32_t type) {
    double total = 0;
    for (int32_t gene = 0; gene < N_GENES; gene++) total += expression(type, gene);
    return total;
}

static void *allocate(size_t n, size_t size) {
    void *memory = calloc(n == 0 ? 1 : n, size);
    if (memory == NULL) exit(1);
    return memory;
}

static struct counts counts_new(int64_t n_cells) {
    struct counts counts = {n_cells, 0, NULL, NULL, NULL};
    counts.starts = allocate((size_t)n_cells + 1, sizeof *counts.starts);
    counts.genes = allocate((size_t)n_cells * N_GENES, sizeof *counts.genes);
    counts.values = allocate((size_t)n_cells * N_GENES, sizeof *counts.values);
    return counts;
}

static void add_cell(struct counts *counts, int64_t cell, uint64_t *state, double depth, int32_t a,
                     int32_t b) {
    const double total_a = total_expression(a), total_b = total_expression(b);
    for (int32_t gene = 0; gene < N_GENES; gene++) {
        const double mean = depth * 0.5 *
                            (expression(a, gene) / total_a + expression(b, gene) / total_b);
        const int32_t count = poisson(state, mean);
        if (count > 0) {
            counts->genes[counts->n_entries] = gene;
            counts->values[counts->n_entries] = count;
            counts->n_entries += 1;
        }
    }
    counts->starts[cell + 1] = (int32_t)counts->n_entries;
}

static char **names(const char *stem, int64_t n) {
    char **list = allocate((size_t)n, sizeof *list);
    for (int64_t i = 0; i < n; i++) {
        list[i] = allocate(32, 1);
        snprintf(list[i], 32, "%s%lld", stem, (long long)i);
    }
    return list;
}

static void names_free(char **list, int64_t n) {
    for (int64_t i = 0; i < n; i++) free(list[i]);
    free(list);
}

struct simulation *simulate(int64_t n_pixels) {
    static const char *const types[N_TYPES] = {"astrocyte", "neuron", "oligo", "microglia"};
    struct simulation *sim = allocate(1, sizeof *sim);
    uint64_t state = 42;
    sim->cells = counts_new(N_CELLS);
    for (int32_t cell = 0; cell < N_CELLS; cell++) {
        sim->labels[cell] = cell % N_TYPES;
        add_cell(&sim->cells, cell, &state, 700.0, cell % N_TYPES, cell % N_TYPES);
    }
    sim->pixels = counts_new(n_pixels);
    sim->first = allocate((size_t)n_pixels, sizeof *sim->first);
    sim->second = allocate((size_t)n_pixels, sizeof *sim->second);
    sim->coords = allocate((size_t)n_pixels * 2, sizeof *sim->coords);
    for (int64_t pixel = 0; pixel < n_pixels; pixel++) {
        const int32_t a = (int32_t)(pixel % N_TYPES);
        const int32_t b = pixel % 3 == 0 ? (a + 1) % N_TYPES : a;
        sim->first[pixel] = a;
        sim->second[pixel] = b;
        sim->coords[2 * pixel] = (double)(pixel % 20);
        sim->coords[2 * pixel + 1] = (double)(pixel / 20);
        add_cell(&sim->pixels, pixel, &state, 1500.0, a, b);
    }
    sim->pixel_names = names("pixel", n_pixels);
    sim->cell_names = names("cell", N_CELLS);
    sim->gene_names = names("gene", N_GENES);
    memcpy(sim->type_names, types, sizeof types);
    return sim;
}

static void counts_free(struct counts *counts) {
    free(counts->starts);
    free(counts->genes);
    free(counts->values);
}

void simulation_free(struct simulation *sim) {
    names_free(sim->pixel_names, sim->pixels.n_cells);
    names_free(sim->cell_names, N_CELLS);
    names_free(sim->gene_names, N_GENES);
    counts_free(&sim->cells);
    counts_free(&sim->pixels);
    free(sim->first);
    free(sim->second);
    free(sim->coords);
    free(sim);
}

static FILE *create(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void write_names(const char *folder, const char *name, char *const *names, int64_t n) {
    FILE *file = create(folder, name);
    for (int64_t i = 0; i < n; i++) fprintf(file, "%s\n", names[i]);
    fclose(file);
}

/* Genes x cells, from 1, as 10x writes them. */
static void write_folder(const char *folder, const struct simulation *sim,
                         const struct counts *counts, char *const *cells) {
    mkdir(folder, 0755);
    FILE *file = create(folder, "matrix.mtx");
    fprintf(file, "%%%%MatrixMarket matrix coordinate integer general\n%d %lld %lld\n", N_GENES,
            (long long)counts->n_cells, (long long)counts->n_entries);
    for (int64_t cell = 0; cell < counts->n_cells; cell++)
        for (int32_t e = counts->starts[cell]; e < counts->starts[cell + 1]; e++)
            fprintf(file, "%d %lld %.0f\n", counts->genes[e] + 1, (long long)cell + 1,
                    counts->values[e]);
    fclose(file);
    write_names(folder, "barcodes.tsv", cells, counts->n_cells);
    write_names(folder, "genes.tsv", sim->gene_names, N_GENES);
}

static void write_tables(const char *spatial, const char *reference, const struct simulation *sim) {
    FILE *file = create(spatial, "coords.csv");
    fprintf(file, "barcode,x,y\n");
    for (int64_t i = 0; i < sim->pixels.n_cells; i++)
        fprintf(file, "%s,%.0f,%.0f\n", sim->pixel_names[i], sim->coords[2 * i],
                sim->coords[2 * i + 1]);
    fclose(file);
    file = create(reference, "cells.csv");
    fprintf(file, "barcode,cell_type\n");
    for (int i = 0; i < N_CELLS; i++)
        fprintf(file, "%s,%s\n", sim->cell_names[i], sim->type_names[sim->labels[i]]);
    fclose(file);
}

void simulation_write(const struct simulation *sim, const char *spatial, const char *reference) {
    write_folder(spatial, sim, &sim->pixels, sim->pixel_names);
    write_folder(reference, sim, &sim->cells, sim->cell_names);
    write_tables(spatial, reference, sim);
}

cyto_sparse_view view_of(const struct counts *counts) {
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    view.layout = CYTO_CSC;
    view.orientation = CYTO_GENES_BY_CELLS;
    view.indptr_type = CYTO_I32;
    view.index_type = CYTO_I32;
    view.value_type = CYTO_F64;
    view.nrow = N_GENES;
    view.ncol = counts->n_cells;
    view.nnz = counts->n_entries;
    view.indptr = counts->starts;
    view.indices = counts->genes;
    view.values = counts->values;
    return view;
}

cyto_context *context_of(int32_t threads) {
    cyto_context_options options = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_context *ctx = NULL;
    options.threads = threads;
    options.progress_interval_ms = 10;
    OK(cyto_context_new(&options, &ctx, &err));
    return ctx;
}

cyto_reference *reference_of(cyto_context *ctx, const struct simulation *sim) {
    const cyto_sparse_view view = view_of(&sim->cells);
    cyto_matrix *counts = NULL;
    cyto_reference *reference = NULL;
    cyto_reference_input input = CYTO_REFERENCE_INPUT_INIT;
    OK(cyto_matrix_from_view(ctx, &view, &counts, &err));
    input.counts = counts;
    input.cells = (const char *const *)sim->cell_names;
    input.n_cells = N_CELLS;
    input.genes = (const char *const *)sim->gene_names;
    input.n_genes = N_GENES;
    input.labels = sim->labels;
    input.n_labels = N_CELLS;
    input.cell_types = sim->type_names;
    input.n_cell_types = N_TYPES;
    OK(cyto_reference_from_counts(ctx, &input, NULL, &reference, &err));
    cyto_matrix_free(counts);
    return reference;
}

cyto_spatial *spatial_with(const struct simulation *sim, const cyto_matrix *counts) {
    cyto_spatial *spatial = NULL;
    cyto_spatial_input input = CYTO_SPATIAL_INPUT_INIT;
    input.counts = counts;
    input.pixels = (const char *const *)sim->pixel_names;
    input.n_pixels = (size_t)sim->pixels.n_cells;
    input.genes = (const char *const *)sim->gene_names;
    input.n_genes = N_GENES;
    input.coords = sim->coords;
    input.n_coords = (size_t)sim->pixels.n_cells;
    OK(cyto_spatial_new(&input, &spatial, &err));
    return spatial;
}

cyto_spatial *spatial_of(cyto_context *ctx, const struct simulation *sim) {
    const cyto_sparse_view view = view_of(&sim->pixels);
    cyto_matrix *counts = NULL;
    cyto_spatial *spatial = NULL;
    OK(cyto_matrix_from_view(ctx, &view, &counts, &err));
    spatial = spatial_with(sim, counts);
    cyto_matrix_free(counts);
    return spatial;
}
