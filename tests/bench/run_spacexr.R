# Run spacexr once on one core; write seconds, memory and the answer into a folder.
#   Rscript run_spacexr.R PLAIN_FOLDER MODE OUT_FOLDER
# PLAIN_FOLDER comes from export_plain.py.

read_counts <- function(folder, barcodes) {
  raw <- function(name, what, size) {
    path <- file.path(folder, name)
    readBin(path, what, n = file.size(path) / size, size = size, endian = "little")
  }
  genes <- readLines(file.path(folder, "genes.txt"))
  methods::new("dgCMatrix",
    i = raw("rows.i32", "integer", 4), p = raw("starts.i32", "integer", 4),
    x = raw("values.f64", "double", 8), Dim = c(length(genes), length(barcodes)),
    Dimnames = list(genes, barcodes))
}

read_columns <- function(folder) read.csv(file.path(folder, "columns.csv"), row.names = 1)

load_spatial <- function(folder) {
  place <- read_columns(folder)
  spacexr::SpatialRNA(place, read_counts(folder, rownames(place)))
}

load_reference <- function(folder) {
  cells <- read_columns(folder)
  types <- stats::setNames(factor(cells$cell_type), rownames(cells))
  spacexr::Reference(read_counts(folder, rownames(cells)), types)
}

peak_bytes <- function() {
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}

write_answer <- function(model, mode, folder) {
  barcodes <- colnames(model@spatialRNA@counts)
  results <- model@results
  if (mode == "multi") {
    rows <- lapply(seq_along(results), function(i) {
      data.frame(barcode = barcodes[i], rank = seq_along(results[[i]]$cell_type_list),
                 type = results[[i]]$cell_type_list, weight = results[[i]]$sub_weights)
    })
    write.csv(do.call(rbind, rows), file.path(folder, "multi.csv"), row.names = FALSE)
    weights <- do.call(rbind, lapply(results, function(r) r$all_weights))
    rownames(weights) <- barcodes
  } else {
    weights <- as.matrix(results$weights)
  }
  write.csv(weights, file.path(folder, "weights.csv"))
  if (mode == "doublet") {
    write.csv(results$results_df, file.path(folder, "results.csv"))
    write.csv(as.matrix(results$weights_doublet), file.path(folder, "weights_doublet.csv"))
  }
}

main <- function(plain, mode, folder) {
  suppressPackageStartupMessages(library(spacexr))
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  after_imports <- peak_bytes()
  seconds <- list()
  stage <- function(name, value) {
    seconds[[name]] <<- system.time(force(value))[["elapsed"]]
    value
  }
  set.seed(1)
  inputs <- stage("load", list(load_spatial(file.path(plain, "spatial")),
                               load_reference(file.path(plain, "reference"))))
  model <- stage("create", create.RCTD(inputs[[1]], inputs[[2]], max_cores = 1))
  model <- stage("bulk", fitBulk(model))
  model <- stage("sigma", choose_sigma_c(model))
  model <- stage("pixels", fitPixels(model, doublet_mode = mode))
  write_answer(model, mode, folder)
  report <- list(
    tool = "spacexr",
    versions = list(spacexr = as.character(packageVersion("spacexr")),
                    R = as.character(getRversion())),
    mode = mode, sigma = round(100 * model@internal_vars$sigma),
    pixels = ncol(model@spatialRNA@counts),
    types = model@cell_type_info$renorm[[3]],
    genes_bulk = length(model@internal_vars$gene_list_bulk),
    genes_reg = length(model@internal_vars$gene_list_reg),
    elapsed_seconds = sum(unlist(seconds)), stage_seconds = seconds,
    peak_bytes_after_imports = after_imports, peak_bytes = peak_bytes())
  jsonlite::write_json(report, file.path(folder, "report.json"),
                       auto_unbox = TRUE, pretty = TRUE, digits = NA)
}

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) != 3) stop("usage: run_spacexr.R PLAIN_FOLDER MODE OUT_FOLDER")
main(arguments[1], arguments[2], arguments[3])
