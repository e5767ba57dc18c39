/* Comparison of results, bit for bit. */
#ifndef RESULTS_EQUAL_H
#define RESULTS_EQUAL_H

#include "check.h"

static inline size_t element_size(int32_t dtype) {
    switch (dtype) {
    case CYTO_F64:
    case CYTO_I64:
    case CYTO_U64: return 8;
    case CYTO_U8: return 1;
    case CYTO_U16: return 2;
    default: return 4;
    }
}

static inline cyto_array array_of(const cyto_rctd_results *results, const char *name) {
    cyto_array array = CYTO_ARRAY_INIT;
    OK(cyto_rctd_results_array(results, name, &array, &err));
    return array;
}

/* 1 when both have the array, of the same type, shape and bits, or neither has it. */
static inline int same_array(const cyto_rctd_results *a, const cyto_rctd_results *b,
                             const char *name) {
    cyto_array x = CYTO_ARRAY_INIT, y = CYTO_ARRAY_INIT;
    const cyto_status of_x = cyto_rctd_results_array(a, name, &x, NULL);
    const cyto_status of_y = cyto_rctd_results_array(b, name, &y, NULL);
    if (of_x != of_y) return 0;
    if (of_x != CYTO_OK) return of_x == CYTO_NOT_FOUND;
    if (x.dtype != y.dtype || x.n_rows != y.n_rows || x.n_columns != y.n_columns) return 0;
    if (x.dtype == CYTO_TEXT) {
        const char *const *s = x.data, *const *t = y.data;
        for (size_t i = 0; i < x.n_rows; i++)
            if (strcmp(s[i], t[i]) != 0) return 0;
        return 1;
    }
    return memcmp(x.data, y.data, x.n_rows * x.n_columns * element_size(x.dtype)) == 0;
}

static inline int same_results(const cyto_rctd_results *a, const cyto_rctd_results *b) {
    static const char *const names[] = {
        "cell_types", "barcodes", "pixels", "weights", "normalized_weights", "dominant_type",
        "conv_all", "spot_class", "first_type", "second_type", "first_class", "second_class",
        "min_score", "singlet_score", "conv_doublet", "weights_doublet", "doublet_weights",
        "candidate_offsets", "candidates", "singlet_scores", "pair_offsets", "pair_scores",
        "multi_offsets", "multi_types", "conf_list", "sub_weights", "conv_sub", "fallback"};
    int same = cyto_rctd_results_sigma(a) == cyto_rctd_results_sigma(b) &&
               cyto_rctd_results_mode(a) == cyto_rctd_results_mode(b);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!same_array(a, b, names[i])) {
            fprintf(stderr, "array \"%s\" differs\n", names[i]);
            same = 0;
        }
    }
    return same;
}

#endif
