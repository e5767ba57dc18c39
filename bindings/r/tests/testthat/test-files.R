write_mtx <- function(folder, counts, extra = list()) {
  dir.create(folder)
  Matrix::writeMM(counts, file.path(folder, "matrix.mtx"))
  writeLines(paste(rownames(counts), rownames(counts), "Gene Expression", sep = "\t"), file.path(folder, "features.tsv"))
  writeLines(colnames(counts), file.path(folder, "barcodes.tsv"))
  for (name in names(extra)) write.csv(extra[[name]], file.path(folder, name), row.names = FALSE, quote = FALSE)
  folder
}

spatial_folder <- function(folder = tempfile()) {
  write_mtx(folder, small$puck@counts, list(coords.csv = data.frame(
    barcode = rownames(small$puck@coords), small$puck@coords)))
}

reference_folder <- function() {
  write_mtx(tempfile(), small$reference@counts, list(cells.csv = data.frame(
    barcode = names(small$reference@cell_types), cell_type = small$reference@cell_types)))
}

test_that("files are read into memory", {
  puck <- SpatialRNA(spatial_folder())
  expect_identical(puck@counts, small$puck@counts)
  expect_equal(puck@coords, small$puck@coords)
  reference <- Reference(reference_folder(), "cell_type")
  expect_identical(reference@counts, small$reference@counts)
  expect_identical(as.character(reference@cell_types), as.character(small$reference@cell_types))
  expect_match(conditionMessage(cyto_error(Reference(reference_folder(), "none"))), "present: ", fixed = TRUE)
  pieces <- cytosol:::read_counts(cytosol:::dataset_handle(counts_file(spatial_folder()), 1, "test"), "test", 7)
  expect_identical(pieces, small$puck@counts)
})

test_that("counts can stay in their files: the same results", {
  memory <- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
  disk <- quietly(create.RCTD(spatial_folder(), reference_folder(), max_cores = 1))
  expect_identical(disk@internal_vars$gene_list_bulk, memory@internal_vars$gene_list_bulk)
  expect_identical(disk@spatialRNA@nUMI, memory@spatialRNA@nUMI)
  expect_equal(disk@spatialRNA@coords, memory@spatialRNA@coords)
  finish <- function(RCTD) {
    set.seed(1)
    quietly(run.RCTD(RCTD))
  }
  expect_identical(finish(disk)@results, finish(memory)@results)
  # The engine is made again from the path.
  again <- unserialize(serialize(quietly(choose_sigma_c(fitBulk(disk))), NULL))
  expect_identical(fitPixels(again)@results, finish(memory)@results)
})

test_that("bad paths and files are named", {
  missing <- file.path(tempdir(), "not here.h5ad")
  for (make in list(SpatialRNA, Reference, function(x) create.RCTD(x, small$reference), function(x) create.RCTD(small$puck, x))) {
    error <- cyto_error(quietly(make(missing)))
    expect_s3_class(error, "cyto_error")
    expect_match(conditionMessage(error), "not here.h5ad", fixed = TRUE)
  }
  broken <- tempfile(fileext = ".h5ad")
  writeBin(as.raw(1:100), broken)
  expect_s3_class(cyto_error(SpatialRNA(broken)), "cyto_format")
  for (path in list("", NA_character_, 1, NULL, c("a", "b")))
    expect_s3_class(cyto_error(counts_file(path)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(counts_file("a", use_raw = NA)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(counts_file("a", layer = 1)), "cyto_invalid_argument")
})

test_that("a path may be any bytes", {
  skip_on_os(c("windows", "mac"))
  plain <- spatial_folder()
  folder <- paste0(tempfile(), "_caf\xe9")
  system(paste("cp -r", shQuote(plain), shQuote(folder)))
  expect_identical(SpatialRNA(counts_file(folder))@counts, small$puck@counts)
  wrong <- paste0(tempfile(), "_non\xe9")
  expect_s3_class(cyto_error(SpatialRNA(counts_file(wrong))), "cyto_error")
})

test_that("tables of spacexr are read", {
  folder <- tempfile()
  dir.create(folder)
  write.csv(data.frame(gene = rownames(small$puck@counts), as.matrix(small$puck@counts)), file.path(folder, "counts.csv"), row.names = FALSE)
  write.csv(data.frame(barcodes = rownames(small$puck@coords), small$puck@coords), file.path(folder, "coords.csv"), row.names = FALSE)
  puck <- read.SpatialRNA(folder)
  expect_identical(puck@counts, small$puck@counts)
  expect_equal(puck@coords, small$puck@coords)
  expect_s3_class(cyto_error(read.SpatialRNA(tempdir())), "cyto_not_found")
})

test_that("files of 10x and Visium are read", {
  shared <- file.path(dirname(dirname(golden("vignette"))), "..", "data", "io_10x")
  skip_if_not(dir.exists(shared))
  expect_s4_class(SpatialRNA(use_fake_coords = TRUE, counts = file.path(shared, "cellranger_v3.0.0", "filtered_feature_bc_matrix.h5")), "SpatialRNA")
  outs <- tempfile()
  dir.create(file.path(outs, "spatial"), recursive = TRUE)
  file.copy(file.path(shared, "visium_v1_filtered_feature_bc_matrix.h5"), file.path(outs, "filtered_feature_bc_matrix.h5"))
  file.copy(file.path(shared, "visium_v1_tissue_positions_list.csv"), file.path(outs, "spatial", "tissue_positions_list.csv"))
  puck <- read.VisiumSpatialRNA(outs)
  positions <- read.csv(file.path(outs, "spatial", "tissue_positions_list.csv"), header = FALSE, row.names = 1)
  expect_equal(puck@coords$x, positions[rownames(puck@coords), 2])
  expect_equal(puck@coords$y, positions[rownames(puck@coords), 3])
})
