fitted <- quietly(run.RCTD(create.RCTD(small$puck, small$reference, max_cores = 1)))

test_that("implied weights follow the class", {
  weights <- get_doublet_weights(fitted)
  results <- fitted@results$results_df
  expect_equal(unname(rowSums(weights)), as.double(results$spot_class %in% c("singlet", "doublet_certain")))
  two <- which(results$spot_class == "doublet_certain")[1]
  expect_identical(weights[two, as.character(results$second_type[two])], fitted@results$weights_doublet[two, 2])
  expect_s3_class(cyto_error(get_doublet_weights(fitPixels(fitted, "full"))), "cyto_state")
})

test_that("types are counted", {
  barcodes <- rownames(fitted@results$results_df)
  seen <- aggregate_cell_types(fitted, barcodes)
  results <- fitted@results$results_df
  expect_identical(sum(seen), sum(results$spot_class == "singlet") + 2L * sum(results$spot_class == "doublet_certain"))
  expect_equal(count_cell_types(fitted, barcodes, NULL, cell_type_threshold = 1), colSums(get_doublet_weights(fitted)))
  expect_identical(count_cell_types(fitted, barcodes, "type1", cell_type_threshold = 1)[["type1"]],
                   as.double(sum(results$spot_class == "singlet" & results$first_type == "type1")))
  expect_s3_class(cyto_error(count_cell_types(fitted, barcodes, "type1")), "cyto_error")
  full <- fitPixels(fitted, "full")
  expect_s3_class(cyto_error(aggregate_cell_types(full, barcodes)), "cyto_state")
  expect_equal(aggregate_cell_types(full, barcodes, doublet_mode = FALSE), Matrix::colSums(full@results$weights))
  multi <- fitPixels(fitted, "multi")
  expect_equal(sum(aggregate_cell_types(multi, barcodes, doublet_mode = FALSE)), length(barcodes))
})

test_that("weights of others are imported", {
  weights <- as.matrix(normalize_weights(fitted@results$weights))
  imported <- import_weights(fitted, weights)
  expect_identical(imported@results$weights, weights)
  expect_identical(imported@internal_vars$sigma, 1)
  expect_equal(sum(imported@internal_vars$proportions), 1)
  expect_s3_class(cyto_error(import_weights(fitted, weights * 2)), "cyto_invalid_data")
  expect_s3_class(cyto_error(import_weights(fitted, unname(weights))), "cyto_invalid_argument")
})

test_that("objects can be cut", {
  some <- quietly(subset_rctd(fitted, c("pixel9", "pixel2", "none")))
  expect_identical(rownames(some@results$weights), c("pixel9", "pixel2"))
  expect_identical(rownames(some@results$results_df), c("pixel9", "pixel2"))
  expect_identical(some@results$score_mat[[1]], fitted@results$score_mat[[which(rownames(fitted@results$weights) == "pixel9")]])
  expect_identical(colnames(some@spatialRNA@counts), c("pixel9", "pixel2"))
  expect_s3_class(cyto_error(subset_rctd(fitted, "none")), "cyto_invalid_data")
})

test_that("results are exported", {
  for (mode in c("doublet", "full", "multi")) {
    folder <- tempfile()
    dir.create(folder)
    paths <- export.RCTD(if (mode == "doublet") fitted else fitPixels(fitted, mode), folder)
    expect_true(all(file.exists(paths)))
    weights <- as.matrix(read.csv(file.path(folder, "weights.csv"), row.names = 1))
    expect_equal(weights, as.matrix(fitted@results$weights), tolerance = 1e-12)
  }
  expect_identical(basename(paths), c("weights.csv", "results_multi.csv"))
  expect_s3_class(cyto_error(export.RCTD(fitted, tempfile())), "cyto_not_found")
})

test_that("replicates share a reference", {
  other <- simulate_tissue(n_pixels = 45, seed = 6)$puck
  reps <- quietly(create.RCTD.replicates(list(small$puck, other), small$reference, c("a", "b"), max_cores = 1))
  reps <- quietly(run.RCTD.replicates(reps, "full"))
  expect_identical(reps@group_ids, c(a = 1, b = 1))
  alone <- quietly(run.RCTD(create.RCTD(other, small$reference, max_cores = 1), "full"))
  expect_identical(reps@RCTD.reps[[2]]@results, alone@results)
  merged <- merge_RCTD_objects(reps@RCTD.reps, c("a", "b"))
  expect_identical(merged@group_ids, reps@group_ids)
  make <- function(...) cyto_error(quietly(create.RCTD.replicates(...)))
  expect_s3_class(make(list(other), small$reference, "a"), "cyto_invalid_argument")
  expect_s3_class(make(list(other, 1), small$reference, c("a", "b")), "cyto_invalid_argument")
  expect_s3_class(make(list(other, other), small$reference, "a"), "cyto_invalid_argument")
  expect_s3_class(make(list(other, other), small$reference, c("a", "b"), 1:2), "cyto_invalid_argument")
  expect_s3_class(cyto_error(merge_RCTD_objects(list(alone), "a")), "cyto_invalid_argument")
  expect_s3_class(cyto_error(run.RCTD.replicates(reps, "none")), "cyto_invalid_argument")
})

test_that("objects of spacexr are taken over", {
  # As readRDS gives them where spacexr is not installed: slots, and a class of another package.
  old <- fitted
  old@internal_vars$Q_mat <- matrix(0, 2, 2)
  old@internal_vars$engine <- NULL
  old@originalSpatialRNA@coords <- rbind(old@originalSpatialRNA@coords, gone = c(0, 0))
  class(old) <- structure("RCTD", package = "spacexr")
  made <- convert.old.RCTD(old)
  expect_identical(attr(class(made), "package"), "cytosol")
  expect_null(made@internal_vars$Q_mat)
  expect_identical(fitPixels(made)@results, fitted@results)
  expect_s3_class(cyto_error(convert.old.RCTD(1)), "cyto_error")
})

test_that("set_cell_types_assigned sets it", {
  created <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
  expect_false(created@internal_vars$cell_types_assigned)
  expect_true(set_cell_types_assigned(created)@internal_vars$cell_types_assigned)
})

test_that("objects print themselves in a line or two", {
  expect_output(show(fitted), "sigma")
  expect_output(show(small$puck), "60 pixels")
  expect_output(show(small$reference), "160 cells")
})
