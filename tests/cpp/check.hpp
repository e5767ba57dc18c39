/* Checks of the C++ hosts, and the simulated tissue of tests/abi as vectors. */
#ifndef CHECK_HPP
#define CHECK_HPP

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "cytosol.hpp"

extern "C" {
#include "simulate.h"
}

inline int failures = 0;

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            failures += 1;                                                                 \
        }                                                                                  \
    } while (0)

/* `expression` must throw `type` with `words` in its message or detail. */
#define THROWS(type, words, expression) \
    throws<type>(__FILE__, __LINE__, #expression, words, [&] { (void)(expression); })

template <class Type, class F>
void throws(const char *file, int line, const char *text, const std::string &words, F &&f) {
    std::string got = "nothing";
    try {
        f();
    } catch (const Type &e) {
        got = e.what();
        if constexpr (std::is_base_of_v<cytosol::error, Type>) got += " " + e.detail_json();
        if (got.find(words) != std::string::npos) return;
    } catch (...) {
        try {
            throw;
        } catch (const std::exception &e) {
            got = std::string("another exception: ") + e.what();
        } catch (int) {
            got = "an integer";
        }
    }
    std::fprintf(stderr, "%s:%d: %s\n    gave \"%s\", not \"%s\"\n", file, line, text, got.c_str(), words.c_str());
    failures += 1;
}

/* Genes x cells, compressed by column, in vectors. */
struct cells {
    std::vector<int32_t> starts, genes;
    std::vector<double> values;
    explicit cells(const counts &c)
        : starts(c.starts, c.starts + c.n_cells + 1), genes(c.genes, c.genes + c.n_entries),
          values(c.values, c.values + c.n_entries) {}
    std::size_t n() const { return starts.size() - 1; }
    cytosol::sparse_view view() const {
        return cytosol::sparse_view::csc(cytosol::orientation::genes_by_cells, N_GENES, n(), starts, genes,
                                         values);
    }
};

struct tissue {
    cells pixels, reference;
    std::vector<std::string> pixel_names, cell_names, gene_names, types;
    std::vector<int32_t> labels;
    std::vector<std::array<double, 2>> coords;

    explicit tissue(int64_t n_pixels) : tissue(::simulate(n_pixels), n_pixels) {}

    cytosol::reference reference_of(const cytosol::context &ctx) const {
        return {ctx, cytosol::matrix::borrow(ctx, reference.view()), cell_names, gene_names, labels, types};
    }
    cytosol::spatial spatial_with(const cytosol::matrix &counts) const {
        return {counts, pixel_names, gene_names, coords};
    }
    cytosol::spatial spatial_of(const cytosol::context &ctx) const {
        return spatial_with(cytosol::matrix::borrow(ctx, pixels.view()));
    }

private:
    tissue(simulation *sim, int64_t n)
        : pixels(sim->pixels), reference(sim->cells), pixel_names(sim->pixel_names, sim->pixel_names + n),
          cell_names(sim->cell_names, sim->cell_names + N_CELLS),
          gene_names(sim->gene_names, sim->gene_names + N_GENES),
          types(sim->type_names, sim->type_names + N_TYPES), labels(sim->labels, sim->labels + N_CELLS),
          coords(static_cast<std::size_t>(n)) {
        std::memcpy(coords.data(), sim->coords, sizeof(double) * 2 * coords.size());
        simulation_free(sim);
    }
};

inline cytosol::context context_with(int threads) {
    cytosol::context_options options;
    options.threads = threads;
    options.progress_interval_ms = 10;
    return cytosol::context(options);
}

/* Sigma given, which saves its search: for what is about something else. */
inline cytosol::rctd_options given_sigma() {
    cytosol::rctd_options options;
    options.set("sigma", 40);
    return options;
}

inline std::size_t size_of(int32_t dtype) {
    switch (dtype) {
    case CYTO_U8: return 1;
    case CYTO_U32: return 4;
    case CYTO_F64:
    case CYTO_U64: return 8;
    default: return 0;
    }
}

/* 1 when both have the array with the same bits, or neither has it. */
inline bool same_array(const cytosol::rctd_results &a, const cytosol::rctd_results &b, const char *name) {
    cyto_array x = CYTO_ARRAY_INIT, y = CYTO_ARRAY_INIT;
    const cyto_status of_x = a.lend_array(name, &x, nullptr), of_y = b.lend_array(name, &y, nullptr);
    if (of_x != CYTO_OK || of_y != CYTO_OK) return of_x == CYTO_NOT_FOUND && of_y == CYTO_NOT_FOUND;
    if (x.dtype == CYTO_TEXT) return y.dtype == CYTO_TEXT && a.texts(name) == b.texts(name);
    return x.dtype == y.dtype && x.n_rows == y.n_rows && x.n_columns == y.n_columns && size_of(x.dtype) > 0 &&
           std::memcmp(x.data, y.data, x.n_rows * x.n_columns * size_of(x.dtype)) == 0;
}

inline bool same_results(const cytosol::rctd_results &a, const cytosol::rctd_results &b) {
    bool same = a.mode() == b.mode() && a.sigma() == b.sigma() && a.n_pixels() > 0;
    for (const char *name :
         {"cell_types", "barcodes", "pixels", "weights", "normalized_weights", "dominant_type", "conv_all",
          "spot_class", "first_type", "second_type", "first_class", "second_class", "min_score",
          "singlet_score", "conv_doublet", "weights_doublet", "doublet_weights", "candidate_offsets",
          "candidates", "singlet_scores", "pair_offsets", "pair_scores", "multi_offsets", "multi_types",
          "conf_list", "sub_weights", "conv_sub", "fallback"})
        if (!same_array(a, b, name)) {
            std::fprintf(stderr, "array \"%s\" differs\n", name);
            same = false;
        }
    return same;
}

#endif
