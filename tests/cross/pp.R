# Preprocessing in R; see README.md. Usage: Rscript pp.R INPUT OUTPUT
suppressMessages(library(cytosol))

arguments <- commandArgs(trailingOnly = TRUE)
input <- arguments[1]
at <- function(name) file.path(arguments[2], name)
plain <- function(name, what, size) {
  path <- file.path(input, "plain", name)
  readBin(path, what, file.size(path) / size, size = size, endian = "little")
}
# Matrices row by row; those of genes in rows that C has the other way round lie so already.
put <- function(values, route, name, lies = FALSE) {
  if (is.matrix(values) && !lies) values <- t(values)
  writeBin(as.double(values), at(paste(route, name, sep = ".")), size = 8, endian = "little")
}

pp_convert(file.path(input, "reference"), at("raw.h5ad"), compression = "none", max_cores = 2)
fused <- pp_preprocess(at("raw.h5ad"), at("fused.h5ad"), qc = list(percent_top = c(5, 20)),
                       filter_genes = list(min_cells = 3), normalize_total = list(target_sum = 1e4),
                       highly_variable_genes = list(n_top_genes = 40), pca = list(n_comps = 5))
for (name in c("size_factors", "highly_variable", "loadings", "variance", "pca_mean")) put(fused[[name]], "file", name)
near <- pp_neighbors(at("fused.h5ad"))
put(near$distances, "file", "distances")
# Rows of the graph are columns of its transpose.
put(Matrix::t(near$connectivities)@x, "file", "connectivities_values")
sums <- pp_aggregate(at("raw.h5ad"), by = "cell_type", func = c("sum", "median"))
for (name in c("sum", "median")) put(sums[[name]], "file", name, lies = TRUE)

starts <- plain("cells.starts.i32", "integer", 4)
n_genes <- length(readLines(file.path(input, "plain", "genes.txt")))
counts <- new("dgCMatrix", p = starts, i = plain("cells.genes.i32", "integer", 4),
              x = plain("cells.values.f64", "double", 8), Dim = c(n_genes, length(starts) - 1L))
before <- list(normalize_total = list(target_sum = 1e4), log1p = TRUE)
over <- function(f, ...) do.call(f, c(list(counts, ...), before))
put(over(pp_highly_variable_genes, n_top_genes = 40)$highly_variable, "matrix", "highly_variable")
put(over(pp_pca, n_comps = 5)$scores, "matrix", "scores")
put(pp_filter_genes(counts, min_cells = 60)$kept, "matrix", "kept")
put(over(pp_scale, max_value = 10)$x, "matrix", "x", lies = TRUE)
# The logarithms of normalised counts, in one go as the others have them: what pp_preprocess gives.
logs <- pp_preprocess(counts, qc = NULL, normalize_total = list(target_sum = 1e4), highly_variable_genes = NULL,
                      pca = NULL)$x
put(logs@x, "matrix", "x_values")
put(pp_pca(logs, n_comps = 5)$scores, "values", "scores")
put(pp_highly_variable_genes(logs, flavor = "cell_ranger", n_top_genes = 40)$highly_variable, "values", "highly_variable")
