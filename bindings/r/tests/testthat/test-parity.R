# spacexr's own vignette with the library line changed, against what spacexr gave.

same_numbers <- function(ours, theirs, least = 1e-8) {
  expect_lt(max(abs(as.matrix(ours) - as.matrix(theirs))), least)
}

vignette_inputs <- function(folder) {
  cells <- read.csv(file.path(folder, "ref_cells.csv.gz"), colClasses = c(cell_type = "character"))
  levels <- readLines(file.path(folder, "cell_type_levels.txt"))
  cell_types <- factor(cells$cell_type, levels = levels)
  names(cell_types) <- cells$barcode
  nUMI <- setNames(cells$nUMI, cells$barcode)
  pixels <- read.csv(file.path(folder, "spatial_pixels.csv.gz"))
  coords <- data.frame(xcoord = pixels$x, ycoord = pixels$y, row.names = pixels$barcode)
  own <- setNames(pixels$nUMI, pixels$barcode)
  list(reference = suppressWarnings(Reference(golden_counts(folder, "ref", cells$barcode), cell_types, nUMI)),
       puck = suppressWarnings(SpatialRNA(coords, golden_counts(folder, "spatial", pixels$barcode), own)),
       types = levels)
}

table_of <- function(folder, name, ...) read.csv(file.path(folder, name), check.names = FALSE, ...)

for (set in c("vignette", "vignette_colsums")) {
  test_that(paste("the steps of spacexr's vignette give its results:", set), {
    folder <- golden(set)
    inputs <- vignette_inputs(folder)
    set.seed(1)
    myRCTD <- quietly(create.RCTD(inputs$puck, inputs$reference, max_cores = 1))
    myRCTD <- quietly(run.RCTD(myRCTD, doublet_mode = "doublet"))
    vars <- myRCTD@internal_vars
    expect_identical(vars$gene_list_reg, readLines(file.path(folder, "gene_list_reg.txt")))
    expect_identical(vars$gene_list_bulk, readLines(file.path(folder, "gene_list_bulk.txt")))
    expect_identical(vars$sigma, 0.84)
    proportions <- table_of(folder, "bulk_proportions.csv")
    expect_equal(unname(vars$proportions), proportions[[ncol(proportions)]], tolerance = 1e-9)
    results <- myRCTD@results
    barcodes <- rownames(results$results_df)
    theirs <- table_of(folder, "doublet_results_df.csv.gz", row.names = 1)
    expect_identical(rownames(theirs), barcodes)
    for (column in c("spot_class", "first_type", "second_type", "first_class", "second_class", "conv_all",
                     "conv_doublet"))
      expect_identical(as.character(results$results_df[[column]]), as.character(theirs[[column]]), info = column)
    expect_equal(results$results_df$min_score, theirs$min_score, tolerance = 1e-8)
    expect_equal(results$results_df$singlet_score, theirs$singlet_score, tolerance = 1e-8)
    same_numbers(results$weights, table_of(folder, "doublet_weights_all.csv.gz", row.names = 1))
    same_numbers(results$weights_doublet, table_of(folder, "doublet_weights_doublet.csv.gz", row.names = 1), 1e-6)
    expect_identical(colnames(results$weights), inputs$types)
    pairs <- table_of(folder, "doublet_score_mat_long.csv.gz",
                      colClasses = c(type1 = "character", type2 = "character"))
    names(results$score_mat) <- barcodes
    ours <- mapply(function(barcode, a, b) results$score_mat[[barcode]][a, b], pairs$barcode, pairs$type1, pairs$type2)
    expect_equal(unname(ours), pairs$score, tolerance = 1e-8)
    full <- quietly(fitPixels(myRCTD, doublet_mode = "full"))
    same_numbers(full@results$weights, table_of(folder, "full_weights.csv.gz", row.names = 1))
    same_numbers(normalize_weights(full@results$weights), table_of(folder, "full_weights_normalized.csv.gz", row.names = 1))
    multi <- quietly(fitPixels(myRCTD, doublet_mode = "multi"))@results
    long <- table_of(folder, "multi_results_long.csv.gz", colClasses = c(type = "character"))
    expect_identical(unlist(lapply(multi, `[[`, "cell_type_list")), long$type)
    expect_identical(unname(unlist(lapply(multi, `[[`, "conf_list"))), as.logical(long$conf))
    same_numbers(unlist(lapply(multi, `[[`, "sub_weights")), long$sub_weight, 1e-6)
  })
}

test_that("classes of types are spacexr's", {
  folder <- golden("vignette_class_df")
  inputs <- vignette_inputs(golden("vignette_colsums"))
  classes <- read.csv(file.path(folder, "class_df.csv"), colClasses = "character")
  class_df <- data.frame(class = classes$class, row.names = classes[[1]])
  myRCTD <- quietly(run.RCTD(create.RCTD(inputs$puck, inputs$reference, max_cores = 2, class_df = class_df,
                                         CONFIDENCE_THRESHOLD = 10)))
  theirs <- table_of(folder, "doublet_results_df.csv.gz", row.names = 1)
  for (column in c("spot_class", "first_type", "second_type", "first_class", "second_class"))
    expect_identical(as.character(myRCTD@results$results_df[[column]]), as.character(theirs[[column]]), info = column)
})

test_that("another technology is spacexr's too", {
  folder <- golden("merfish")
  inputs <- vignette_inputs(folder)
  myRCTD <- quietly(run.RCTD(create.RCTD(inputs$puck, inputs$reference, max_cores = 2), doublet_mode = "full"))
  expect_identical(myRCTD@internal_vars$sigma, 0.69)
  theirs <- as.matrix(table_of(folder, "full_weights.csv.gz", row.names = 1))
  apart <- apply(abs(as.matrix(myRCTD@results$weights) - theirs), 1, max)
  # On four pixels spacexr's solver leaves its own bounds, so that its answer hangs on the last bit of its input.
  expect_lte(sum(apart > 1e-8), 4)
  expect_lt(max(apart), 1e-2)
})
