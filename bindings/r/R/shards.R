#' Pixels in shards
#'
#' Any process that has the object can fit a part of its pixels; the parts travel as bytes and are joined into
#' the same results, bit for bit, as one process gives. With BiocParallel, `run.RCTD(BPPARAM =)` does all this.
#'
#' @param RCTD an object after [choose_sigma_c()].
#' @param pixels_per_shard size of a shard; 0 is the engine's choice.
#' @param doublet_mode mode of the fits, as in [run.RCTD()].
#' @param start,end the shard: positions of pixels, from `start` + 1 to `end`.
#' @param shards list of raw vectors, in any order, that together cover all pixels once.
#' @param max_cores threads of this call; processes side by side had better take one each.
#' @return `plan_shards`: a data frame of `start` and `end`. `run_shard`: a raw vector. `merge_shards`: the
#'   object with its results.
#' @details A shard of another object, mode or option is refused (`cyto_checkpoint_mismatch`), damaged bytes
#'   too (`cyto_format`). Objects may be sent or saved; the engine behind them is made again where they arrive.
#' @examples
#' tissue <- simulate_tissue(seed = 1)
#' fitted <- choose_sigma_c(fitBulk(create.RCTD(tissue$puck, tissue$reference, max_cores = 1)))
#' plan <- plan_shards(fitted, pixels_per_shard = 30)
#' shards <- Map(function(start, end) run_shard(fitted, "full", start, end), plan$start, plan$end)
#' merge_shards(fitted, shards, "full")
#' @export
plan_shards <- function(RCTD, pixels_per_shard = 0) {
  caller <- "plan_shards"
  if (!is.numeric(pixels_per_shard) || length(pixels_per_shard) != 1L || is.na(pixels_per_shard) ||
        pixels_per_shard < 0)
    refuse(caller, "pixels_per_shard must be one number of at least 0", argument = "pixels_per_shard")
  handle <- engine_of(check_rctd(RCTD, caller), caller)
  bounds <- value_of(rctd_plan(handle, as.double(pixels_per_shard)), caller)
  data.frame(start = bounds[c(TRUE, FALSE)], end = bounds[c(FALSE, TRUE)])
}

#' @rdname plan_shards
#' @export
run_shard <- function(RCTD, doublet_mode = "doublet", start, end, max_cores = 1) {
  caller <- "run_shard"
  mode <- check_mode(doublet_mode, caller)
  for (bound in list(start, end))
    if (!is.numeric(bound) || length(bound) != 1L || is.na(bound) || bound < 0)
      refuse(caller, "start and end must be numbers of at least 0", argument = "start")
  handle <- engine_with_sigma(check_rctd(RCTD, caller), caller)
  engine_call(caller, max_cores, function(settings) {
    rctd_run_shard(settings, handle, mode, as.double(start), as.double(end))
  })
}

#' @rdname plan_shards
#' @export
merge_shards <- function(RCTD, shards, doublet_mode = "doublet") {
  caller <- "merge_shards"
  mode <- check_mode(doublet_mode, caller)
  if (!is.list(shards) || !all(vapply(shards, is.raw, TRUE)))
    refuse(caller, "shards must be a list of raw vectors", argument = "shards")
  RCTD <- check_rctd(RCTD, caller)
  handle <- engine_with_sigma(RCTD, caller)
  with_results(RCTD, value_of(rctd_merge(handle, mode, shards), caller), doublet_mode)
}

# What workers need, and no more.
for_workers <- function(RCTD) {
  RCTD@reference <- new("Reference", cell_types = factor(), counts = empty_counts(), nUMI = numeric())
  RCTD@results <- list()
  RCTD@spatialRNA@counts <- empty_counts(cells = colnames(RCTD@spatialRNA@counts))
  RCTD@config$max_cores <- 1
  RCTD
}

fit_in_workers <- function(RCTD, doublet_mode, BPPARAM) {
  if (!requireNamespace("BiocParallel", quietly = TRUE))
    refuse("fitPixels", "BPPARAM needs the package BiocParallel", argument = "BPPARAM", kind = "unsupported")
  plan <- plan_shards(RCTD)
  BiocParallel::bpmapply(fit_in_worker, plan$start, plan$end, SIMPLIFY = FALSE, BPPARAM = BPPARAM,
                         MoreArgs = list(RCTD = for_workers(RCTD), doublet_mode = doublet_mode))
}

fit_in_worker <- function(start, end, RCTD, doublet_mode) run_shard(RCTD, doublet_mode, start, end, max_cores = 1)
