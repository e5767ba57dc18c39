# The single stages run by each package, and what they refuse.

test_that("single stages give what DESeq2's give", {
  skip_without_DESeq2()
  input <- deseq_counts()
  ours <- run_workflow("cytosol", input, "workflow-stages.R")
  theirs <- run_workflow("DESeq2", input, "workflow-stages.R")
  expect_identical(ours$arguments, theirs$arguments)
  expect_identical(ours$defaults, theirs$defaults)
  for (name in c("gene_wise", "parametric", "local", "mean", "map", "wald", "lrt", "other", "rounds", "linear", "not_linear", "other_map",
                 "own", "plain", "expanded mle", "standard mle", "expanded test", "standard test")) {
    # More rounds end where a change is below 0.05, which a last bit decides.
    expect_table(ours[[name]], theirs[[name]], if (name == "rounds") 1e-4 else 1e-6)
  }
  expect_identical(ours$map_about, theirs$map_about)
  for (name in c("mu", "expanded H", "standard H")) expect_close(ours[[name]], theirs[[name]], 1e-6, name)
  for (name in c(outer(c("parametric", "local", "mean"), c("variance", "prior"), paste), "map_prior", "own_prior"))
    expect_equal(ours[[name]], theirs[[name]], tolerance = 1e-7, info = name)
  for (name in c(outer(c("expanded", "standard"), c("weighted", "quantile", "variance"), paste)))
    expect_equal(ours[[name]], theirs[[name]], tolerance = 1e-6, info = name)
  # Two steps of the grid of variances, as the reference's random numbers are read from a table.
  expect_lt(abs(ours$few_prior - theirs$few_prior), 0.03)
  for (name in c("replaced", "replace", "replaceable", "replaced_some", "replaceable_some", "shown"))
    expect_identical(ours[[name]], theirs[[name]], info = name)
  expect_gt(sum(ours$replaced != input$counts), 0)
  expect_gt(sum(ours$replaced_some != ours$replaced), 0)
  expect_close(ours$stabilized, theirs$stabilized, 1e-9, "getVarianceStabilizedData")
  for (name in c("totals", "by_length", "by_length_totals")) expect_equal(ours[[name]], theirs[[name]], tolerance = 1e-10, info = name)
})

test_that("stages give the bits of estimateDispersions, also from a file", {
  dds <- estimateSizeFactors(deseq_data(), quiet = TRUE)
  whole <- estimateDispersions(dds, quiet = TRUE)
  kept <- function(object) {
    file <- tempfile()
    saveRDS(object, file)
    readRDS(file)
  }
  for (store in list(identity, kept)) {
    staged <- store(estimateDispersionsGeneEst(dds, quiet = TRUE))
    staged <- store(estimateDispersionsFit(staged, quiet = TRUE))
    staged <- store(estimateDispersionsMAP(staged, quiet = TRUE))
    expect_identical(S4Vectors::mcols(staged), S4Vectors::mcols(whole))
    expect_identical(attr(dispersionFunction(staged), "dispPriorVar"), attr(dispersionFunction(whole), "dispPriorVar"))
    expect_identical(as.data.frame(results(nbinomWaldTest(staged, quiet = TRUE))),
                     as.data.frame(results(nbinomWaldTest(whole, quiet = TRUE))))
  }
  old <- options(cytosol.threads = 3L)
  on.exit(options(old))
  many <- estimateDispersionsMAP(estimateDispersionsFit(estimateDispersionsGeneEst(dds, quiet = TRUE)), quiet = TRUE)
  expect_identical(S4Vectors::mcols(many), S4Vectors::mcols(whole))
})

test_that("stages of quasi-likelihood dispersions are those of the whole", {
  dds <- estimateSizeFactors(deseq_data(n = 60), quiet = TRUE)
  whole <- suppressMessages(estimateDispersions(dds, fitType = "glmGamPoi"))
  steps <- estimateDispersionsGeneEst(dds, quiet = TRUE, type = "glmGamPoi")
  steps <- estimateDispersionsFit(steps, fitType = "glmGamPoi", quiet = TRUE)
  steps <- estimateDispersionsMAP(steps, quiet = TRUE, type = "glmGamPoi")
  columns <- function(object) as.list(S4Vectors::mcols(object)[, sort(colnames(S4Vectors::mcols(object)))])
  expect_identical(columns(steps), columns(whole))
  expect_identical(attr(steps, "quasiLikelihood_df0"), attr(whole, "quasiLikelihood_df0"))
})

test_that("stages refuse what is missing or not supported", {
  dds <- estimateSizeFactors(deseq_data(n = 60), quiet = TRUE)
  expect_s3_class(cyto_error(estimateDispersionsFit(dds)), "cyto_state")
  expect_match(cyto_error(estimateDispersionsMAP(dds))$message, "estimateDispersionsFit first")
  first <- estimateDispersionsGeneEst(dds, quiet = TRUE)
  expect_s3_class(cyto_error(estimateDispersionsPriorVar(first)), "cyto_state")
  expect_s3_class(cyto_error(estimateDispersionsGeneEst(deseq_data(n = 60))), "cyto_state")
  expect_match(cyto_error(estimateDispersionsGeneEst(dds, alphaInit = c(1, 2)))$message, "alphaInit has 2 values")
  expect_match(cyto_error(estimateDispersionsGeneEst(dds, minDisp = 1e-20))$message, "minDisp")
  trend <- estimateDispersionsFit(first, quiet = TRUE)
  SummarizedExperiment::assay(trend, "mu") <- NULL
  expect_match(cyto_error(estimateDispersionsMAP(trend))$message, "fitted means")
  expect_s3_class(cyto_error(estimateBetaPriorVar(trend)), "cyto_state")
  expect_s3_class(cyto_error(normalizeGeneLength()), "cyto_unsupported")
  expect_s3_class(cyto_error(replaceOutliers(dds)), "cyto_state")
  tested <- DESeq(dds, quiet = TRUE)
  expect_match(cyto_error(replaceOutliers(tested, minReplicates = 2))$message, "at least 3")
  expect_match(cyto_error(replaceOutliers(tested, whichSamples = 13))$message, "samples")
})

test_that("an object keeps its results when another analysis starts from it", {
  first <- deseq_fit()
  table <- as.data.frame(results(first))
  second <- DESeq(first, fitType = "mean", quiet = TRUE)
  expect_identical(as.data.frame(results(first)), table)
  expect_false(identical(as.data.frame(results(second)), table))
  third <- estimateDispersionsGeneEst(first, quiet = TRUE, minmu = 1)
  expect_identical(as.data.frame(results(first)), table)
  # A transformation does not use dispersions that the object has not got any more.
  without <- estimateSizeFactors(deseq_data(), quiet = TRUE)
  expected <- SummarizedExperiment::assay(rlog(without, blind = FALSE))
  dropped <- second
  S4Vectors::mcols(dropped) <- NULL
  expect_identical(SummarizedExperiment::assay(rlog(dropped, blind = FALSE)), expected)
})

test_that("messages come during the call and can be caught", {
  dds <- deseq_data(n = 100)
  caught <- tryCatch(DESeq(dds), message = conditionMessage)
  expect_identical(caught, "estimating size factors\n")
  seen <- list()
  old <- options(cytosol.progress_interval_ms = 0L, cytosol.progress = function(stage, ...) seen[[length(seen) + 1]] <<- stage)
  on.exit(options(old))
  done <- withCallingHandlers(DESeq(dds), message = function(m) {
    seen[[length(seen) + 1]] <<- trimws(conditionMessage(m))
    invokeRestart("muffleMessage")
  })
  # Progress of the base means stands between the messages of its stage and the next.
  at <- match(c("estimating dispersions", "base means", "mean-dispersion relationship", "fitting model and testing"), seen)
  expect_false(anyNA(at))
  expect_false(is.unsorted(at))
  error <- tryCatch(withCallingHandlers(DESeq(dds), message = function(m) stop("mine")), error = conditionMessage)
  expect_identical(error, "mine")
  expect_identical(results(DESeq(dds, quiet = TRUE))$padj, results(done)$padj)
})
