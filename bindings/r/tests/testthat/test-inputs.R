counts <- small$puck@counts
coords <- small$puck@coords

test_that("objects have spacexr's slots", {
  expect_setequal(slotNames("SpatialRNA"), c("coords", "counts", "nUMI"))
  expect_setequal(slotNames("Reference"), c("cell_types", "counts", "nUMI"))
  expect_setequal(slotNames("RCTD"), c("spatialRNA", "originalSpatialRNA", "reference", "config", "cell_type_info",
                                       "internal_vars", "results", "de_results", "internal_vars_de"))
  expect_setequal(slotNames("RCTD.replicates"), c("RCTD.reps", "population_de_results", "population_sig_gene_list",
                                                  "population_sig_gene_df", "group_ids"))
})

test_that("a dgCMatrix is taken as it is, others become one", {
  expect_identical(SpatialRNA(coords, counts)@counts, counts)
  expect_identical(SpatialRNA(coords, as.matrix(counts))@counts, counts)
  expect_identical(SpatialRNA(coords, as.data.frame(as.matrix(counts)))@counts, counts)
  expect_identical(SpatialRNA(as.matrix(coords), as(counts, "TsparseMatrix"))@counts, counts)
})

test_that("values that are no counts are named by gene and cell", {
  for (bad in c(-1, NaN, Inf, -Inf, NA, 0.5)) {
    broken <- counts
    broken@x[3] <- bad
    error <- cyto_error(SpatialRNA(coords, broken))
    expect_s3_class(error, c("cyto_invalid_data", "cyto_error", "error", "condition"), exact = TRUE)
    expect_match(conditionMessage(error), rownames(counts)[counts@i[3] + 1], fixed = TRUE)
    expect_match(conditionMessage(error), "pixel1", fixed = TRUE)
    expect_identical(error$argument, "counts")
  }
  broken@x[3] <- 0.5
  expect_s4_class(suppressWarnings(SpatialRNA(coords, broken, require_int = FALSE)), "SpatialRNA")
})

test_that("shapes and names are checked", {
  no_names <- unname(counts)
  twice <- counts
  colnames(twice)[2] <- "pixel1"
  cases <- list(counts[1, , drop = FALSE], counts[0, ], counts[, 0], no_names, twice, "no such file", NULL,
                list(), quote(x), letters, matrix("a", 2, 2))
  for (case in cases) expect_s3_class(cyto_error(SpatialRNA(coords, case)), "cyto_error")
  expect_warning(SpatialRNA(coords[1, ], counts[, 1, drop = FALSE]), "one cell or pixel")
  for (case in list(NULL, 1:3, data.frame(x = 1), cbind(coords, 1), data.frame(x = "a", y = "b", row.names = "pixel1")))
    expect_s3_class(cyto_error(SpatialRNA(case, counts)), "cyto_error")
  expect_warning(SpatialRNA(coords[1:10, ], counts), "left out")
  expect_match(conditionMessage(cyto_error(SpatialRNA(data.frame(x = 1:2, y = 1, row.names = c("p", "q")), counts))),
               "share no barcode")
})

test_that("totals are checked", {
  totals <- Matrix::colSums(counts)
  expect_warning(SpatialRNA(coords, counts, totals + 1), "column sums")
  for (case in list(unname(totals), "a", setNames(rep("1", 60), names(totals)), replace(totals, 2, NA),
                    replace(totals, 2, 0.5), list(1), c(totals, totals)))
    expect_s3_class(cyto_error(SpatialRNA(coords, counts, case)), "cyto_error")
})

test_that("cell types are checked", {
  cells <- small$reference@counts
  types <- small$reference@cell_types
  rename <- function(name) {
    levels(types)[1] <- name
    types
  }
  for (case in list(as.character(types), unname(types), types[1], droplevels(types[1:10]), rename(""), rename("a/b"), NULL))
    expect_s3_class(cyto_error(Reference(cells, case)), "cyto_invalid_argument")
  expect_warning(Reference(cells, factor(types, levels = c(levels(types), "more"))), "without cells")
  expect_match(conditionMessage(cyto_error(Reference(cells, types, min_UMI = 1e9))), "min_UMI")
  expect_warning(few <- Reference(cells, types, n_max_cells = 7), "sampled down")
  expect_true(all(table(few@cell_types) == 7))
})

test_that("sampling down takes the only cell of a type", {
  cells <- small$reference@counts
  types <- small$reference@cell_types
  one <- types[c(1, 41:120)]
  few <- suppressWarnings(Reference(cells[, names(one)], one, n_max_cells = 5))
  expect_identical(names(few@cell_types)[few@cell_types == "type1"], names(one)[1])
})

test_that("pixels can be chosen", {
  some <- restrict_counts(small$puck, rownames(counts)[1:50], UMI_thresh = 900, UMI_max = 1100)
  expect_true(all(some@nUMI >= 900 & some@nUMI <= 1100))
  expect_identical(some@nUMI, small$puck@nUMI[colnames(some@counts)])
  expect_identical(rownames(some@coords), colnames(some@counts))
  expect_identical(colnames(restrict_puck(small$puck, c("pixel7", "none", "pixel3"))@counts), c("pixel3", "pixel7"))
  expect_s3_class(cyto_error(restrict_counts(small$puck, "none")), "cyto_error")
})

test_that("experiments of Bioconductor are taken", {
  skip_if_not_installed("SummarizedExperiment")
  cells <- SummarizedExperiment::SummarizedExperiment(
    list(counts = small$reference@counts),
    colData = S4Vectors::DataFrame(cell_type = unname(small$reference@cell_types)))
  expect_identical(Reference(cells)@cell_types, small$reference@cell_types)
  expect_identical(Reference(cells, "cell_type")@counts, small$reference@counts)
  expect_match(conditionMessage(cyto_error(Reference(cells, "label"))), "present: cell_type")
  tissue <- SummarizedExperiment::SummarizedExperiment(list(counts = counts), colData = S4Vectors::DataFrame(coords))
  expect_equal(SpatialRNA(tissue)@coords, coords)
  direct <- quietly(create.RCTD(tissue, cells, max_cores = 1))
  expect_identical(direct@internal_vars$gene_list_reg,
                   quietly(create.RCTD(small$puck, small$reference, max_cores = 1))@internal_vars$gene_list_reg)
})

test_that("coordinates of an experiment are those that spatialCoords() gives", {
  skip_if_not_installed("SingleCellExperiment")
  # As SpatialExperiment has it: a class over SingleCellExperiment, coordinates among the inner columns.
  setGeneric("spatialCoords", function(x, ...) standardGeneric("spatialCoords"), where = globalenv())
  setClass("TissueExperiment", contains = "SingleCellExperiment", where = globalenv())
  on.exit({
    removeClass("TissueExperiment", where = globalenv())
    removeGeneric("spatialCoords", where = globalenv())
  })
  tissue <- SingleCellExperiment::SingleCellExperiment(
    list(counts = counts), colData = S4Vectors::DataFrame(x = rep(0, ncol(counts)), y = 0))
  expect_true(all(SpatialRNA(tissue)@coords == 0))
  tissue <- as(tissue, "TissueExperiment")
  inner <- SingleCellExperiment::int_colData(tissue)
  inner$spatialCoords <- as.matrix(coords)
  tissue@int_colData <- inner
  # Without a method the columns of the table are taken, with one its coordinates.
  expect_true(all(SpatialRNA(tissue)@coords == 0))
  setMethod("spatialCoords", "TissueExperiment", function(x, ...) SingleCellExperiment::int_colData(x)$spatialCoords,
            where = globalenv())
  expect_equal(SpatialRNA(tissue)@coords, coords)
  direct <- quietly(create.RCTD(tissue, small$reference, max_cores = 1))
  plain <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
  expect_equal(direct@spatialRNA@coords, plain@spatialRNA@coords)
  expect_identical(direct@internal_vars$gene_list_reg, plain@internal_vars$gene_list_reg)
})
