/*
 * An MPI host: every rank makes the same object from the same inputs and fits its shards; bytes travel;
 * rank 0 merges and compares with the whole, bit for bit.
 */
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include "check.hpp"

using cytosol::mode;

/* Sends every rank's bytes to rank 0, one message a shard, and returns them there. */
static std::vector<std::vector<std::uint8_t>> gather(const std::vector<std::vector<std::uint8_t>> &mine) {
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (rank != 0) {
        const int n = static_cast<int>(mine.size());
        MPI_Send(&n, 1, MPI_INT, 0, 0, MPI_COMM_WORLD);
        for (const auto &bytes : mine)
            MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, 0, 1, MPI_COMM_WORLD);
        return {};
    }
    auto all = mine;
    for (int from = 1; from < ranks; from++) {
        int n = 0;
        MPI_Recv(&n, 1, MPI_INT, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        for (int i = 0; i < n; i++) {
            MPI_Status status;
            int size = 0;
            MPI_Probe(from, 1, MPI_COMM_WORLD, &status);
            MPI_Get_count(&status, MPI_BYTE, &size);
            std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
            MPI_Recv(bytes.data(), size, MPI_BYTE, from, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            all.push_back(std::move(bytes));
        }
    }
    return all;
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const tissue t(150);
    const auto ctx = context_with(1);
    cytosol::rctd rctd(ctx, t.spatial_of(ctx), t.reference_of(ctx));
    rctd.fit_bulk(ctx);
    rctd.choose_sigma(ctx);
    for (const mode how : {mode::full, mode::doublet, mode::multi}) {
        std::vector<std::vector<std::uint8_t>> fitted;
        const auto plan = rctd.plan(20);
        for (std::size_t i = static_cast<std::size_t>(rank); i < plan.size(); i += static_cast<std::size_t>(ranks)) {
            const auto shard = rctd.run_shard(ctx, how, plan[i]);
            const auto bytes = shard.serialize();
            fitted.emplace_back(bytes.begin(), bytes.end());
        }
        CHECK(!fitted.empty());
        const auto all = gather(fitted);
        if (rank != 0) continue;
        std::vector<cytosol::partial> shards;
        for (const auto &bytes : all) shards.push_back(cytosol::partial::deserialize(bytes));
        CHECK(shards.size() == plan.size());
        CHECK(same_results(rctd.fit_pixels(ctx, how), rctd.merge(how, shards)));
    }
    int total = 0;
    MPI_Allreduce(&failures, &total, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) std::printf("mpi: %d ranks, %d failures\n", ranks, total);
    MPI_Finalize();
    return total == 0 ? 0 : 1;
}
