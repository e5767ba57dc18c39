test_that("the truth is recovered, whatever the threads", {
  tissue <- simulate_tissue(n_pixels = 150, seed = 9)
  created <- quietly(create.RCTD(tissue$puck, tissue$reference, max_cores = 1))
  fitted <- quietly(run.RCTD(created))
  results <- fitted@results$results_df
  truth <- tissue$truth[rownames(results), ]
  two <- !is.na(truth$second)
  expect_gt(mean(results$spot_class[two] == "doublet_certain"), 0.8)
  expect_gt(mean(results$first_type[!two] == truth$first[!two]), 0.95)
  created@config$max_cores <- 2
  expect_identical(quietly(run.RCTD(created))@results, fitted@results)
  expect_equal(unname(Matrix::rowSums(fitted@results$weights_doublet)), rep(1, nrow(results)))
  expect_equal(unname(rowSums(as.matrix(normalize_weights(fitted@results$weights)))), rep(1, nrow(results)))
})

test_that("modes give spacexr's shapes", {
  RCTD <- prepared()
  n <- ncol(RCTD@spatialRNA@counts)
  full <- fitPixels(RCTD, "full")
  expect_identical(dim(full@results$weights), c(n, 4L))
  expect_s4_class(full@results$weights, "dgCMatrix")
  multi <- fitPixels(RCTD, "multi")
  expect_length(multi@results, n)
  expect_identical(names(multi@results[[1]]), c("all_weights", "cell_type_list", "conf_list", "sub_weights",
                                                "min_score", "conv_all", "conv_sub", "fallback"))
  expect_identical(multi@config$RCTDmode, "multi")
  doublet <- fitPixels(RCTD)
  expect_identical(names(doublet@results), c("results_df", "weights", "weights_doublet", "score_mat", "singlet_scores"))
  expect_true(all(vapply(doublet@results$score_mat, methods::validObject, TRUE)))
  best <- vapply(doublet@results$score_mat, function(m) min(m@x), 0)
  expect_identical(best, doublet@results$results_df$min_score)
  expect_s3_class(cyto_error(fitPixels(RCTD, "both")), "cyto_invalid_argument")
  expect_s3_class(cyto_error(run.RCTD(RCTD, c("full", "multi"))), "cyto_invalid_argument")
})

test_that("set.seed decides which pixels sigma is found on", {
  tissue <- simulate_tissue(n_pixels = 80, seed = 2)
  created <- quietly(fitBulk(create.RCTD(tissue$puck, tissue$reference, max_cores = 1)))
  created@config$N_fit <- 15
  sampled <- function(seed) {
    set.seed(seed)
    fitted <- quietly(choose_sigma_c(created))
    engine <- cytosol:::engine_of(fitted, "test")
    c(cytosol:::array_of(engine, "sigma_scores"), runif(1))
  }
  expect_identical(sampled(3), sampled(3))
  expect_false(sampled(3)[1] == sampled(4)[1])
  # The draws are those of sample() over the names of the eligible pixels, then one a round.
  nUMI <- created@spatialRNA@nUMI
  n <- 15 * length(created@internal_vars$gene_list_reg)
  set.seed(3)
  sample(names(nUMI[nUMI > 300]), 15)
  rounds <- length(sampled(3)) - 1
  set.seed(3)
  sample(names(nUMI[nUMI > 300]), 15)
  for (round in seq_len(rounds)) sample(1:n, n)
  expect_identical(runif(1), tail(sampled(3), 1))
})

test_that("entries are drawn when there are more than are scored", {
  # A generator that the engine cannot go on with: R draws.
  kinds <- RNGkind("Wichmann-Hill")
  on.exit(RNGkind(kinds[1]))
  tissue <- simulate_tissue(n_pixels = 40, seed = 2)
  created <- quietly(fitBulk(create.RCTD(tissue$puck, tissue$reference, max_cores = 1)))
  n <- 40 * length(created@internal_vars$gene_list_reg)
  searched <- function() {
    set.seed(1)
    fitted <- quietly(choose_sigma_c(created))
    engine <- cytosol:::engine_of(fitted, "test")
    list(scores = cytosol:::array_of(engine, "sigma_scores"), after = runif(1))
  }
  all <- searched()
  utils::assignInNamespace("entries_at_most", 500, "cytosol")
  on.exit(utils::assignInNamespace("entries_at_most", 1e6, "cytosol"), add = TRUE)
  some <- searched()
  # A part of the entries has a part of the score.
  expect_true(all(some$scores < 1.5 * 500 / n * min(all$scores)))
  set.seed(1)
  sample(names(created@spatialRNA@nUMI), 40)
  for (round in seq_along(some$scores)) sample(1:n, 500)
  expect_identical(runif(1), some$after)
})

test_that("the engine draws what R would draw", {
  tissue <- simulate_tissue(n_pixels = 720, n_genes = 1500, seed = 3)
  created <- quietly(fitBulk(create.RCTD(tissue$puck, tissue$reference, UMI_min = 1, max_cores = 1)))
  created@config$UMI_min_sigma <- 1
  created@config$N_epoch <- 2
  expect_gt(length(created@internal_vars$gene_list_reg) * ncol(created@spatialRNA@counts), 1e6)
  searched <- function() {
    set.seed(7)
    fitted <- quietly(choose_sigma_c(created))
    list(cytosol:::array_of(cytosol:::engine_of(fitted, "test"), "sigma_scores"), runif(3))
  }
  by_engine <- searched()
  own <- cytosol:::is_default_generator
  utils::assignInNamespace("is_default_generator", function() FALSE, "cytosol")
  on.exit(utils::assignInNamespace("is_default_generator", own, "cytosol"))
  expect_identical(by_engine, searched())
})

test_that("steps keep their order, and objects that were changed are refused", {
  created <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
  for (step in list(choose_sigma_c, fitPixels)) expect_s3_class(cyto_error(quietly(step(created))), "cyto_state")
  expect_s3_class(cyto_error(fitPixels(quietly(fitBulk(created)))), "cyto_state")
  changed <- prepared()
  changed@internal_vars$gene_list_reg <- rev(changed@internal_vars$gene_list_reg)
  changed@internal_vars$engine <- NULL
  expect_s3_class(cyto_error(fitPixels(changed)), "cyto_state")
  renormed <- prepared()
  renormed@cell_type_info$renorm[[1]][1, 1] <- 1
  expect_s3_class(cyto_error(fitPixels(renormed)), "cyto_unsupported")
  expect_s3_class(cyto_error(fitBulk("a")), "cyto_invalid_argument")
})

test_that("objects are values: copies do not change each other", {
  first <- prepared(sigma = 0.4)
  second <- first
  second@internal_vars$sigma <- 0.9
  second@config$DOUBLET_THRESHOLD <- 50
  before <- fitPixels(first)@results
  other <- fitPixels(second)@results
  expect_false(identical(before$results_df, other$results_df))
  expect_identical(fitPixels(first)@results, before)
})

test_that("objects travel: saved, read, sent, forked", {
  RCTD <- prepared()
  expected <- fitPixels(RCTD, "full")@results
  again <- unserialize(serialize(RCTD, NULL))
  expect_identical(fitPixels(again, "full")@results, expected)
  file <- tempfile(fileext = ".rds")
  saveRDS(RCTD, file)
  code <- sprintf('RCTD <- readRDS("%s"); saveRDS(cytosol::fitPixels(RCTD, "full")@results, "%s")', file, file)
  libs <- paste(.libPaths(), collapse = .Platform$path.sep)
  status <- system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), env = paste0("R_LIBS=", libs),
                    stdout = FALSE, stderr = FALSE)
  expect_identical(status, 0L)
  expect_identical(readRDS(file), expected)
  skip_on_os("windows")
  forked <- parallel::mclapply(1:2, function(i) fitPixels(RCTD, "full")@results, mc.cores = 2)
  expect_identical(forked, list(expected, expected))
  expect_identical(fitPixels(RCTD, "full")@results, expected)
})

test_that("options are checked with R's names", {
  make <- function(...) cyto_error(quietly(create.RCTD(small$puck, small$reference, max_cores = 1, ...)))
  error <- make(UMI_min = -1)
  expect_identical(error$argument, "UMI_min")
  expect_match(conditionMessage(error), "create.RCTD(UMI_min): ", fixed = TRUE)
  expect_identical(make(UMI_min = 5, UMI_max = 2)$argument, "UMI_min")
  expect_identical(make(UMI_min = 1e6)$argument, NULL)
  expect_s3_class(make(UMI_min = 1e6), "cyto_invalid_data")
  expect_identical(make(gene_cutoff = NaN)$argument, "gene_cutoff")
  expect_identical(make(gene_cutoff = Inf)$argument, "gene_cutoff")
  expect_identical(make(MAX_MULTI_TYPES = 0)$argument, "MAX_MULTI_TYPES")
  expect_identical(make(cell_type_names = c("type1", "none"))$argument, "cell_type_names")
  expect_identical(make(cell_type_names = "type1")$argument, "cell_type_names")
  expect_identical(make(CELL_MIN_INSTANCE = 50)$argument, "CELL_MIN_INSTANCE")
  expect_identical(make(class_df = data.frame(class = "a", row.names = "type1"))$argument, "class_df")
  expect_s3_class(make(fc_cutoff = 50, fc_cutoff_reg = 50), "cyto_invalid_data")
  expect_s3_class(cyto_error(create.RCTD(small$puck, NULL)), "cyto_invalid_argument")
  for (cores in list(0, NA, "2", 1:2, NULL))
    expect_s3_class(cyto_error(quietly(create.RCTD(small$puck, small$reference, max_cores = cores))), "cyto_error")
})

test_that("no pixel for sigma is an error that names the option", {
  RCTD <- quietly(fitBulk(create.RCTD(small$puck, small$reference, max_cores = 1, UMI_min_sigma = 1e6)))
  expect_identical(cyto_error(quietly(choose_sigma_c(RCTD)))$argument, "UMI_min_sigma")
})

test_that("profiles may stand in for a reference, and types be chosen", {
  first <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
  profiles <- first@cell_type_info$info[[1]]
  second <- quietly(create.RCTD(small$puck, NULL, max_cores = 1, cell_type_profiles = profiles))
  expect_identical(second@internal_vars$gene_list_reg, first@internal_vars$gene_list_reg)
  third <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1, cell_type_names = c("type3", "type1")))
  expect_identical(third@cell_type_info$info[[2]], c("type3", "type1"))
  mean_of <- function(type) {
    own <- small$reference@cell_types == type
    Matrix::colMeans(Matrix::t(small$reference@counts[, own]) / small$reference@nUMI[own])
  }
  expect_equal(profiles$type2, unname(mean_of("type2")), tolerance = 1e-12)
})

test_that("test_mode is coarse", {
  config <- quietly(create.RCTD(simulate_tissue(n_pixels = 60)$puck, small$reference, test_mode = TRUE, max_cores = 1))@config
  expect_identical(c(config$N_epoch, config$N_fit, config$UMI_min), c(1, 50, 1000))
})

test_that("the reference is kept when asked", {
  kept <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1, keep_reference = TRUE))
  expect_identical(kept@reference, small$reference)
  few <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
  expect_true(all(table(few@reference@cell_types) == 5))
})
