#' Weights of cell types
#'
#' `normalize_weights` divides every row by its sum. `get_doublet_weights` gives the weights that doublet mode
#' implies: 1 for the type of a singlet, the two shares of a certain doublet, and zeros for all other pixels.
#' `import_weights` takes weights of another method, for what comes after RCTD.
#'
#' @param weights pixels x types; for `import_weights` with row and column names and rows that sum to 1.
#' @param myRCTD an object of [run.RCTD()].
#' @return `normalize_weights`: as `weights`. `get_doublet_weights`: a matrix, pixels x types.
#'   `import_weights` and `set_cell_types_assigned`: the object.
#' @source spacexr 2.2.1, functions of the same names.
#' @examples
#' normalize_weights(matrix(1:4, 2))
#' @export
normalize_weights <- function(weights) {
  sums <- if (is(weights, "Matrix")) Matrix::rowSums(weights) else rowSums(weights)
  if (is(weights, "dgCMatrix")) {
    weights@x <- weights@x / sums[weights@i + 1L]
    return(weights)
  }
  weights / as.vector(sums)
}

#' @rdname normalize_weights
#' @export
get_doublet_weights <- function(myRCTD) {
  caller <- "get_doublet_weights"
  results_df <- myRCTD@results$results_df
  if (is.null(results_df))
    refuse(caller, "myRCTD has no results of doublet mode", argument = "myRCTD", kind = "state")
  doublet_weights(rownames(results_df), myRCTD@cell_type_info$info[[2]], results_df,
                  as.matrix(myRCTD@results$weights_doublet))
}

doublet_weights <- function(barcodes, types, results_df, shares) {
  rows <- match(barcodes, rownames(results_df))
  weights <- matrix(0, length(barcodes), length(types), dimnames = list(barcodes, types))
  class <- as.character(results_df$spot_class)[rows]
  first <- match(as.character(results_df$first_type)[rows], types)
  second <- match(as.character(results_df$second_type)[rows], types)
  one <- which(class == "singlet")
  two <- which(class == "doublet_certain")
  weights[cbind(one, first[one])] <- rep(1, length(one))
  weights[cbind(two, first[two])] <- shares[rows[two], 1]
  weights[cbind(two, second[two])] <- shares[rows[two], 2]
  weights
}

multi_weights <- function(barcodes, types, results, all_barcodes) {
  weights <- matrix(0, length(barcodes), length(types), dimnames = list(barcodes, types))
  for (row in seq_along(barcodes)) {
    pixel <- results[[match(barcodes[row], all_barcodes)]]
    weights[row, pixel$cell_type_list] <- pixel$sub_weights
  }
  weights
}

#' @rdname normalize_weights
#' @export
import_weights <- function(myRCTD, weights) {
  caller <- "import_weights"
  if (is.null(rownames(weights)) || is.null(colnames(weights)))
    refuse(caller, "weights must have pixels as row names and cell types as column names",
           argument = "weights")
  sums <- if (is(weights, "Matrix")) Matrix::rowSums(weights) else rowSums(weights)
  bad <- which(is.na(sums) | abs(sums - 1) > 1e-6)[1]
  if (!is.na(bad))
    refuse(caller, "weights of pixel ", dQuote(rownames(weights)[bad], FALSE), " sum to ",
           format(sums[[bad]]), "; must be 1", argument = "weights", kind = "invalid_data")
  means <- if (is(weights, "Matrix")) Matrix::colMeans(weights) else colMeans(weights)
  myRCTD@results$weights <- weights
  myRCTD@internal_vars$proportions <- means / sum(means)
  myRCTD@internal_vars$sigma <- 1
  set_cell_types_assigned(myRCTD)
}

#' @rdname normalize_weights
#' @export
set_cell_types_assigned <- function(myRCTD) {
  myRCTD@internal_vars$cell_types_assigned <- TRUE
  myRCTD
}

#' How often cell types occur
#'
#' `aggregate_cell_types` adds up every type over pixels: in doublet mode pixels that hold it, in multi mode
#' its shares, in full mode its raw weights. `count_cell_types` adds up the weights of some types over the
#' pixels that consist of them.
#'
#' @param myRCTD an object of [run.RCTD()].
#' @param barcodes pixels to count.
#' @param doublet_mode whether to use the results of doublet mode.
#' @param cell_types types to count; those that occur at least `cell_type_threshold` times when `NULL`.
#' @param cell_type_threshold least occurrence of a type, as `aggregate_cell_types` counts it.
#' @param weight_threshold least sum of the weights of `cell_types` of a pixel that is counted; 0.999 in
#'   doublet mode and 0.95 otherwise when `NULL`.
#' @return A named vector, one number a type.
#' @source spacexr 2.2.1, functions of the same names; `count_cell_types` fails there for want of arguments.
#' @export
aggregate_cell_types <- function(myRCTD, barcodes, doublet_mode = TRUE) {
  caller <- "aggregate_cell_types"
  mode <- mode_of(myRCTD, caller)
  types <- myRCTD@cell_type_info$info[[2]]
  if (doublet_mode) {
    if (mode != "doublet")
      refuse(caller, "doublet_mode = TRUE, but RCTD ran in ", mode, " mode; set doublet_mode = FALSE",
             argument = "doublet_mode", kind = "state")
    rows <- myRCTD@results$results_df[barcodes, ]
    certain <- rows$spot_class %in% "doublet_certain"
    return(table(rows$first_type[certain | rows$spot_class %in% "singlet"]) + table(rows$second_type[certain]))
  }
  if (mode == "multi")
    return(colSums(multi_weights(barcodes, types, myRCTD@results, colnames(myRCTD@spatialRNA@counts))))
  Matrix::colSums(myRCTD@results$weights[barcodes, , drop = FALSE])
}

mode_of <- function(myRCTD, caller) {
  mode <- myRCTD@config$RCTDmode
  if (is.null(mode) || length(myRCTD@results) == 0)
    refuse(caller, "RCTD has not run yet; call run.RCTD", argument = "myRCTD", kind = "state")
  mode
}

#' @rdname aggregate_cell_types
#' @export
count_cell_types <- function(myRCTD, barcodes, cell_types, cell_type_threshold = 125, doublet_mode = TRUE,
                             weight_threshold = NULL) {
  caller <- "count_cell_types"
  seen <- aggregate_cell_types(myRCTD, barcodes, doublet_mode = doublet_mode)
  often <- names(seen)[seen >= cell_type_threshold]
  if (missing(cell_types) || is.null(cell_types)) cell_types <- often
  rare <- setdiff(cell_types, often)
  if (length(rare) > 0)
    refuse(caller, "cell types that occur fewer than cell_type_threshold = ", cell_type_threshold, " times: ",
           paste(rare, collapse = ", "), argument = "cell_types")
  if (length(cell_types) == 0)
    refuse(caller, "no cell type occurs cell_type_threshold = ", cell_type_threshold, " times",
           argument = "cell_type_threshold", kind = "invalid_data")
  types <- myRCTD@cell_type_info$info[[2]]
  weights <- if (doublet_mode) {
    doublet_weights(barcodes, types, myRCTD@results$results_df, as.matrix(myRCTD@results$weights_doublet))
  } else if (mode_of(myRCTD, caller) == "multi") {
    multi_weights(barcodes, types, myRCTD@results, colnames(myRCTD@spatialRNA@counts))
  } else {
    as.matrix(normalize_weights(myRCTD@results$weights[barcodes, , drop = FALSE]))
  }
  least <- if (!is.null(weight_threshold)) weight_threshold else if (doublet_mode) 0.999 else 0.95
  chosen <- weights[, cell_types, drop = FALSE]
  colSums(chosen[rowSums(chosen) >= least, , drop = FALSE])
}
