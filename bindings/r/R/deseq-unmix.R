#' Samples as mixtures of pure samples
#'
#' For each column of `x` the shares of the columns of `pure` whose weighted sum is closest to it, on a scale where
#' the variance does not depend on the mean.
#'
#' @param x matrix of normalised counts or abundances, genes x samples.
#' @param pure matrix of the same quantity for pure samples, the same genes x types (at least two).
#' @param alpha dispersion of the variance-stabilising transformation on which samples are compared.
#' @param shift instead of `alpha`: samples are compared on the scale `log(x + shift)`.
#' @param power 1: the sum of absolute differences is minimised; 2: that of squares.
#' @param format `"matrix"`, or `"list"` with `mix`, the correlation `cor` of each sample with its fitted values, and
#'   the `fitted` values.
#' @param quiet whether progress is not shown.
#' @return Matrix of shares, samples x types, rows of sum 1; or a list, see `format`.
#' @source The interface and the objective are those of DESeq2. Shares are where the objective is least, which is a
#'   little lower than the place where DESeq2's optimiser stops.
#' @examples
#' set.seed(1)
#' pure <- matrix(2^rnorm(300, 5, 2), 100, dimnames = list(NULL, c("a", "b", "c")))
#' x <- pure %*% c(a = 0.2, b = 0.5, c = 0.3)
#' unmix(x, pure, alpha = 0.01)
#' @export
unmix <- function(x, pure, alpha, shift, power = 1, format = "matrix", quiet = FALSE) {
  caller <- "unmix"
  format <- one_of(format, c("matrix", "list"), "format", caller)
  quiet <- yes_no(quiet, "quiet", caller)
  if (missing(alpha) == missing(shift))
    refuse(caller, "give one of alpha and shift", argument = if (missing(alpha)) "alpha" else "shift")
  options <- if (missing(shift)) list(alpha = one_number(alpha, "alpha", caller)) else
    list(shift = one_number(shift, "shift", caller))
  options$power <- one_number(power, "power", caller)
  x <- as.matrix(x)
  pure <- as.matrix(pure)
  for (name in c("x", "pure"))
    if (!is.numeric(get(name))) refuse(caller, name, " must be a matrix of numbers", argument = name)
  if (nrow(x) != nrow(pure))
    refuse(caller, "pure has ", nrow(pure), " rows and x ", nrow(x), "; both must have the same genes", argument = "pure")
  if (quiet) {
    old <- options(cytosol.progress = FALSE)
    on.exit(options(old))
  }
  made <- noted_call(caller, getOption("cytosol.threads", 1L), quiet, function(settings)
    deseq_unmix(settings, by_gene(x), by_gene(pure), nrow(x), options))
  mix <- array_of(made, "mix")
  dimnames(mix) <- list(colnames(x), colnames(pure))
  if (format == "matrix") return(mix)
  fitted <- array_of(made, "fitted")
  dimnames(fitted) <- list(rownames(pure), colnames(x))
  list(mix = mix, cor = setNames(array_of(made, "correlation"), colnames(x)), fitted = fitted)
}
