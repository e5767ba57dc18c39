modes <- c(full = 0L, doublet = 1L, multi = 2L)

check_mode <- function(doublet_mode, caller) {
  if (!is.character(doublet_mode) || length(doublet_mode) != 1L || !doublet_mode %in% names(modes))
    refuse(caller, "doublet_mode = ", paste(format(doublet_mode), collapse = ", "), " is not a mode; must be ",
           "\"doublet\", \"multi\" or \"full\"", argument = "doublet_mode")
  modes[[doublet_mode]]
}

check_rctd <- function(RCTD, caller) {
  if (!is_like(RCTD, "RCTD"))
    refuse(caller, "RCTD of class ", class(RCTD)[1], "; must come from create.RCTD", argument = "RCTD")
  if (is(RCTD, "RCTD") && identical(attr(class(RCTD), "package"), "cytosol")) RCTD else convert.old.RCTD(RCTD)
}

#' Run RCTD
#'
#' `run.RCTD` does all steps: [fitBulk()], [choose_sigma_c()], [fitPixels()]. Ctrl-C ends the work within a
#' fraction of a second.
#'
#' @param RCTD an object of [create.RCTD()].
#' @param doublet_mode `"doublet"` (one or two types a pixel), `"multi"` (a few types, chosen greedily) or
#'   `"full"` (any mixture of all types).
#' @param BPPARAM a BiocParallel back-end: pixels are then fitted in shards by its workers, one thread each.
#'   `NULL`: in this process, by `max_cores` threads. Results are the same bits.
#' @return The object, invisibly for `run.RCTD`, with slot `results` filled; see [fitPixels()].
#' @source spacexr 2.2.1, `run.RCTD`.
#' @examples
#' tissue <- simulate_tissue(seed = 1)
#' fitted <- create.RCTD(tissue$puck, tissue$reference, max_cores = 1)
#' fitted <- run.RCTD(fitted, doublet_mode = "doublet")
#' table(fitted@results$results_df$spot_class)
#' @export
run.RCTD <- function(RCTD, doublet_mode = "doublet", BPPARAM = NULL) {
  check_mode(doublet_mode, "run.RCTD")
  RCTD@config$RCTDmode <- doublet_mode
  RCTD <- fitBulk(RCTD)
  RCTD <- choose_sigma_c(RCTD)
  invisible(fitPixels(RCTD, doublet_mode = doublet_mode, BPPARAM = BPPARAM))
}

#' Steps of RCTD
#'
#' `fitBulk` estimates platform effects: how much more or less of each gene the tissue's technology sees than
#' the reference's. `choose_sigma_c` estimates the noise level sigma on up to 1000 pixels.
#' `fitPixels` fits every pixel.
#'
#' @inheritParams run.RCTD
#' @return The object. `fitBulk` fills `internal_vars$proportions` (named numeric, not normalised) and
#'   `cell_type_info$renorm` (corrected profiles). `choose_sigma_c` fills `internal_vars$sigma`; the tables of
#'   its likelihood stay in the engine. `fitPixels` fills `results`:
#'   \describe{
#'     \item{full}{`weights`, `dgCMatrix` of pixels x types, raw (rows sum to about 1; see
#'       [normalize_weights()]); `conv_all`, whether each fit converged.}
#'     \item{doublet}{`results_df`, a data frame with a row a pixel: `spot_class` (factor: reject, singlet,
#'       doublet_certain, doublet_uncertain), `first_type`, `second_type` (factors), `first_class`,
#'       `second_class` (whether only the class of the type is certain), `min_score`, `singlet_score`
#'       (negative log-likelihoods), `conv_all`, `conv_doublet`; `weights` as in full mode;
#'       `weights_doublet`, `dgCMatrix` of pixels x 2, rows sum to 1; `score_mat`, a list with the scores of
#'       all candidate pairs of each pixel; `singlet_scores`, a list with those of single candidates.}
#'     \item{multi}{a list with one entry a pixel, in order: `all_weights`, `cell_type_list`, `conf_list`,
#'       `sub_weights` (sum to 1), `min_score`, `conv_all`, `conv_sub`, and `fallback`, whether no type had a
#'       weight above 0.01, so that the largest was taken (spacexr stops there).}
#'   }
#' @details Sigma: which pixels and entries are used is drawn by R's `sample` in spacexr's order, so that
#'   after `set.seed` both find the same sigma, and R's random numbers stand at the same place afterwards.
#' @source Cable et al. (2022); spacexr 2.2.1, `fitBulk`, `choose_sigma_c`, `fitPixels`.
#' @export
fitBulk <- function(RCTD) {
  caller <- "fitBulk"
  RCTD <- check_rctd(RCTD, caller)
  handle <- engine_of(RCTD, caller)
  message("fitBulk: decomposing bulk")
  value_of(rctd_set_options(handle, engine_options(RCTD, sigma = current_sigma(RCTD)), NULL, NULL), caller)
  if (!has_bulk(handle))
    engine_call(caller, RCTD@config$max_cores, function(settings) rctd_fit_bulk(settings, handle))
  types <- RCTD@cell_type_info$info[[2]]
  RCTD@internal_vars$proportions <- setNames(array_of(handle, "proportions", caller), types)
  profiles <- array_of(handle, "profiles_normalized", caller)
  dimnames(profiles) <- list(array_of(handle, "genes_bulk"), types)
  RCTD@cell_type_info$renorm <- list(as.data.frame(profiles, optional = TRUE), types, length(types))
  RCTD
}

# Entries that a round of the search scores at most, and the draws of spacexr.
entries_at_most <- 1000000

draw_entries <- function(n) sample.int(n, min(entries_at_most, n))

seed_now <- function() get0(".Random.seed", envir = globalenv(), inherits = FALSE)

set_seed_now <- function(seed) assign(".Random.seed", seed, envir = globalenv())

# Whether R draws as it does by default, which the engine can go on with.
is_default_generator <- function() all(RNGkind()[c(1, 3)] == c("Mersenne-Twister", "Rejection"))

# What the engine scores in each round when R's generator is another than the default: all draws at once, with the seed
# after each, since how many rounds there will be is not known yet. Which entries matters only when it is not all.
draw_rounds <- function(n_rounds, n_entries) {
  if (n_entries <= entries_at_most) return(NULL)
  entries <- seeds <- vector("list", n_rounds)
  for (round in seq_len(n_rounds)) {
    entries[[round]] <- as.double(draw_entries(n_entries) - 1)
    seeds[[round]] <- seed_now()
  }
  list(entries = entries, seeds = seeds)
}

#' @rdname fitBulk
#' @export
choose_sigma_c <- function(RCTD) {
  caller <- "choose_sigma_c"
  RCTD <- check_rctd(RCTD, caller)
  RCTD@internal_vars["sigma"] <- list(NULL)
  handle <- engine_with_bulk(RCTD, caller)
  config <- RCTD@config
  nUMI <- RCTD@spatialRNA@nUMI
  eligible <- names(nUMI[nUMI > config$UMI_min_sigma])
  rows <- NULL
  rounds <- NULL
  seed <- NULL
  if (length(eligible) > 0) {
    n_fit <- min(config$N_fit, length(eligible))
    pixels <- sample(eligible, n_fit)
    rows <- as.double(match(pixels, array_of(handle, "barcodes")) - 1)
    n_entries <- n_fit * length(RCTD@internal_vars$gene_list_reg)
    if (is_default_generator()) seed <- seed_now() else rounds <- draw_rounds(config$N_epoch, n_entries)
  }
  value_of(rctd_set_options(handle, engine_options(RCTD, sigma_random_seed = seed), rows, rounds$entries), caller)
  message("choose_sigma_c: initial sigma 1")
  engine_call(caller, config$max_cores, function(settings) rctd_choose_sigma(settings, handle))
  keys <- array_of(handle, "sigma_keys", caller)
  scores <- array_of(handle, "sigma_scores", caller)
  message(paste0("Likelihood value: ", format(scores, digits = 12), "\nSigma value: ", keys / 100, "\n"),
          appendLF = FALSE)
  # R's random numbers go on where spacexr leaves them: after one draw a round.
  if (!is.null(seed)) {
    set_seed_now(array_of(handle, "sigma_random_seed", caller))
  } else if (!is.null(rounds)) {
    set_seed_now(rounds$seeds[[length(keys)]])
  } else {
    for (round in seq_along(keys)) draw_entries(n_entries)
  }
  RCTD@internal_vars$sigma <- value_of(sigma_of(handle), caller) / 100
  # From here on the object is known by its sigma alone: that is what other processes have.
  value_of(rctd_set_options(handle, engine_options(RCTD, sigma = current_sigma(RCTD)), NULL, NULL), caller)
  RCTD
}

#' @rdname fitBulk
#' @export
fitPixels <- function(RCTD, doublet_mode = "doublet", BPPARAM = NULL) {
  caller <- "fitPixels"
  mode <- check_mode(doublet_mode, caller)
  RCTD <- check_rctd(RCTD, caller)
  handle <- engine_with_sigma(RCTD, caller)
  if (is.null(BPPARAM)) {
    results <- engine_call(caller, RCTD@config$max_cores, function(settings) {
      rctd_fit_pixels(settings, handle, mode)
    })
  } else {
    results <- value_of(rctd_merge(handle, mode, fit_in_workers(RCTD, doublet_mode, BPPARAM)), caller)
  }
  with_results(RCTD, results, doublet_mode)
}

with_results <- function(RCTD, results, doublet_mode) {
  RCTD@config$RCTDmode <- doublet_mode
  RCTD@internal_vars$cell_types_assigned <- TRUE
  RCTD@results <- switch(doublet_mode, full = full_results(results), doublet = doublet_results(results),
                         multi = value_of(multi_pixels(results), "fitPixels"))
  RCTD
}

# A dense matrix as spacexr keeps weights: zeros are not stored.
as_weights <- function(values, rows, columns) {
  n <- length(rows)
  k <- length(columns)
  weights <- new("dgCMatrix", i = rep(seq_len(n) - 1L, k), p = as.integer(n * (0:k)), x = as.vector(values),
                 Dim = c(n, k), Dimnames = list(rows, columns))
  if (any(weights@x == 0)) Matrix::drop0(weights) else weights
}

full_results <- function(results) {
  barcodes <- array_of(results, "barcodes")
  list(weights = as_weights(array_of(results, "weights"), barcodes, array_of(results, "cell_types")),
       conv_all = setNames(array_of(results, "conv_all") == 1L, barcodes))
}

doublet_results <- function(results) {
  barcodes <- array_of(results, "barcodes")
  types <- array_of(results, "cell_types")
  get <- function(name) array_of(results, name)
  flag <- function(name) get(name) == 1L
  type <- function(name) factor(types[get(name) + 1], levels = types)
  classes <- c("reject", "singlet", "doublet_certain", "doublet_uncertain")
  results_df <- data.frame(
    spot_class = factor(classes[get("spot_class") + 1L], levels = classes), first_type = type("first_type"),
    second_type = type("second_type"), first_class = flag("first_class"), second_class = flag("second_class"),
    min_score = get("min_score"), singlet_score = get("singlet_score"), conv_all = flag("conv_all"),
    conv_doublet = flag("conv_doublet"), row.names = barcodes)
  scores <- value_of(doublet_scores(results, new("dgCMatrix")), "fitPixels")
  list(results_df = results_df, weights = as_weights(get("weights"), barcodes, types),
       weights_doublet = as_weights(get("weights_doublet"), barcodes, c("first_type", "second_type")),
       score_mat = scores$score_mat, singlet_scores = scores$singlet_scores)
}
