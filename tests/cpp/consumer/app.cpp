/* An application: cell types of the pixels of a tissue, from two files, whole and in shards. */
#include <cstdio>
#include <cstring>

#include "cytosol.hpp"

int main(int argc, char **argv) try {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s SPATIAL REFERENCE\n", argv[0]);
        return 2;
    }
    cytosol::context ctx;
    const cytosol::reference reference(ctx, cytosol::dataset(ctx, argv[2]));
    cytosol::rctd rctd(ctx, cytosol::spatial(cytosol::dataset(ctx, argv[1])), reference);
    rctd.fit_bulk(ctx);
    rctd.choose_sigma(ctx);
    std::vector<cytosol::partial> shards;
    for (const auto &range : rctd.plan(64))
        shards.push_back(rctd.run_shard(ctx, cytosol::mode::doublet, range));
    const auto results = rctd.merge(cytosol::mode::doublet, shards);
    const auto whole = cytosol::run_rctd(ctx, {argv[1], argv[2]});
    const auto a = results.weights(), b = whole.weights();
    if (a.rows() != b.rows() || std::memcmp(a.data(), b.data(), a.rows() * a.columns() * sizeof(double)) != 0) {
        std::fprintf(stderr, "shards and whole differ\n");
        return 1;
    }
    const auto barcodes = results.barcodes(), types = results.cell_types();
    const auto first = results.array<std::uint32_t>("first_type");
    for (std::size_t i = 0; i < barcodes.size(); i++)
        std::printf("%s\t%s\n", barcodes[i].c_str(), types.at(first[i]).c_str());
} catch (const cytosol::error &e) {
    std::fprintf(stderr, "%s: %s\n", cyto_status_name(e.code()), e.what());
    return 1;
}
