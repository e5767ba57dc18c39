/* A small tissue with known truth, and the reference it was made from. */
#ifndef SIMULATE_H
#define SIMULATE_H

#include <stdint.h>

#include "cytosol.h"

enum { N_TYPES = 4, N_GENES = 160, CELLS_PER_TYPE = 40, N_CELLS = N_TYPES * CELLS_PER_TYPE };

/* Counts, cells x genes, compressed by cell. */
struct counts {
    int64_t n_cells;
    int64_t n_entries;
    int32_t *starts;
    int32_t *genes;
    double *values;
};

struct simulation {
    struct counts cells;
    struct counts pixels;
    int32_t labels[N_CELLS];
    /* Types of every pixel; equal when it holds one. */
    int32_t *first;
    int32_t *second;
    double *coords;
    char **pixel_names;
    char **cell_names;
    char **gene_names;
    const char *type_names[N_TYPES];
};

/* `n_pixels` pixels: every third holds two types, half of each, the others one. */
struct simulation *simulate(int64_t n_pixels);
void simulation_free(struct simulation *sim);

/* Folders with Matrix Market files, as 10x writes them, made when they are missing. */
void simulation_write(const struct simulation *sim, const char *spatial, const char *reference);

/* A view of counts as R has them: genes x cells, compressed by column. */
cyto_sparse_view view_of(const struct counts *counts);

/* Handles made from borrowed views. They end the process when that fails. */
cyto_reference *reference_of(cyto_context *ctx, const struct simulation *sim);
cyto_spatial *spatial_of(cyto_context *ctx, const struct simulation *sim);
cyto_spatial *spatial_with(const struct simulation *sim, const cyto_matrix *counts);
cyto_context *context_of(int32_t threads);

#endif
