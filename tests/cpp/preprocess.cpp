/*
 * A C++ host of preprocessing: counts in memory and in a file give the same, steps and the fused run agree,
 * failures are exceptions, and a thrown progress callback leaves no file.
 */
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "check.hpp"

namespace pp = cytosol::pp;

static std::string folder;
static std::string at(const std::string &name) { return folder + "/" + name; }

static bool same(const pp::result &a, const pp::result &b, const std::string &name) {
    cyto_array x = CYTO_ARRAY_INIT, y = CYTO_ARRAY_INIT;
    if (a.lend_array(name.c_str(), &x, nullptr) != CYTO_OK || b.lend_array(name.c_str(), &y, nullptr) != CYTO_OK)
        return false;
    return x.dtype == y.dtype && x.n_rows == y.n_rows && x.n_columns == y.n_columns && x.n_rows > 0 &&
           std::memcmp(x.data, y.data, x.n_rows * x.n_columns * size_of(x.dtype)) == 0;
}

static bool says(const pp::result &result, const std::string &words) {
    return result.report_json().find(words) != std::string::npos;
}

static std::vector<std::string> columns(const pp::result &result, const std::string &table) {
    auto stream = result.table(table);
    ArrowSchema schema{};
    CHECK(stream.get()->get_schema(stream.get(), &schema) == 0);
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < schema.n_children; i++) names.emplace_back(schema.children[i]->name);
    schema.release(&schema);
    return names;
}

static bool has(const std::vector<std::string> &names, const std::string &name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/* The cells of the reference as an .h5ad, by way of a folder in Matrix Market format. */
static void make_the_file(const cytosol::context &ctx) {
    simulation *sim = ::simulate(9);
    simulation_write(sim, at("pixels").c_str(), at("counts").c_str());
    simulation_free(sim);
    const cytosol::dataset counts(ctx, at("counts"));
    THROWS(cytosol::invalid_argument, "compression", pp::write_h5ad(ctx, counts, at("raw.h5ad"), R"({"compresion": 1})"));
    pp::write_h5ad(ctx, counts, at("raw.h5ad"));
    CHECK(says(pp::validate(ctx, at("raw.h5ad")), "\"faults\":[]"));
}

static void memory_and_file_agree(const cytosol::context &ctx, const tissue &t) {
    const auto counts = cytosol::matrix::borrow(ctx, t.reference.view());
    const std::string sizes = R"({"target_sum": 1e4})";
    const auto from_file = pp::normalize_total(ctx, at("raw.h5ad"), at("n.h5ad"), sizes);
    const auto in_memory = pp::size_factors(ctx, counts, {}, sizes);
    CHECK(same(from_file, in_memory, "size_factors"));
    const auto factors = in_memory.array<double>("size_factors");
    CHECK(factors.size() == N_CELLS);
    const double total = std::accumulate(t.reference.values.begin() + t.reference.starts[0],
                                         t.reference.values.begin() + t.reference.starts[1], 0.0);
    CHECK(std::fabs(factors[0] - total / 1e4) < 1e-7 * total);

    pp::log1p(ctx, at("n.h5ad"), at("l.h5ad"));
    const auto hvg = pp::highly_variable_genes(ctx, at("l.h5ad"), at("h.h5ad"), R"({"n_top_genes": 40})");
    const auto pca = pp::pca(ctx, at("h.h5ad"), at("p.h5ad"), R"({"n_comps": 5})");
    const std::string on_the_way = R"("normalize_total": {"target_sum": 1e4}, "log1p": true})";
    const auto own_hvg =
        pp::highly_variable_genes(ctx, counts, {}, R"({"n_top_genes": 40, )" + on_the_way);
    CHECK(same(hvg, own_hvg, "highly_variable"));
    pp::matrix_facts facts;
    const auto chosen = own_hvg.array<std::uint8_t>("highly_variable");
    facts.mask_var.assign(chosen.begin(), chosen.end());
    const auto own_pca = pp::pca(ctx, counts, facts, R"({"n_comps": 5, )" + on_the_way);
    CHECK(same(pca, own_pca, "loadings") && same(pca, own_pca, "variance"));
    const auto scores = own_pca.matrix<double>("scores");
    CHECK(scores.rows() == N_CELLS && scores.columns() == 5);

    const auto fused = pp::preprocess(ctx, at("raw.h5ad"), at("f.h5ad"), R"({"qc": {"percent_top": [5]},
        "normalize_total": {"target_sum": 1e4}, "highly_variable_genes": {"n_top_genes": 40}, "pca": {"n_comps": 5}})");
    CHECK(same(pca, fused, "loadings") && same(hvg, fused, "highly_variable") && says(fused, "\"n_comps\":5"));

    const auto neighbors = pp::neighbors(ctx, at("p.h5ad"), {}, R"({"n_neighbors": 6})");
    CHECK(same(neighbors, pp::neighbors(ctx, at("f.h5ad"), at("k.h5ad"), R"({"n_neighbors": 6})"), "indices"));
    CHECK(pp::coordinates_neighbors(ctx, {scores.data(), scores.rows() * 5}, N_CELLS, R"({"n_neighbors": 6})")
              .matrix<std::uint32_t>("indices").columns() == 5);
}

static void metrics_filters_and_sums(const cytosol::context &ctx, const tissue &t) {
    const auto counts = cytosol::matrix::borrow(ctx, t.reference.view());
    pp::matrix_facts facts;
    facts.gene_groups.push_back({"first", std::vector<std::uint8_t>(N_GENES)});
    facts.gene_groups[0].is_inside[3] = 1;
    const auto metrics = pp::qc(ctx, counts, facts, R"({"percent_top": [5]})");
    CHECK(has(columns(metrics, "obs"), "pct_counts_first") && has(columns(metrics, "var"), "n_cells_by_counts"));
    CHECK(has(columns(pp::qc(ctx, at("raw.h5ad"), {}, R"({"percent_top": [5]})"), "obs"), "pct_counts_in_top_5_genes"));
    facts.gene_groups.push_back({"short", {1}});
    THROWS(cytosol::invalid_argument, "short", pp::qc(ctx, counts, facts));

    const auto cells = pp::filter_cells(ctx, at("raw.h5ad"), at("c.h5ad"), R"({"min_counts": 690})");
    const auto kept = cells.array<std::uint8_t>("kept");
    const auto n = std::accumulate(kept.begin(), kept.end(), 0);
    CHECK(kept.size() == N_CELLS && 0 < n && n < N_CELLS);
    const auto subset = pp::subset(ctx, at("raw.h5ad"), at("s.h5ad"), kept);
    CHECK(says(subset, "\"n_cells_kept\":" + std::to_string(n)) && says(subset, "\"n_genes_kept\":null"));
    CHECK(pp::filter_genes(ctx, at("c.h5ad"), {}, R"({"min_cells": 1})").array<std::uint8_t>("kept").size() == N_GENES);

    // A file's groups are in the order of their names.
    facts = {};
    facts.label_names = t.types;
    std::sort(facts.label_names.begin(), facts.label_names.end());
    for (const auto label : t.labels) {
        const auto at_name = std::find(facts.label_names.begin(), facts.label_names.end(), t.types[static_cast<std::size_t>(label)]);
        facts.labels.push_back(static_cast<std::int32_t>(at_name - facts.label_names.begin()));
    }
    const auto sums = pp::aggregate(ctx, counts, facts);
    const auto of_file = pp::aggregate(ctx, at("raw.h5ad"), {}, R"({"by": "cell_type"})");
    CHECK(sums.matrix<double>("sum").rows() == N_TYPES && same(sums, of_file, "sum"));
    CHECK(sums.texts("groups") == facts.label_names);
    const auto scaled = pp::scale(ctx, at("raw.h5ad"), at("z.h5ad"), R"({"zero_center": false})");
    CHECK(scaled.array<double>("gene_std").size() == N_GENES);
    pp::convert(ctx, at("raw.h5ad"), at("csc.h5ad"), R"({"layout": "csc"})");
    CHECK(same(of_file, pp::aggregate(ctx, at("csc.h5ad"), {}, R"({"by": "cell_type"})"), "sum"));
}

// What steps make of a matrix in memory, and logarithms of one's own.
static void made_matrices(const cytosol::context &ctx, const tissue &t) {
    const auto counts = cytosol::matrix::borrow(ctx, t.reference.view());
    const auto by_counts = R"({"min_counts": 690})", by_cells = R"({"max_cells": 70})";
    CHECK(same(pp::filter_cells(ctx, counts, {}, by_counts), pp::filter_cells(ctx, at("raw.h5ad"), {}, by_counts), "kept"));
    CHECK(same(pp::filter_genes(ctx, counts, {}, by_cells), pp::filter_genes(ctx, at("raw.h5ad"), {}, by_cells), "kept"));
    const std::string before = R"("normalize_total": {"target_sum": 1e4}, "log1p": true})";
    const auto made = pp::transform(ctx, counts, "{" + before);
    CHECK(made.array<double>("x_values").size() == t.reference.values.size());
    const auto scaled = pp::scale(ctx, counts, R"({"max_value": 2, )" + before);
    const auto x = scaled.matrix<double>("x");
    CHECK(x.rows() == N_CELLS && x.columns() == N_GENES);
    const std::vector<double> own(x.data(), x.data() + x.rows() * x.columns());
    const auto values = cytosol::matrix::borrow_values(
        ctx, cytosol::dense_view::row_major(cytosol::orientation::cells_by_genes, N_CELLS, N_GENES, own));
    CHECK(values.n_cells() == N_CELLS && values.n_genes() == N_GENES);
    const std::vector<std::uint8_t> all(N_CELLS, 1);
    const auto again = pp::scale(ctx, values, "", all);
    CHECK(std::fabs(again.array<double>("gene_mean")[0]) < 0.1);
    THROWS(cytosol::invalid_argument, "mask_obs", pp::scale(ctx, values, "", std::vector<std::uint8_t>{1, 0}));
    THROWS(cytosol::invalid_argument, "normalize_total", pp::transform(ctx, counts, ""));
}

static void failures_are_exceptions(cytosol::context &ctx) {
    THROWS(cytosol::not_found, "nowhere", pp::qc(ctx, at("nowhere.h5ad")));
    THROWS(cytosol::invalid_argument, "percent_top", pp::qc(ctx, at("raw.h5ad"), {}, R"({"percent_topp": 1})"));
    THROWS(cytosol::not_found, "sum", pp::qc(ctx, at("raw.h5ad"), {}, R"({"percent_top": null})").matrix<double>("sum"));
    THROWS(cytosol::invalid_argument, "coordinates", pp::coordinates_neighbors(ctx, std::vector<double>(7), 2));
    THROWS(cytosol::invalid_argument, "NUL", pp::log1p(ctx, std::string("a\0b", 3), at("x.h5ad")));
    ctx.set_progress([](const cytosol::progress &) -> bool { throw std::domain_error("enough"); });
    THROWS(std::domain_error, "enough", pp::preprocess(ctx, at("raw.h5ad"), at("never.h5ad"),
                                                       R"({"qc": {"percent_top": [5]}})"));
    ctx.set_progress({});
    CHECK(pp::cleanup(folder) == 0);
    THROWS(cytosol::not_found, "nowhere", pp::cleanup(at("nowhere")));
    CHECK(access(at("never.h5ad").c_str(), F_OK) != 0);
}

int main() {
    char name[] = "/tmp/cytosol-cpp-XXXXXX";
    folder = mkdtemp(name);
    auto ctx = context_with(2);
    const tissue t(9);
    make_the_file(ctx);
    memory_and_file_agree(ctx, t);
    metrics_filters_and_sums(ctx, t);
    made_matrices(ctx, t);
    failures_are_exceptions(ctx);
    CHECK(std::system(("rm -r " + folder).c_str()) == 0);
    return failures == 0 ? 0 : 1;
}
