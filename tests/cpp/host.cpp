/*
 * A C++ host: RCTD in one call, step by step and in shards, from every kind of input, with the same bits;
 * progress, exceptions through the library, cancel; tables.
 */
#include <atomic>
#include <chrono>
#include <thread>

#include "check.hpp"

using cytosol::mode;

static double seconds() {
    using clock = std::chrono::steady_clock;
    return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

static cytosol::rctd prepared(const cytosol::context &ctx, const tissue &t, const cytosol::rctd_options &options) {
    cytosol::rctd rctd(ctx, t.spatial_of(ctx), t.reference_of(ctx), options);
    rctd.fit_bulk(ctx);
    rctd.choose_sigma(ctx);
    return rctd;
}

static void one_call_steps_and_shards_agree(const tissue &t) {
    const auto ctx = context_with(2);
    for (const mode how : {mode::full, mode::doublet, mode::multi}) {
        const auto options = how == mode::doublet ? cytosol::rctd_options() : given_sigma();
        const auto whole = cytosol::run_rctd(ctx, t.spatial_of(ctx), t.reference_of(ctx), how, options);
        const auto rctd = prepared(ctx, t, options);
        CHECK(rctd.sigma() == whole.sigma() && whole.mode() == how);
        CHECK(same_results(whole, rctd.fit_pixels(ctx, how)));
        std::vector<cytosol::partial> shards;
        for (const auto &range : rctd.plan(37)) {
            const auto fitted = rctd.run_shard(ctx, how, range);
            const auto bytes = fitted.serialize();
            const std::vector<std::uint8_t> sent(bytes.begin(), bytes.end());
            shards.insert(shards.begin(), cytosol::partial::deserialize(sent)); // order must not matter
            CHECK(shards.front().range().start == range.start && shards.front().range().end == range.end);
        }
        CHECK(same_results(whole, rctd.merge(how, shards)));
        shards.pop_back();
        THROWS(cytosol::invalid_argument, "cover all pixels", rctd.merge(how, shards));
    }
}

static void arrays_have_shapes(const tissue &t) {
    const auto ctx = context_with(1);
    const auto results = cytosol::run_rctd(ctx, t.spatial_of(ctx), t.reference_of(ctx), mode::doublet, given_sigma());
    const auto weights = results.weights();
    CHECK(weights.rows() == t.pixel_names.size() && weights.columns() == N_TYPES);
    CHECK(results.barcodes() == t.pixel_names && results.cell_types() == t.types);
    const auto normalized = results.matrix<double>("normalized_weights");
    for (std::size_t i = 0; i < weights.rows(); i++) {
        double sum = 0, total = 0;
        for (const double w : weights[i]) total += w;
        for (std::size_t k = 0; k < N_TYPES; k++) {
            sum += normalized(i, k);
            CHECK(std::fabs(normalized(i, k) - weights(i, k) / total) < 1e-15);
        }
        CHECK(std::fabs(sum - 1) < 1e-12);
    }
    THROWS(cytosol::not_found, "sub_weights", results.array<double>("sub_weights"));
    THROWS(cytosol::invalid_argument, "weights", results.array<double>("wieghts"));
    THROWS(cytosol::invalid_argument, "matrix", results.array<double>("weights"));
    THROWS(cytosol::invalid_argument, "another type", results.array<double>("spot_class"));
    THROWS(std::out_of_range, "at", results.array<std::uint8_t>("spot_class").at(weights.rows()));
    auto table = results.table();
    ArrowSchema schema{};
    CHECK(table.get()->get_schema(table.get(), &schema) == 0 && schema.n_children > 5);
    schema.release(&schema);
    ArrowArrayStream taken{};
    table.release_to(&taken);
    CHECK(table.get()->release == nullptr && taken.release != nullptr);
    taken.release(&taken);
}

template <class P, class I, class V>
static void variant_gives(const cytosol::context &ctx, const tissue &t, const cytosol::reference &reference,
                          const cytosol::rctd_results &expected, int base) {
    std::vector<P> starts(t.pixels.starts.begin(), t.pixels.starts.end());
    std::vector<I> genes(t.pixels.genes.begin(), t.pixels.genes.end());
    std::vector<V> values(t.pixels.values.size());
    for (std::size_t i = 0; i < values.size(); i++) values[i] = static_cast<V>(t.pixels.values[i]);
    for (auto &x : starts) x += static_cast<P>(base);
    for (auto &x : genes) x += static_cast<I>(base);
    auto view = cytosol::sparse_view::csr(cytosol::orientation::cells_by_genes, t.pixels.n(), N_GENES, starts,
                                          genes, values, base);
    const auto borrowed = cytosol::matrix::borrow(ctx, view.trusted());
    CHECK(borrowed.n_cells() == t.pixels.n() && borrowed.n_genes() == N_GENES);
    CHECK(same_results(expected, cytosol::run_rctd(ctx, t.spatial_with(borrowed), reference, mode::full, given_sigma())));
}

static void every_input_gives_the_same(const tissue &t) {
    const auto ctx = context_with(2);
    const auto reference = t.reference_of(ctx);
    const auto expected = cytosol::run_rctd(ctx, t.spatial_of(ctx), reference, mode::full, given_sigma());
    const auto gives = [&](const cytosol::matrix &counts) {
        CHECK(same_results(expected, cytosol::run_rctd(ctx, t.spatial_with(counts), reference, mode::full, given_sigma())));
    };
    variant_gives<int64_t, int64_t, std::uint8_t>(ctx, t, reference, expected, 1);
    variant_gives<int64_t, int32_t, float>(ctx, t, reference, expected, 0);
    variant_gives<int32_t, int32_t, std::uint16_t>(ctx, t, reference, expected, 0);
    variant_gives<int32_t, int64_t, std::uint32_t>(ctx, t, reference, expected, 1);
    variant_gives<int32_t, int32_t, int32_t>(ctx, t, reference, expected, 0);
    variant_gives<int32_t, int32_t, int64_t>(ctx, t, reference, expected, 0);
    std::vector<double> dense(t.pixels.n() * N_GENES);
    for (std::size_t i = 0; i < t.pixels.n(); i++)
        for (int32_t e = t.pixels.starts[i]; e < t.pixels.starts[i + 1]; e++)
            dense[i * N_GENES + static_cast<std::size_t>(t.pixels.genes[static_cast<std::size_t>(e)])] =
                t.pixels.values[static_cast<std::size_t>(e)];
    const auto by_row = cytosol::dense_view::row_major(cytosol::orientation::cells_by_genes, t.pixels.n(), N_GENES, dense);
    const auto by_column = cytosol::dense_view::column_major(cytosol::orientation::genes_by_cells, N_GENES, t.pixels.n(), dense);
    gives(cytosol::matrix::borrow(ctx, by_row));
    gives(cytosol::matrix::borrow(ctx, by_column));
    const auto copied = cytosol::matrix::copy(ctx, by_row);
    dense.assign(dense.size(), -1);
    gives(copied);
    { // Blocks read by a function; what it holds is released with the last of its children.
        auto token = std::make_shared<int>(0);
        std::vector<int32_t> starts;
        auto counts = cytosol::matrix::from_blocks(
            static_cast<int64_t>(t.pixels.n()), N_GENES, [&t, token, starts](int64_t first, int64_t n) mutable {
                const auto at = t.pixels.starts.begin() + first;
                starts.assign(at, at + n + 1);
                const int32_t origin = starts.front(), end = starts.back();
                for (auto &x : starts) x -= origin;
                *token += 1;
                const cytosol::span<int32_t> genes(t.pixels.genes.data() + origin, std::size_t(end - origin));
                const cytosol::span<double> values(t.pixels.values.data() + origin, genes.size());
                return cytosol::sparse_view::csr(cytosol::orientation::cells_by_genes, std::size_t(n), N_GENES,
                                                 starts, genes, values);
            });
        gives(counts);
        CHECK(*token > 0 && token.use_count() == 2);
        auto rctd = std::make_unique<cytosol::rctd>(ctx, t.spatial_with(counts), reference);
        { const auto gone = std::move(counts); }
        CHECK(token.use_count() == 2);
        rctd.reset();
        CHECK(token.use_count() == 1);
    }
    { // An exception of the reader comes out of the call.
        const auto counts = cytosol::matrix::from_blocks(
            static_cast<int64_t>(t.pixels.n()), N_GENES,
            [](int64_t, int64_t) -> cytosol::sparse_view { throw std::domain_error("the disk is on fire"); });
        THROWS(std::domain_error, "on fire", cytosol::rctd(ctx, t.spatial_with(counts), reference));
    }
    const auto profiles = reference.matrix<double>("profiles");
    const cytosol::reference given({profiles.data(), profiles.rows() * profiles.columns()},
                                   reference.texts("genes"), reference.texts("cell_types"));
    CHECK(same_results(expected, cytosol::run_rctd(ctx, t.spatial_of(ctx), given, mode::full, given_sigma())));
}

static void progress_and_exceptions(const tissue &t) {
    auto ctx = context_with(2);
    const auto rctd = prepared(ctx, t, given_sigma());
    const auto expected = rctd.fit_pixels(ctx);
    int calls = 0, ends = 0;
    const auto thread = std::this_thread::get_id();
    ctx.set_progress([&](const cytosol::progress &p) {
        CHECK(std::this_thread::get_id() == thread && !p.stage.empty() && p.elapsed_s >= 0);
        calls += 1;
        ends += p.total > 0 && p.done == p.total;
        THROWS(cytosol::state_error, "ctx", rctd.fit_pixels(ctx)); // the context is in use
        THROWS(cytosol::state_error, "ctx", ctx.set_progress({}));
        return true;
    });
    CHECK(same_results(expected, rctd.fit_pixels(ctx)));
    CHECK(calls >= 2 && ends >= 1);
    int seen = 0;
    ctx.set_progress([&](const cytosol::progress &) { return ++seen != 2; });
    THROWS(cytosol::cancelled, "cancel", rctd.fit_pixels(ctx));
    CHECK(seen == 2);
    ctx.set_progress([](const cytosol::progress &p) -> bool {
        throw std::runtime_error("thrown at " + std::string(p.stage));
    });
    THROWS(std::runtime_error, "thrown at", rctd.fit_pixels(ctx));
    ctx.set_progress([&](const cytosol::progress &) {
        ctx.cancel();
        return true;
    });
    THROWS(cytosol::cancelled, "cancel", rctd.fit_pixels(ctx));
    // A callback may use another context; what that throws and catches stays inside.
    auto other = context_with(1);
    other.set_progress([](const cytosol::progress &) -> bool { throw 17; });
    ctx.set_progress([&](const cytosol::progress &) {
        bool caught = false;
        try {
            (void)rctd.run_shard(other, mode::full, {0, 1});
        } catch (int seventeen) {
            caught = seventeen == 17;
        } catch (const cytosol::state_error &) {
            caught = true; // the object itself is in use
        }
        CHECK(caught);
        return true;
    });
    CHECK(same_results(expected, rctd.fit_pixels(ctx)));
    ctx.set_progress({});
    ctx.cancel(); // before the start: forgotten
    CHECK(same_results(expected, rctd.fit_pixels(ctx)));
    ctx.cancel(); // after the end: nothing
}

static void cancel_from_another_thread() {
    const tissue t(3000);
    auto ctx = context_with(2);
    const auto rctd = prepared(ctx, t, given_sigma());
    double worst = 0;
    for (int i = 0; i < 3; i++) {
        std::atomic<bool> running{false};
        std::atomic<double> asked{0};
        ctx.set_progress([&](const cytosol::progress &) { running = true; return true; });
        std::thread canceller([&] {
            while (!running) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            std::this_thread::sleep_for(std::chrono::milliseconds(40));
            asked = seconds();
            ctx.cancel();
        });
        THROWS(cytosol::cancelled, "cancel", rctd.fit_pixels(ctx));
        const double latency = seconds() - asked;
        canceller.join();
        if (latency > worst) worst = latency;
    }
    std::printf("cancel: in the middle of a doublet run, returned after at most %.1f ms\n", worst * 1e3);
    CHECK(worst < 1.0); // the promise is 0.25 s on a quiet machine
}

int main() {
    const tissue t(150);
    CHECK(cytosol::version() == cyto_version() && cytosol::build_info_json().find("\"abi\":1") != std::string::npos);
    one_call_steps_and_shards_agree(t);
    arrays_have_shapes(t);
    every_input_gives_the_same(t);
    progress_and_exceptions(t);
    cancel_from_another_thread();
    return failures == 0 ? 0 : 1;
}
