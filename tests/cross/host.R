# The R host; see README.md. Its results have the shape of spacexr's, so it writes the arrays that these hold.
# Usage: Rscript host.R INPUT OUTPUT
library(cytosol)
library(Matrix)

arguments <- commandArgs(trailingOnly = TRUE)
input <- arguments[1]
output <- arguments[2]

plain <- function(name) file.path(input, "plain", name)
i32 <- function(name) readBin(plain(name), "integer", file.size(plain(name)) / 4, size = 4, endian = "little")
f64 <- function(name) readBin(plain(name), "double", file.size(plain(name)) / 8, size = 8, endian = "little")
genes <- readLines(plain("genes.txt"))
types <- readLines(plain("types.txt"))
pixels <- readLines(plain("pixels.txt"))
cells <- readLines(plain("cells.txt"))

counts <- function(stem, names) {
  new("dgCMatrix", p = i32(paste0(stem, ".starts.i32")), i = i32(paste0(stem, ".genes.i32")),
      x = f64(paste0(stem, ".values.f64")), Dim = c(length(genes), length(names)), Dimnames = list(genes, names))
}

write_results <- function(route, mode, RCTD) {
  put <- function(what, values, ...) {
    file <- file(file.path(output, paste(route, mode, what, sep = ".")), "wb")
    on.exit(close(file))
    writeBin(values, file, ...)
  }
  doubles <- function(what, values) put(what, as.double(values), size = 8, endian = "little")
  codes <- function(what, values) put(what, as.integer(values), size = 4, endian = "little")
  flags <- function(what, values) put(what, as.integer(values), size = 1)
  lines <- function(what, values) put(what, charToRaw(paste0(values, "\n", collapse = "")))
  by_row <- function(values) t(as.matrix(values))
  results <- RCTD@results
  lines("sigma", as.character(round(100 * RCTD@internal_vars$sigma)))
  if (mode == "multi") {
    of <- function(name) lapply(results, `[[`, name)
    chosen <- match(unlist(of("cell_type_list")), types) - 1L
    doubles("weights", unlist(of("all_weights")))
    codes("multi_types", chosen)
    doubles("sub_weights", unlist(of("sub_weights")))
    flags("conf_list", unlist(of("conf_list")))
    doubles("min_score", unlist(of("min_score")))
    flags("conv_all", unlist(of("conv_all")))
    flags("conv_sub", unlist(of("conv_sub")))
    return(invisible())
  }
  doubles("weights", by_row(results$weights))
  doubles("normalized_weights", by_row(normalize_weights(results$weights)))
  lines("barcodes", rownames(results$weights))
  lines("cell_types", colnames(results$weights))
  if (mode == "full") {
    flags("conv_all", results$conv_all)
    return(invisible())
  }
  df <- results$results_df
  flags("spot_class", as.integer(df$spot_class) - 1L)
  codes("first_type", as.integer(df$first_type) - 1L)
  codes("second_type", as.integer(df$second_type) - 1L)
  for (name in c("first_class", "second_class", "conv_all", "conv_doublet")) flags(name, df[[name]])
  doubles("min_score", df$min_score)
  doubles("singlet_score", df$singlet_score)
  doubles("weights_doublet", by_row(results$weights_doublet))
  doubles("doublet_weights", by_row(get_doublet_weights(RCTD)))
  doubles("singlet_scores", unlist(results$singlet_scores))
}

coords <- as.data.frame(matrix(f64("coords.f64"), ncol = 2, byrow = TRUE, dimnames = list(pixels, c("x", "y"))))
labels <- factor(types[i32("labels.i32") + 1], levels = types)
names(labels) <- cells
puck <- SpatialRNA(coords, counts("pixels", pixels))
reference <- Reference(counts("cells", cells), labels)
for (mode in c("full", "doublet", "multi")) {
  made <- create.RCTD(puck, reference, max_cores = 2)
  write_results("arrays", mode, run.RCTD(made, doublet_mode = mode))
  fitted <- choose_sigma_c(fitBulk(made))
  plan <- plan_shards(fitted, 37)
  shards <- Map(function(start, end) run_shard(fitted, mode, start, end), plan$start, plan$end)
  write_results("shards", mode, merge_shards(fitted, shards, mode))
}
