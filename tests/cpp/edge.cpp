/* What a C++ host can do wrong: every case is an exception of its kind, and nothing breaks. */
#include <sys/wait.h>
#include <unistd.h>

#include <limits>
#include <thread>

#include "check.hpp"

using cytosol::invalid_argument;
using cytosol::mode;
using cytosol::orientation;

static void sizes_of_vectors(const cytosol::context &ctx) {
    std::vector<int32_t> starts{0, 2, 3}, genes{0, 2, 1};
    std::vector<double> values{1, 2, 3}, two{1, 2};
    const auto borrow = [&](std::size_t rows, std::size_t columns, int base = 0) {
        return cytosol::matrix::borrow(
            ctx, cytosol::sparse_view::csr(orientation::cells_by_genes, rows, columns, starts, genes, values, base));
    };
    CHECK(borrow(2, 3).n_cells() == 2);
    THROWS(invalid_argument, "indptr", borrow(3, 3));
    THROWS(invalid_argument, "indptr", borrow(std::numeric_limits<std::size_t>::max(), 3));
    THROWS(invalid_argument, "columns", borrow(2, std::numeric_limits<std::size_t>::max()));
    THROWS(invalid_argument, "index_base", borrow(2, 3, 2));
    THROWS(invalid_argument, "indices",
           cytosol::sparse_view::csr(orientation::cells_by_genes, 2, 3, starts, genes, two));
    THROWS(invalid_argument, "corrupt_matrix", borrow(2, 2)); // gene 2 of 2
    genes[1] = -1;
    THROWS(invalid_argument, "\"index\":1", borrow(2, 3));
    genes[1] = 2;
    starts[1] = 4;
    THROWS(invalid_argument, "decrease", borrow(2, 3));
    starts[1] = 2;
    starts[2] = 2; // fewer entries than values
    THROWS(invalid_argument, "\"index\":2", borrow(2, 3));
    starts[2] = 3;
    std::vector<int32_t> none;
    THROWS(invalid_argument, "indptr",
           cytosol::sparse_view::csr(orientation::cells_by_genes, 0, 3, none, genes, values));
    const auto dense = [&](std::size_t rows, std::size_t columns, std::size_t row_stride, std::size_t column_stride) {
        return cytosol::matrix::borrow(ctx, cytosol::dense_view::strided(orientation::cells_by_genes, rows, columns,
                                                                         row_stride, column_stride, values));
    };
    CHECK(dense(3, 1, 1, 1).n_cells() == 3 && dense(2, 2, 1, 1).n_genes() == 2);
    THROWS(invalid_argument, "too few", dense(4, 1, 1, 1));
    THROWS(invalid_argument, "too few", dense(2, 2, 2, 1));
    constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();
    THROWS(invalid_argument, "too few", dense(2, 2, huge, 1));
    THROWS(invalid_argument, "too few", dense(huge, huge, huge, huge));
    THROWS(invalid_argument, "too few", dense(huge, 1, 0, 1));
}

static void nothing_at_all(const cytosol::context &ctx) {
    std::vector<int64_t> starts{0}, indices;
    std::vector<std::uint8_t> values;
    for (const std::size_t genes : {0, 7}) {
        const auto view = cytosol::sparse_view::csr(orientation::cells_by_genes, 0, genes, starts, indices, values);
        CHECK(cytosol::matrix::borrow(ctx, view).n_genes() == genes);
        CHECK(cytosol::matrix::copy(ctx, view).n_cells() == 0);
    }
    starts.assign(8, 0); // seven cells without counts, no genes
    const auto view = cytosol::sparse_view::csr(orientation::cells_by_genes, 7, 0, starts, indices, values);
    CHECK(cytosol::matrix::borrow(ctx, view).n_cells() == 7);
    const auto wide = cytosol::sparse_view::csc(orientation::cells_by_genes, 0, 7, starts, indices, values);
    CHECK(cytosol::matrix::borrow(ctx, wide).n_genes() == 7);
    std::vector<double> empty;
    CHECK(cytosol::matrix::borrow(ctx, cytosol::dense_view::row_major(orientation::cells_by_genes, 0, 5, empty)).n_genes() == 5);
}

static void values_that_are_no_counts(const cytosol::context &ctx, tissue &t) {
    const auto reference = t.reference_of(ctx);
    const auto at = static_cast<std::size_t>(t.pixels.starts[3]);
    const double kept = t.pixels.values[at];
    for (const double bad : {-1.0, 0.5, std::nan(""), HUGE_VAL, -HUGE_VAL, 1e12}) {
        t.pixels.values[at] = bad;
        THROWS(cytosol::invalid_data, "pixel3", cytosol::rctd(ctx, t.spatial_of(ctx), reference));
        THROWS(cytosol::invalid_data, "\"row\":3", cytosol::matrix::copy(ctx, t.pixels.view()));
    }
    t.pixels.values[at] = kept;
}

static void names_and_options(const cytosol::context &ctx, const tissue &t) {
    const auto counts = cytosol::matrix::borrow(ctx, t.pixels.view());
    auto names = t.pixel_names;
    names.pop_back();
    THROWS(invalid_argument, "n_pixels", cytosol::spatial(counts, names, t.gene_names));
    names.push_back(std::string("a\0b", 3));
    THROWS(invalid_argument, "NUL", cytosol::spatial(counts, names, t.gene_names));
    names.back() = "\xc3\x28";
    THROWS(invalid_argument, "UTF-8", cytosol::spatial(counts, names, t.gene_names));
    auto labels = t.labels;
    labels.pop_back();
    const auto reference = [&](const std::vector<int32_t> &of) {
        return cytosol::reference(ctx, cytosol::matrix::borrow(ctx, t.reference.view()), t.cell_names,
                                  t.gene_names, of, t.types);
    };
    THROWS(invalid_argument, "cell_types", reference(labels));
    labels.push_back(N_TYPES);
    THROWS(invalid_argument, "cell_types", reference(labels));
    const std::vector<double> profiles(7);
    THROWS(invalid_argument, "profiles", cytosol::reference(profiles, t.gene_names, t.types));
    cytosol::rctd_options options;
    THROWS(invalid_argument, "umi_min", options.set("umi_mim", 1));
    THROWS(invalid_argument, "finite", options.set("umi_min", std::nan("")));
    THROWS(invalid_argument, "JSON", options.set_json("{"));
    options.set("umi_min", 0.1).set("cell_types", t.types).set("keep_scores", false).set("sigma", std::nullopt);
    options.set("cell_types", std::vector<std::string>{"a\"\\\n", "\xc3\xa9"});
    CHECK(options.to_json().find("[\"a\\\"\\\\\\n\",\"\xc3\xa9\"]") != std::string::npos);
    CHECK(options.to_json().find("\"umi_min\":0.1") != std::string::npos);
    const std::vector<std::uint64_t> rows{0, 1, 1000000};
    cytosol::rctd_options sampled;
    sampled.set_sigma_pixels(rows);
    THROWS(invalid_argument, "1000000",
           cytosol::run_rctd(ctx, t.spatial_of(ctx), t.reference_of(ctx), mode::full, sampled));
    sampled.set_sigma_pixels({});
    CHECK(sampled.to_json().find("\"sigma_pixels\":null") != std::string::npos);
    CHECK(sampled.set_sigma_entries({{0, 1}, {5}}).to_json().find("[[0,1],[5]]") != std::string::npos);
    CHECK(sampled.set_sigma_entries({}).to_json().find("\"sigma_entries\":null") != std::string::npos);
}

/* A host whose numbers look like 1.234,5. */
struct comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

static void the_locale_of_the_host() {
    const std::locale before = std::locale::global(std::locale(std::locale(), new comma));
    cytosol::rctd_options options;
    options.set("umi_min", 1234.5).set("umi_max", 1000000);
    CHECK(options.to_json().find("\"umi_min\":1234.5") != std::string::npos);
    std::locale::global(before);
}

static void paths(const cytosol::context &ctx) {
    THROWS(cytosol::not_found, "/no/such", cytosol::dataset(ctx, "/no/such/file.h5ad"));
    THROWS(cytosol::not_found, "/no/\xef\xbf\xbd", cytosol::dataset(ctx, "/no/\xff.h5ad"));
    THROWS(cytosol::format_error, "not_hdf5", cytosol::dataset(ctx, "/etc/passwd"));
    THROWS(invalid_argument, "NUL", cytosol::dataset(ctx, std::string("/no\0such", 8)));
    cytosol::rctd_files files;
    files.spatial = "/no/spatial.h5ad";
    files.reference = "/no/reference.h5ad";
    THROWS(cytosol::not_found, "reference", cytosol::run_rctd(ctx, files));
}

static void after_a_move(const tissue &t) {
    auto ctx = context_with(1);
    auto reference = t.reference_of(ctx);
    auto pixels = t.spatial_of(ctx);
    auto rctd = cytosol::rctd(ctx, pixels, reference, given_sigma());
    THROWS(cytosol::state_error, "fit_bulk", rctd.choose_sigma(ctx));
    rctd.fit_bulk(ctx);
    rctd.choose_sigma(ctx);
    auto results = rctd.fit_pixels(ctx, mode::full);
    auto shard = rctd.run_shard(ctx, mode::full, {0, 5});
    const auto new_rctd = std::move(rctd);
    THROWS(invalid_argument, "rctd", rctd.fit_pixels(ctx));
    THROWS(invalid_argument, "rctd", rctd.plan());
    CHECK(rctd.sigma() == 0 && rctd.config_json() == "{}" && new_rctd.sigma() == 40);
    const auto new_results = std::move(results);
    THROWS(invalid_argument, "handle", results.weights());
    THROWS(invalid_argument, "moved", results.mode());
    const auto new_shard = std::move(shard);
    THROWS(invalid_argument, "partial", shard.serialize());
    THROWS(invalid_argument, "partial", shard.range());
    std::vector<cytosol::partial> shards;
    shards.push_back(std::move(shard));
    THROWS(invalid_argument, "partials", new_rctd.merge(mode::full, shards));
    const auto new_reference = std::move(reference);
    THROWS(invalid_argument, "reference", cytosol::run_rctd(ctx, pixels, reference));
    const auto new_pixels = std::move(pixels);
    THROWS(invalid_argument, "spatial", cytosol::run_rctd(ctx, pixels, new_reference));
    auto new_ctx = std::move(ctx);
    THROWS(invalid_argument, "ctx", new_rctd.fit_pixels(ctx));
    THROWS(invalid_argument, "ctx", ctx.set_progress([](const cytosol::progress &) { return true; }));
    CHECK(ctx.threads() == 0);
    ctx.cancel();
    ctx = std::move(new_ctx);
    CHECK(ctx.threads() == 1 && new_rctd.fit_pixels(ctx, mode::full).n_pixels() > 0);
    THROWS(invalid_argument, "read", cytosol::matrix::from_blocks(1, 1, {}));
    THROWS(invalid_argument, "n_cells", cytosol::matrix::from_blocks(-1, 1, [&](int64_t, int64_t) { return t.pixels.view(); }));
}

static void bytes_that_are_no_shard() {
    const std::vector<std::uint8_t> none, junk(64, 'C');
    THROWS(cytosol::format_error, "", cytosol::partial::deserialize(none));
    THROWS(cytosol::format_error, "", cytosol::partial::deserialize(junk));
}

static void contexts() {
    cytosol::context_options options;
    options.threads = -1;
    THROWS(invalid_argument, "threads", cytosol::context(options));
    options.threads = 1;
    options.device = "quantum";
    THROWS(invalid_argument, "quantum", cytosol::context(options));
    options.device = "cuda";
    THROWS(cytosol::no_gpu, "device", cytosol::context(options));
}

static void two_threads_on_one_context(const tissue &t) {
    auto ctx = context_with(1);
    auto own = context_with(1);
    cytosol::rctd rctd(ctx, t.spatial_of(ctx), t.reference_of(ctx), given_sigma());
    rctd.fit_bulk(ctx);
    rctd.choose_sigma(ctx);
    bool tried = false;
    ctx.set_progress([&](const cytosol::progress &) {
        if (!tried) {
            tried = true;
            std::thread([&] {
                THROWS(cytosol::state_error, "ctx", rctd.fit_bulk(ctx));
                THROWS(cytosol::state_error, "", rctd.fit_pixels(own)); // the object is in use too
            }).join();
        }
        return true;
    });
    CHECK(rctd.fit_pixels(ctx, mode::full).n_pixels() > 0 && tried);
}

/* R's mclapply does this. */
static void after_fork(const tissue &t) {
    auto ctx = context_with(2);
    const auto reference = t.reference_of(ctx);
    const auto pixels = t.spatial_of(ctx);
    const auto expected = cytosol::run_rctd(ctx, pixels, reference, mode::full, given_sigma());
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        const bool same = same_results(expected, cytosol::run_rctd(ctx, pixels, reference, mode::full, given_sigma()));
        ctx = cytosol::context(); // the old one must not wait for the parent's threads
        _exit(same && failures == 0 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(same_results(expected, cytosol::run_rctd(ctx, pixels, reference, mode::full, given_sigma())));
}

/* Run with a library of another number in front: every way in refuses it. */
static int other_abi() {
    THROWS(cytosol::abi_mismatch, "ABI 999", cytosol::context());
    THROWS(cytosol::abi_mismatch, "ABI 999", cytosol::rctd_options());
    THROWS(cytosol::abi_mismatch, "ABI 999", cytosol::partial::deserialize({}));
    return failures == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 2 && std::strcmp(argv[1], "other-abi") == 0) return other_abi();
    tissue t(60);
    const auto ctx = context_with(2);
    sizes_of_vectors(ctx);
    nothing_at_all(ctx);
    values_that_are_no_counts(ctx, t);
    names_and_options(ctx, t);
    the_locale_of_the_host();
    paths(ctx);
    after_a_move(t);
    bytes_that_are_no_shard();
    contexts();
    two_threads_on_one_context(t);
    after_fork(t);
    return failures == 0 ? 0 : 1;
}
