#' A small tissue with known truth
#'
#' For examples and tests: a reference of labelled cells, and pixels of one or two types on a grid. R's random
#' numbers are left as they were.
#'
#' @param n_pixels pixels; every third holds two types, in equal parts.
#' @param n_types cell types.
#' @param n_genes genes; every type has its share of markers.
#' @param seed seed of the simulation.
#' @return A list: `puck` ([SpatialRNA-class]), `reference` ([Reference-class]) and `truth`, a data frame of
#'   the first and second type of every pixel.
#' @examples
#' tissue <- simulate_tissue(n_pixels = 30)
#' head(tissue$truth)
#' @export
simulate_tissue <- function(n_pixels = 90, n_types = 4, n_genes = 160, seed = 1) {
  before <- seed_now()
  on.exit(if (is.null(before)) suppressWarnings(rm(".Random.seed", envir = globalenv())) else
    set_seed_now(before))
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  types <- paste0("type", seq_len(n_types))
  genes <- paste0("gene", seq_len(n_genes))
  base <- stats::rgamma(n_genes, 2)
  profiles <- vapply(seq_len(n_types), function(type) {
    marker <- ifelse(seq_len(n_genes) %% n_types == type - 1, 6, 1)
    base * marker / sum(base * marker)
  }, numeric(n_genes))
  draw <- function(means, names) {
    counts <- matrix(stats::rpois(length(means), means), nrow(means), dimnames = list(genes, names))
    as_dgCMatrix(counts, "simulate_tissue")
  }
  label <- rep(seq_len(n_types), each = 40)
  cells <- draw(profiles[, label] * 2000, paste0("cell", seq_along(label)))
  first <- sample(n_types, n_pixels, replace = TRUE)
  two <- seq_len(n_pixels) %% 3 == 0
  second <- ifelse(two, (first %% n_types) + 1, first)
  # Genes come out more or less than in the reference, and noise has sigma 0.3.
  platform <- exp(stats::rnorm(n_genes, 0, 0.2))
  means <- 1000 * platform * (profiles[, first] + profiles[, second]) / 2
  means <- means * exp(stats::rnorm(length(means), 0, 0.3))
  barcodes <- paste0("pixel", seq_len(n_pixels))
  side <- ceiling(sqrt(n_pixels))
  coords <- data.frame(x = 20 * ((seq_len(n_pixels) - 1) %% side), y = 20 * ((seq_len(n_pixels) - 1) %/% side),
                       row.names = barcodes)
  list(puck = SpatialRNA(coords, draw(means, barcodes)),
       reference = Reference(cells, setNames(factor(types[label], levels = types), colnames(cells))),
       truth = data.frame(first = types[first], second = ifelse(two, types[second], NA), row.names = barcodes))
}
