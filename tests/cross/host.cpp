/* The C++ host; see README.md. Usage: host INPUT OUTPUT */
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "cytosol.hpp"

using cytosol::mode;

static std::string input, output;

static std::string plain(const std::string &name) {
    std::ifstream file(input + "/plain/" + name, std::ios::binary);
    if (!file) throw std::runtime_error(name + " is missing");
    return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
static std::vector<T> array(const std::string &name) {
    const std::string bytes = plain(name);
    std::vector<T> out(bytes.size() / sizeof(T));
    std::memcpy(static_cast<void *>(out.data()), bytes.data(), bytes.size());
    return out;
}

static std::vector<std::string> names(const std::string &name) {
    std::istringstream lines(plain(name));
    std::vector<std::string> out;
    for (std::string line; std::getline(lines, line);) out.push_back(line);
    return out;
}

static std::string name_of(mode how) {
    return how == mode::full ? "full" : how == mode::doublet ? "doublet" : "multi";
}

static std::ofstream create(const std::string &route, mode how, const std::string &what) {
    std::ofstream file(output + "/" + route + "." + name_of(how) + "." + what, std::ios::binary);
    file.exceptions(std::ios::failbit | std::ios::badbit);
    return file;
}

template <class T>
static void write(const std::string &route, const cytosol::rctd_results &results, const std::vector<const char *> &list) {
    for (const char *name : list) {
        try {
            const auto matrix = results.matrix<T>(name);
            auto file = create(route, results.mode(), name);
            for (std::size_t i = 0; i < matrix.rows(); i++)
                file.write(reinterpret_cast<const char *>(matrix[i].data()),
                           static_cast<std::streamsize>(matrix.columns() * sizeof(T)));
        } catch (const cytosol::not_found &) {
            continue; // of another mode
        }
    }
}

static void write_results(const std::string &route, const cytosol::rctd_results &results) {
    create(route, results.mode(), "sigma") << results.sigma() << "\n";
    for (const char *name : {"cell_types", "barcodes"}) {
        auto file = create(route, results.mode(), name);
        for (const auto &text : results.texts(name)) file << text << "\n";
    }
    write<double>(route, results, {"weights", "normalized_weights", "min_score", "singlet_score", "weights_doublet",
                                   "doublet_weights", "singlet_scores", "pair_scores", "sub_weights"});
    write<std::uint32_t>(route, results, {"pixels", "dominant_type", "first_type", "second_type", "candidates", "multi_types"});
    write<std::uint64_t>(route, results, {"candidate_offsets", "pair_offsets", "multi_offsets"});
    write<std::uint8_t>(route, results, {"conv_all", "spot_class", "first_class", "second_class", "conv_doublet",
                                         "conf_list", "conv_sub", "fallback"});
}

struct counts {
    std::vector<int32_t> starts, genes;
    std::vector<double> values;
    explicit counts(const std::string &stem)
        : starts(array<int32_t>(stem + ".starts.i32")), genes(array<int32_t>(stem + ".genes.i32")),
          values(array<double>(stem + ".values.f64")) {}
    cytosol::matrix borrow(const cytosol::context &ctx, std::size_t n_genes) const {
        return cytosol::matrix::borrow(ctx, cytosol::sparse_view::csc(cytosol::orientation::genes_by_cells, n_genes,
                                                                      starts.size() - 1, starts, genes, values));
    }
};

int main(int argc, char **argv) try {
    if (argc != 3) return 2;
    input = argv[1];
    output = argv[2];
    cytosol::context_options two;
    two.threads = 2;
    const cytosol::context ctx(two);
    const counts cells("cells"), pixels("pixels");
    const auto genes = names("genes.txt"), types = names("types.txt");
    const cytosol::reference reference(ctx, cells.borrow(ctx, genes.size()), names("cells.txt"), genes,
                                       array<int32_t>("labels.i32"), types);
    const cytosol::spatial spatial(pixels.borrow(ctx, genes.size()), names("pixels.txt"), genes,
                                   array<std::array<double, 2>>("coords.f64"));
    cytosol::rctd rctd(ctx, spatial, reference);
    rctd.fit_bulk(ctx);
    rctd.choose_sigma(ctx);
    cytosol::rctd_files files;
    files.spatial = input + "/spatial";
    files.reference = input + "/reference";
    files.reference_options.type_order = types;
    for (const mode how : {mode::full, mode::doublet, mode::multi}) {
        write_results("arrays", cytosol::run_rctd(ctx, spatial, reference, how));
        std::vector<cytosol::partial> shards;
        for (const auto &range : rctd.plan(37))
            shards.push_back(cytosol::partial::deserialize(rctd.run_shard(ctx, how, range).serialize()));
        write_results("shards", rctd.merge(how, shards));
        const auto results = cytosol::run_rctd(ctx, files, how);
        write_results("files", results);
        results.write_h5ad(ctx, files.spatial, output + "/files." + name_of(how) + ".h5ad");
    }
} catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
