#' RCTD on several tissues
#'
#' One reference, averaged once, and one [create.RCTD()] and [run.RCTD()] for every tissue.
#' `merge_RCTD_objects` joins objects that were made one by one.
#'
#' @param spatialRNA.replicates list of at least two [SpatialRNA-class] objects.
#' @param reference,max_cores,test_mode,gene_cutoff,fc_cutoff,gene_cutoff_reg,fc_cutoff_reg,UMI_min,UMI_max,UMI_min_sigma,class_df,CELL_MIN_INSTANCE,cell_type_names,MAX_MULTI_TYPES,keep_reference,CONFIDENCE_THRESHOLD,DOUBLET_THRESHOLD
#'   as in [create.RCTD()]. The reference itself is never kept in full.
#' @param replicate_names name of every tissue.
#' @param group_ids integer, group of every tissue, at least two in each; all in one group when `NULL`.
#' @param RCTD.replicates an object of `create.RCTD.replicates`.
#' @param doublet_mode as in [run.RCTD()].
#' @param RCTD.reps list of at least two [RCTD-class] objects.
#' @return An object of class [RCTD.replicates-class].
#' @source spacexr 2.2.1, functions of the same names.
#' @export
create.RCTD.replicates <- function(spatialRNA.replicates, reference, replicate_names, group_ids = NULL,
                                   max_cores = 4, test_mode = FALSE, gene_cutoff = 0.000125, fc_cutoff = 0.5,
                                   gene_cutoff_reg = 0.0002, fc_cutoff_reg = 0.75, UMI_min = 100,
                                   UMI_max = 20000000, UMI_min_sigma = 300, class_df = NULL,
                                   CELL_MIN_INSTANCE = 25, cell_type_names = NULL, MAX_MULTI_TYPES = 4,
                                   keep_reference = FALSE, CONFIDENCE_THRESHOLD = 5, DOUBLET_THRESHOLD = 20) {
  caller <- "create.RCTD.replicates"
  check_list(spatialRNA.replicates, "SpatialRNA", "spatialRNA.replicates", caller)
  group_ids <- check_groups(group_ids, replicate_names, length(spatialRNA.replicates), caller)
  cells <- cells_of(reference, caller, optional = FALSE)
  info <- profiles_of(cells, cell_type_names, CELL_MIN_INSTANCE, max_cores, caller)
  reps <- lapply(seq_along(spatialRNA.replicates), function(i) {
    message(caller, ": replicate ", i)
    create.RCTD(spatialRNA.replicates[[i]], cells$reference, max_cores = max_cores, test_mode = test_mode,
                gene_cutoff = gene_cutoff, fc_cutoff = fc_cutoff, gene_cutoff_reg = gene_cutoff_reg,
                fc_cutoff_reg = fc_cutoff_reg, UMI_min = UMI_min, UMI_max = UMI_max,
                UMI_min_sigma = UMI_min_sigma, class_df = class_df, CELL_MIN_INSTANCE = CELL_MIN_INSTANCE,
                MAX_MULTI_TYPES = MAX_MULTI_TYPES, keep_reference = keep_reference,
                cell_type_profiles = info[[1]], CONFIDENCE_THRESHOLD = CONFIDENCE_THRESHOLD,
                DOUBLET_THRESHOLD = DOUBLET_THRESHOLD)
  })
  new("RCTD.replicates", RCTD.reps = reps, group_ids = group_ids)
}

check_list <- function(list, class, argument, caller) {
  if (!is.list(list) || !all(vapply(list, is_like, TRUE, class = class)))
    refuse(caller, argument, " must be a list of ", class, " objects", argument = argument)
  if (length(list) < 2)
    refuse(caller, argument, " holds ", length(list), "; must hold at least two", argument = argument)
}

check_groups <- function(group_ids, replicate_names, n, caller) {
  no <- function(...) refuse(caller, ..., argument = "group_ids")
  if (is.null(group_ids)) group_ids <- rep(1, n)
  if (length(replicate_names) != n || length(group_ids) != n)
    no(n, " replicates, ", length(replicate_names), " replicate_names and ", length(group_ids),
       " group_ids; must be as many")
  if (!is.numeric(group_ids) || anyNA(group_ids) || any(abs(group_ids %% 1) > 1e-6))
    no("group_ids must be integers")
  if (min(table(group_ids)) < 2)
    no("group ", names(which.min(table(group_ids))), " has one replicate; at least two are needed in each")
  setNames(group_ids, replicate_names)
}

#' @rdname create.RCTD.replicates
#' @export
run.RCTD.replicates <- function(RCTD.replicates, doublet_mode = "doublet") {
  caller <- "run.RCTD.replicates"
  check_mode(doublet_mode, caller)
  for (i in seq_along(RCTD.replicates@RCTD.reps)) {
    message(caller, ": replicate ", i)
    RCTD.replicates@RCTD.reps[[i]] <- run.RCTD(RCTD.replicates@RCTD.reps[[i]], doublet_mode = doublet_mode)
  }
  RCTD.replicates
}

#' @rdname create.RCTD.replicates
#' @export
merge_RCTD_objects <- function(RCTD.reps, replicate_names, group_ids = NULL) {
  caller <- "merge_RCTD_objects"
  check_list(RCTD.reps, "RCTD", "RCTD.reps", caller)
  group_ids <- check_groups(group_ids, replicate_names, length(RCTD.reps), caller)
  new("RCTD.replicates", RCTD.reps = lapply(RCTD.reps, check_rctd, caller = caller), group_ids = group_ids)
}
