/* As job.c, in C++. */
#include <cstdio>
#include <ctime>

#include "cytosol.hpp"

static void job(const cytosol::context &ctx, const char *spatial_path, const char *reference_path) {
    const std::clock_t begun = std::clock();
    std::clock_t engine = 0;
    {
        const cytosol::reference reference(ctx, cytosol::dataset(ctx, reference_path));
        const cytosol::dataset pixels(ctx, spatial_path);
        const cytosol::spatial spatial(pixels.counts(), pixels.texts("cells"), pixels.texts("genes"));
        const std::clock_t run = std::clock();
        const auto results = cytosol::run_rctd(ctx, spatial, reference);
        engine = std::clock() - run;
        const auto weights = results.weights();
        double total = 0;
        for (std::size_t i = 0; i < weights.rows(); i++)
            for (const double w : weights[i]) total += w;
        if (!(total > 0) || results.array<std::uint8_t>("spot_class").size() != weights.rows()) std::abort();
    }
    const std::clock_t all = std::clock() - begun;
    std::printf("%.6f %.6f\n", static_cast<double>(all) / CLOCKS_PER_SEC,
                static_cast<double>(all - engine) / CLOCKS_PER_SEC);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    cytosol::context_options options;
    options.threads = 1;
    cytosol::context ctx(options);
    std::uint64_t heard = 0;
    ctx.set_progress([&](const cytosol::progress &p) {
        heard += p.done;
        return true;
    });
    for (int i = 0; i < 3; i++) job(ctx, argv[1], argv[2]);
}
