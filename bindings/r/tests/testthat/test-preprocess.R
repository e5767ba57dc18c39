# Preprocessing: files and matrices give the same bits, and what both refuse.

counts <- small$reference@counts
types <- small$reference@cell_types

mtx_folder <- function(counts) {
  folder <- tempfile()
  dir.create(folder)
  Matrix::writeMM(counts, file.path(folder, "matrix.mtx"))
  writeLines(paste(rownames(counts), rownames(counts), "Gene Expression", sep = "\t"), file.path(folder, "features.tsv"))
  writeLines(colnames(counts), file.path(folder, "barcodes.tsv"))
  write.csv(data.frame(barcode = colnames(counts), cell_type = types[colnames(counts)]),
            file.path(folder, "cells.csv"), row.names = FALSE, quote = FALSE)
  folder
}

folder <- mtx_folder(counts)
here <- tempfile()
dir.create(here)
at <- function(name) file.path(here, name)
raw <- at("raw.h5ad")
pp_convert(folder, raw, max_cores = 2)

test_that("metrics of a file, a folder, a matrix and an experiment are the same, and right", {
  of_file <- pp_qc(raw, percent_top = c(5, 20))
  expect_identical(pp_qc(folder, percent_top = c(5, 20))$obs, of_file$obs)
  groups <- list(mt = seq_len(nrow(counts)) <= 5)
  of_matrix <- pp_qc(counts, percent_top = c(5, 20), qc_vars = groups, max_cores = 1)
  expect_identical(of_matrix$obs[names(of_file$obs)], of_file$obs)
  expect_identical(of_matrix$var, of_file$var)
  expect_identical(pp_qc(as.matrix(counts), percent_top = c(5, 20))$obs, of_file$obs)
  integers <- as.matrix(counts)
  storage.mode(integers) <- "integer"
  expect_identical(pp_qc(integers, percent_top = c(5, 20))$var, of_file$var)
  experiment <- SummarizedExperiment::SummarizedExperiment(
    list(counts = counts), rowData = S4Vectors::DataFrame(mt = groups$mt))
  expect_identical(pp_qc(experiment, percent_top = c(5, 20), qc_vars = "mt")$obs, of_matrix$obs)
  expect_identical(pp_qc(counts, percent_top = NULL, log1p = FALSE)$obs,
                   of_file$obs[c("n_genes_by_counts", "total_counts")])
  # By R's own arithmetic.
  obs <- of_matrix$obs
  expect_equal(obs$total_counts, unname(Matrix::colSums(counts)))
  expect_equal(obs$n_genes_by_counts, unname(Matrix::colSums(counts > 0)))
  expect_equal(obs$pct_counts_mt, unname(100 * Matrix::colSums(counts[1:5, ]) / Matrix::colSums(counts)), tolerance = 1e-6)
  top <- apply(as.matrix(counts), 2, function(cell) 100 * sum(sort(cell, decreasing = TRUE)[1:5]) / sum(cell))
  expect_equal(obs$pct_counts_in_top_5_genes, unname(top), tolerance = 1e-6)
  expect_equal(of_matrix$var$pct_dropout_by_counts, unname(100 * Matrix::rowMeans(counts == 0)))
  expect_identical(rownames(obs), colnames(counts))
  expect_output(print(of_matrix), "data.frame", fixed = TRUE)
})

test_that("rows whose name came before are told apart, and rows without names are numbered", {
  twice <- counts
  rownames(twice)[2:3] <- rownames(twice)[1]
  expect_identical(rownames(pp_qc(twice, percent_top = 5)$var)[1:3], paste0(rownames(counts)[1], c("", "-1", "-2")))
  expect_identical(rownames(pp_qc(unname(counts), percent_top = 5)$obs), as.character(seq_len(ncol(counts))))
})

test_that("filters and subsets keep what R keeps", {
  totals <- Matrix::colSums(counts)
  cut <- stats::median(totals)
  cells <- pp_filter_cells(counts, min_counts = cut)
  expect_identical(cells$x, counts[, totals >= cut])
  expect_identical(cells$kept, totals >= cut)
  file <- pp_filter_cells(raw, at("c.h5ad"), min_counts = cut)
  expect_identical(file$kept, cells$kept)
  expect_identical(file$obs, cells$obs)
  found_in <- Matrix::rowSums(counts > 0)
  most <- stats::median(found_in)
  genes <- pp_filter_genes(counts, max_cells = most)
  expect_identical(genes$x, counts[found_in <= most, ])
  expect_identical(pp_filter_genes(raw, max_cells = most)$kept, genes$kept)
  pp_subset(raw, at("s.h5ad"), cells = unname(cells$kept))
  expect_identical(pp_qc(at("s.h5ad"), percent_top = 5)$var, pp_qc(cells$x, percent_top = 5)$var)
  experiment <- SummarizedExperiment::SummarizedExperiment(list(counts = counts))
  expect_identical(SummarizedExperiment::assay(pp_filter_cells(experiment, min_counts = cut)$x), cells$x)
  expect_s3_class(cyto_error(pp_filter_cells(counts)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(pp_filter_cells(counts, min_counts = 1, max_counts = 2)), "cyto_invalid_argument")
  expect_match(conditionMessage(cyto_error(pp_subset(raw, at("no.h5ad"), cells = c(TRUE, FALSE)))), "cells: 2 values; the file needs 160")
  expect_identical(cyto_error(pp_subset(raw, at("no.h5ad"), genes = c(1, 2)))$argument, "genes")
  expect_false(file.exists(at("no.h5ad")))
})

test_that("normalised values and logarithms are those of a file", {
  sizes <- pp_normalize_total(raw, at("n.h5ad"), target_sum = 1e4)
  here <- pp_normalize_total(counts, target_sum = 1e4)
  expect_identical(unname(here$size_factors), sizes$size_factors)
  expect_identical(pp_size_factors(counts, target_sum = 1e4)$size_factors, here$size_factors)
  expect_equal(here$x, Matrix::t(Matrix::t(counts) * 1e4 / Matrix::colSums(counts)), tolerance = 1e-6)
  pp_log1p(at("n.h5ad"), at("l.h5ad"))
  logs <- pp_log1p(here$x)$x
  expect_equal(logs@x, log1p(here$x@x))
  expect_equal(pp_log1p(counts, base = 2)$x@x, log2(counts@x + 1), tolerance = 1e-6)
  # Sums by type of a file and of values: the same up to the rounding of the file.
  sums <- pp_aggregate(at("l.h5ad"), by = "cell_type")$sum
  expect_equal(pp_aggregate(logs, by = types)$sum, sums, tolerance = 1e-6)
  dominant <- pp_normalize_total(counts, exclude_highly_expressed = TRUE, max_fraction = 0.02)
  expect_true(length(dominant$excluded_genes) > 0 && all(dominant$excluded_genes %in% rownames(counts)))
  expect_warning(pp_log1p(at("l.h5ad"), at("l2.h5ad")), "already")
  expect_s3_class(cyto_error(pp_log1p(at("l.h5ad"), at("l2.h5ad"), guard = TRUE)), "cyto_state")
})

test_that("variable genes and components of a matrix are those of a file, counts or logarithms", {
  before <- list(normalize_total = list(target_sum = 1e4), log1p = TRUE)
  with_before <- function(f, ...) do.call(f, c(list(counts, ...), before))
  for (flavor in c("seurat", "cell_ranger")) {
    file <- pp_highly_variable_genes(at("l.h5ad"), at("h.h5ad"), n_top_genes = 30, flavor = flavor)
    here <- with_before(pp_highly_variable_genes, n_top_genes = 30, flavor = flavor)
    expect_identical(here$hvg, file$hvg)
    expect_identical(here$highly_variable, file$highly_variable)
    logs <- pp_log1p(pp_normalize_total(counts, target_sum = 1e4)$x)$x
    expect_equal(pp_highly_variable_genes(logs, n_top_genes = 30, flavor = flavor)$hvg, file$hvg, tolerance = 1e-5)
    batches <- pp_highly_variable_genes(at("l.h5ad"), n_top_genes = 30, flavor = flavor, batch_key = "cell_type")$hvg
    expect_identical(with_before(pp_highly_variable_genes, n_top_genes = 30, flavor = flavor,
                                 batch_key = as.character(types))$hvg, batches)
    expect_true("highly_variable_nbatches" %in% names(batches))
  }
  for (flavor in c("seurat_v3", "seurat_v3_paper")) {
    file <- pp_highly_variable_genes(raw, n_top_genes = 30, flavor = flavor, batch_key = "cell_type")
    expect_identical(pp_highly_variable_genes(counts, n_top_genes = 30, flavor = flavor, batch_key = types)$hvg, file$hvg)
  }
  twos <- pp_log1p(counts, base = 2)$x
  expect_equal(pp_highly_variable_genes(twos, log_base = 2)$hvg,
               pp_highly_variable_genes(counts, log1p = list(base = 2))$hvg, tolerance = 1e-5)
  pp_highly_variable_genes(at("l.h5ad"), at("h.h5ad"), n_top_genes = 30)
  mask <- with_before(pp_highly_variable_genes, n_top_genes = 30)$highly_variable
  file <- pp_pca(at("h.h5ad"), at("p.h5ad"), n_comps = 5)
  here <- with_before(pp_pca, n_comps = 5, mask_var = mask)
  expect_identical(here[c("loadings", "variance", "variance_ratio", "pca_genes", "pca_mean")],
                   file[c("loadings", "variance", "variance_ratio", "pca_genes", "pca_mean")])
  expect_identical(here$pca_genes, rownames(counts)[mask])
  dense <- as.matrix(logs)[mask, ]
  reference <- stats::prcomp(t(dense))
  ours <- pp_pca(dense, n_comps = 5)
  expect_equal(ours$variance, reference$sdev[1:5]^2)
  expect_equal(abs(ours$scores), abs(reference$x[, 1:5]))
  all <- pp_pca(at("h.h5ad"), n_comps = 5, mask_var = NULL)
  expect_identical(all$pca_genes, rownames(counts))
})

test_that("scaled values are R's, masks and all", {
  logs <- pp_log1p(counts)$x
  scaled <- pp_scale(logs, max_value = 2)
  expect_equal(scaled$x, pmin(pmax(t(scale(t(as.matrix(logs)))), -2), 2), ignore_attr = c("scaled:center", "scaled:scale"))
  some <- rep(c(TRUE, TRUE, FALSE), length.out = ncol(counts))
  flat <- pp_scale(logs, zero_center = FALSE, mask_obs = some)
  expect_equal(unname(flat$gene_std), unname(apply(as.matrix(logs)[, some], 1, stats::sd)))
  expect_equal(as.matrix(flat$x), as.matrix(logs) / ifelse(matrix(some, nrow(logs), ncol(logs), byrow = TRUE), flat$gene_std, 1))
  pp_scale(at("l.h5ad"), at("z.h5ad"), max_value = 2, dense_ok = TRUE)
  here <- pp_scale(counts, max_value = 2, normalize_total = list(target_sum = 1e4), log1p = TRUE)
  expect_identical(pp_aggregate(here$x, by = types)$sum, pp_aggregate(at("z.h5ad"), by = "cell_type")$sum)
  expect_s3_class(cyto_error(pp_scale(at("l.h5ad"), at("z.h5ad"))), "cyto_unsupported")
})

test_that("neighbours are the nearest, of files and of coordinates", {
  scores <- pp_pca(counts, n_comps = 4, log1p = TRUE)$scores
  near <- pp_neighbors(scores, n_neighbors = 6)
  distances <- as.matrix(stats::dist(scores))
  expect_identical(near$indices[3, ], as.double(order(distances[3, ])[2:6]))
  expect_equal(near$distances[3, ], unname(sort(distances[3, ])[2:6]))
  expect_equal(near$distance_matrix[3, near$indices[3, ]], near$distances[3, ], ignore_attr = TRUE)
  expect_true(Matrix::isSymmetric(near$connectivities))
  expect_identical(pp_neighbors(scores[, 1:2], n_neighbors = 6), pp_neighbors(scores, n_neighbors = 6, n_pcs = 2))
  file <- pp_neighbors(at("p.h5ad"), at("k.h5ad"))
  expect_identical(dim(file$indices), c(ncol(counts), 14L))
  expect_identical(cyto_error(pp_neighbors(scores, n_pcs = 9))$argument, "n_pcs")
})

test_that("pseudobulk has genes in rows and groups in columns", {
  funcs <- c("sum", "mean", "var", "count_nonzero", "median")
  file <- pp_aggregate(raw, at("a.h5ad"), by = "cell_type", func = funcs)
  here <- pp_aggregate(counts, by = types, func = funcs)
  expect_identical(here[funcs], file[funcs])
  expect_identical(unname(here$group_codes), file$group_codes)
  expect_identical(rownames(here$groups), levels(types))
  expect_equal(here$sum, vapply(levels(types), function(t) Matrix::rowSums(counts[, types == t]), numeric(nrow(counts))))
  expect_identical(here$groups$n_obs_aggregated, as.double(table(types)))
  labels <- as.character(types)
  labels[1:7] <- NA
  few <- pp_aggregate(counts, by = labels)
  expect_identical(sum(is.na(few$group_codes)), 7L)
  expect_identical(few$report$n_cells_without_label, 7)
  expect_s4_class(DESeqDataSetFromMatrix(here$sum, here$groups, ~1), "DESeqDataSet")
})

test_that("all in one go: file, matrix, and the steps one by one", {
  least <- as.double(stats::median(Matrix::colSums(counts)))
  often <- as.double(stats::quantile(Matrix::rowSums(counts > 0), 0.2))
  options <- list(qc = list(percent_top = 5), filter_cells = list(min_counts = least, min_genes = 5),
                  filter_genes = list(min_cells = often / 2), normalize_total = list(target_sum = 1e4),
                  highly_variable_genes = list(n_top_genes = 25, batch_key = "cell_type"), pca = list(n_comps = 4))
  file <- do.call(pp_preprocess, c(list(raw, at("f.h5ad")), options))
  options$highly_variable_genes$batch_key <- types
  here <- do.call(pp_preprocess, c(list(counts, max_cores = 1), options))
  same <- c("obs", "var", "hvg", "highly_variable", "loadings", "variance", "variance_ratio", "pca_genes", "pca_mean")
  expect_identical(here[same], file[same])
  expect_identical(unname(here$size_factors), file$size_factors)
  told <- c("n_cells_kept", "n_genes_kept", "n_highly_variable", "target_sum", "variance_ratio")
  expect_identical(here$report[told], file$report[told])
  expect_true(file$report$n_cells_kept < ncol(counts))
  kept <- Matrix::colSums(counts) >= least & Matrix::colSums(counts > 0) >= 5
  expect_identical(colnames(here$x), colnames(counts)[kept])
  bare <- pp_preprocess(counts, qc = NULL, highly_variable_genes = FALSE, pca = FALSE)
  expect_identical(names(bare), c("size_factors", "x", "report"))
  expect_identical(cyto_error(pp_preprocess(counts, log1p = NULL))$argument, "log1p")
  expect_s3_class(cyto_error(pp_preprocess(bare$x)), "cyto_state")
  expect_identical(cyto_error(pp_preprocess(raw, at("f.h5ad"), pca = 3))$argument, "pca")
})

test_that("threads and memory change no bit", {
  first <- pp_preprocess(raw, at("f1.h5ad"), qc = list(percent_top = 5), pca = list(n_comps = 4), max_cores = 1)
  second <- pp_preprocess(raw, at("f2.h5ad"), qc = list(percent_top = 5), pca = list(n_comps = 4), max_cores = 2,
                          memory_limit = 64e6)
  first$output <- second$output <- NULL
  expect_identical(first, second)
})

test_that("files are converted, judged, and cleaned up", {
  pp_convert(raw, at("t.h5ad"), layout = "csc", compression = "gzip:1+shuffle")
  good <- pp_validate(at("t.h5ad"))
  expect_identical(nrow(good$faults), 0L)
  expect_identical(good$report$matrices[[1]]$layout, "csc")
  # Numbers of cells are 32-bit when the genes are the rows of the file, as scanpy has them.
  expect_equal(pp_qc(at("t.h5ad"), percent_top = 5)$var, pp_qc(raw, percent_top = 5)$var, tolerance = 0)
  writeBin(readBin(raw, "raw", 3000), at("half.h5ad"))
  expect_s3_class(cyto_error(pp_validate(at("half.h5ad"))), "cyto_format")
  left <- at(".raw.h5ad.4294967295.abc.tmp")
  file.create(left)
  Sys.setFileTime(left, as.POSIXct("2001-01-01"))
  expect_identical(pp_cleanup(here), 1)
  expect_false(file.exists(left))
  expect_s3_class(cyto_error(pp_cleanup(at("none"))), "cyto_not_found")
  expect_length(list.files(here, "cyto-pp-", all.files = TRUE), 0)
})

test_that("wrong calls name the argument and leave files alone", {
  argument <- function(expr) cyto_error(expr)$argument
  expect_identical(argument(pp_qc(raw, percent_tops = 1)), "percent_tops")
  expect_identical(argument(pp_qc(counts, percent_top = NA)), "percent_top")
  expect_identical(argument(pp_qc(counts, output = at("x.h5ad"))), "output")
  expect_identical(argument(pp_qc(counts, layer = "logcounts")), "layer")
  expect_identical(argument(pp_qc(counts, qc_vars = list(mt = 1:3))), "qc_vars")
  expect_identical(argument(pp_qc(raw, memory_limit = "1 GB")), "memory_limit")
  expect_identical(argument(pp_qc(raw, max_cores = 0)), "max_cores")
  expect_identical(argument(pp_qc(raw, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)), "output")
  expect_identical(argument(pp_log1p(raw)), "output")
  expect_identical(argument(pp_aggregate(raw)), "by")
  expect_identical(argument(pp_aggregate(counts, by = 1:3)), "by")
  expect_identical(argument(pp_highly_variable_genes(counts, flavor = "surat")), "flavor")
  expect_identical(argument(pp_highly_variable_genes(counts, flavor = "seurat_v3", log1p = TRUE)), "flavor")
  expect_identical(argument(pp_highly_variable_genes(raw, log1p = TRUE)), "log1p")
  expect_identical(argument(pp_pca(counts, mask_var = "high")), "mask_var")
  expect_identical(argument(pp_pca(counts, n_comps = 5000)), "n_comps")
  expect_identical(argument(pp_scale(counts, max_value = -1)), "max_value")
  expect_identical(argument(pp_qc(counts_file(raw, gene_ids = TRUE))), "gene_ids")
  expect_identical(argument(pp_qc(counts_file(folder, layer = "a"))), "layer")
  expect_identical(argument(pp_convert(folder, folder)), "output")
  expect_match(conditionMessage(cyto_error(pp_qc("nowhere.h5ad"))), "nowhere.h5ad", fixed = TRUE)
  expect_s3_class(cyto_error(pp_qc("nowhere")), "cyto_not_found")
  broken <- as.matrix(counts) + 0.5
  broken[2, 3] <- NaN
  expect_match(conditionMessage(cyto_error(pp_pca(broken))), "row 2, column 1", fixed = TRUE)
  expect_false(file.exists(at("x.h5ad")))
})

test_that("assays of an experiment are chosen by name", {
  logs <- pp_log1p(counts)$x
  experiment <- SummarizedExperiment::SummarizedExperiment(
    list(counts = counts, logcounts = logs), colData = S4Vectors::DataFrame(type = types))
  expect_identical(pp_pca(experiment, n_comps = 3, layer = "logcounts"), pp_pca(logs, n_comps = 3))
  expect_identical(pp_aggregate(experiment, by = "type")$sum, pp_aggregate(counts, by = types)$sum)
  expect_match(conditionMessage(cyto_error(pp_qc(experiment, layer = "counts2"))), "counts, logcounts", fixed = TRUE)
  expect_match(conditionMessage(cyto_error(pp_aggregate(experiment, by = "kind"))), "present: type", fixed = TRUE)
})

test_that("progress is told, and Ctrl-C ends the work soon and leaves the target", {
  skip_on_os("windows")
  stages <- character()
  old <- options(cytosol.progress = function(stage, ...) stages <<- c(stages, stage), cytosol.progress_interval_ms = 0L)
  pp_qc(raw, percent_top = 5)
  options(old)
  expect_true(length(stages) > 0)
  many <- counts[rep(seq_len(nrow(counts)), 10), rep(seq_len(ncol(counts)), 50)]
  dimnames(many) <- list(paste0("g", seq_len(nrow(many))), paste0("c", seq_len(ncol(many))))
  sent <- tempfile()
  outcome <- interrupted_at(NULL, function() pp_pca(many, svd_solver = "covariance", max_cores = 1), sent)
  ended <- as.numeric(Sys.time())
  expect_identical(outcome, "interrupted")
  expect_lt(ended - as.numeric(readLines(sent)), 0.3)
  target <- at("target.h5ad")
  file.copy(raw, target)
  before <- tools::md5sum(target)
  stopped <- tryCatch({
    old <- options(cytosol.progress = function(...) stop("enough"), cytosol.progress_interval_ms = 0L)
    pp_preprocess(target, target, qc = NULL)
  }, error = conditionMessage, finally = options(old))
  expect_identical(stopped, "enough")
  expect_identical(tools::md5sum(target), before)
})

test_that("pictures show every gene and cell", {
  skip_if_not_installed("ggplot2")
  built <- function(plot) ggplot2::ggplot_build(plot)$data
  hvg <- pp_highly_variable_genes(counts, n_top_genes = 20, log1p = TRUE)
  points <- built(plot_highly_variable_genes(hvg))[[1]]
  expect_identical(sum(points$colour == "#C8332B"), 2L * sum(hvg$highly_variable))
  expect_identical(nrow(points), 2L * sum(is.finite(hvg$hvg$dispersions_norm)))
  v3 <- pp_highly_variable_genes(counts, n_top_genes = 20, flavor = "seurat_v3")
  expect_s3_class(plot_highly_variable_genes(v3), "ggplot")
  qc <- pp_qc(counts, percent_top = 5, qc_vars = list(mt = seq_len(nrow(counts)) <= 5))
  expect_identical(nrow(built(plot_qc(qc, groups = types))[[2]]), 3L * ncol(counts))
  expect_identical(levels(plot_qc(qc)$data$panel), c("n_genes_by_counts", "total_counts", "pct_counts_mt"))
  expect_identical(plot_qc_scatter(qc)$labels$colour, "pct_counts_mt")
  expect_s3_class(plot_qc_scatter(qc, log = TRUE), "ggplot")
  expect_identical(cyto_error(plot_qc(qc, keys = "n_gene"))$argument, "keys")
  expect_identical(cyto_error(plot_qc(qc, groups = 1:3))$argument, "groups")
  expect_identical(cyto_error(plot_qc(hvg))$argument, "found")
  expect_identical(cyto_error(plot_highly_variable_genes(qc))$argument, "found")
})
