/*
 * Writes the tissue that every host reads: FOLDER/spatial and FOLDER/reference as Matrix Market folders,
 * FOLDER/plain as raw little-endian arrays and lists of names, a name a line. Usage: write_inputs FOLDER
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "simulate.h"

static FILE *plain(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/plain/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void array(const char *folder, const char *name, const void *data, size_t size, int64_t n) {
    FILE *file = plain(folder, name);
    if (fwrite(data, size, (size_t)n, file) != (size_t)n || fclose(file) != 0) exit(1);
}

static void names(const char *folder, const char *name, const char *const *list, int64_t n) {
    FILE *file = plain(folder, name);
    for (int64_t i = 0; i < n; i++) fprintf(file, "%s\n", list[i]);
    if (fclose(file) != 0) exit(1);
}

/* Genes x cells, compressed by column, positions from 0. */
static void counts(const char *folder, const char *stem, const struct counts *c) {
    char name[64];
    snprintf(name, sizeof name, "%s.starts.i32", stem);
    array(folder, name, c->starts, sizeof *c->starts, c->n_cells + 1);
    snprintf(name, sizeof name, "%s.genes.i32", stem);
    array(folder, name, c->genes, sizeof *c->genes, c->n_entries);
    snprintf(name, sizeof name, "%s.values.f64", stem);
    array(folder, name, c->values, sizeof *c->values, c->n_entries);
}

int main(int argc, char **argv) {
    char path[1024], other[1024];
    if (argc != 2) return 2;
    const char *folder = argv[1];
    struct simulation *sim = simulate(120);
    snprintf(path, sizeof path, "%s/plain", folder);
    mkdir(path, 0755);
    counts(folder, "pixels", &sim->pixels);
    counts(folder, "cells", &sim->cells);
    array(folder, "labels.i32", sim->labels, sizeof *sim->labels, N_CELLS);
    array(folder, "coords.f64", sim->coords, 2 * sizeof(double), sim->pixels.n_cells);
    names(folder, "pixels.txt", (const char *const *)sim->pixel_names, sim->pixels.n_cells);
    names(folder, "cells.txt", (const char *const *)sim->cell_names, N_CELLS);
    names(folder, "genes.txt", (const char *const *)sim->gene_names, N_GENES);
    names(folder, "types.txt", sim->type_names, N_TYPES);
    snprintf(path, sizeof path, "%s/spatial", folder);
    snprintf(other, sizeof other, "%s/reference", folder);
    simulation_write(sim, path, other);
    simulation_free(sim);
    return 0;
}
