#' Counts on a scale of equal variance
#'
#' `vst` and `varianceStabilizingTransformation` apply a function of the normalised count under which the variance no
#' longer depends on the mean; `rlog` shrinks the log2 counts of each gene towards its mean; `normTransform` is
#' `f(count + pc)`. For pictures, distances and clustering, not for tests.
#'
#' @param object a [DESeqDataSet-class], or a matrix of counts.
#' @param blind whether the design is left out of the dispersions.
#' @param nsub number of genes that `vst` estimates the trend from.
#' @param fitType see [DESeq()].
#' @param intercept,betaPriorVar of an earlier `rlog`: attribute `intercept` is its column `rlogIntercept`, and
#'   `betaPriorVar` its attribute of that name. With an intercept, `dispFit` of the object is used.
#' @param f function of the normalised counts plus `pc`.
#' @param pc number added to normalised counts.
#' @param parallel,BPPARAM see [DESeq()].
#' @return A [DESeqTransform-class], or a matrix for a matrix.
#' @examples
#' set.seed(1)
#' dds <- makeExampleDESeqDataSet(n = 500, m = 6)
#' plotPCA(varianceStabilizingTransformation(dds))
#' @export
vst <- function(object, blind = TRUE, nsub = 1000, fitType = "parametric", parallel = FALSE, BPPARAM = NULL) {
  nsub <- one_number(nsub, "nsub", "vst")
  if (nsub < 1 || nsub != round(nsub)) refuse("vst", "nsub must be a whole number of at least 1", argument = "nsub")
  transform_with(object, "vst", "vst", list(blind = yes_no(blind, "blind", "vst"), nsub = nsub, fit_type = fitType),
                 deseq_threads(parallel, BPPARAM, "vst"))
}

#' @rdname vst
#' @export
varianceStabilizingTransformation <- function(object, blind = TRUE, fitType = "parametric", parallel = FALSE,
                                              BPPARAM = NULL) {
  caller <- "varianceStabilizingTransformation"
  transform_with(object, caller, "vst", list(blind = yes_no(blind, "blind", caller), nsub = 0, fit_type = fitType),
                 deseq_threads(parallel, BPPARAM, caller))
}

#' @rdname vst
#' @export
rlog <- function(object, blind = TRUE, intercept, betaPriorVar, fitType = "parametric", parallel = FALSE, BPPARAM = NULL) {
  caller <- "rlog"
  options <- list(blind = yes_no(blind, "blind", caller), fit_type = fitType)
  if (!missing(betaPriorVar)) options$beta_prior_var <- one_number(betaPriorVar, "betaPriorVar", caller)
  if (!missing(intercept)) {
    if (!is.numeric(intercept) || length(intercept) != nrow(object))
      refuse(caller, "intercept must have one number for each gene (", nrow(object), ")", argument = "intercept")
    # What JSON cannot say, no counts, is NULL.
    options$intercept <- lapply(unname(intercept), function(b) if (is.finite(b)) b)
    fit <- if (is.matrix(object)) NULL else S4Vectors::mcols(object)$dispFit
    if (is.null(fit)) refuse(caller, "with an intercept the object needs mcols(object)$dispFit", argument = "intercept",
                             kind = "state")
    fit[is.na(fit)] <- 1
    options$disp_fit <- I(as.double(fit))
  }
  transform_with(object, caller, "rlog", options, deseq_threads(parallel, BPPARAM, caller))
}

#' @rdname vst
#' @export
rlogTransformation <- rlog

transform_with <- function(object, caller, kind, options, threads) {
  options$fit_type <- one_of(options$fit_type, c("parametric", "local", "mean", "glmGamPoi"), "fitType", caller)
  plain <- is.matrix(object) || is(object, "dgCMatrix")
  if (plain) {
    table <- S4Vectors::DataFrame(row.names = if (is.null(colnames(object))) paste0("sample", seq_len(ncol(object))) else
      colnames(object))
    was <- dimnames(object)
    object <- quietly_made(DESeqDataSetFromMatrix(object, table, ~1))
  }
  object <- with_size_factors(as_dds(object, caller))
  known <- !options$blind && !is.null(S4Vectors::mcols(object)$dispFit) && !is.null(dispersions(object)) && kind == "rlog"
  if (kind == "vst" && options$nsub == 0 && !options$blind) options$trend <- trend_for_vst(object, caller)
  # An engine that knows dispersions which the object does not have would use them.
  level <- if (known) "dispersions" else if (options$blind) "data" else "bare"
  handle <- engine_for(object, level, caller)
  made <- noted_call(caller, threads, FALSE, function(settings) deseq_transform(settings, handle, kind, options))
  values <- array_of(made, "values")
  if (plain) {
    dimnames(values) <- was
    return(values)
  }
  transformed(about_genes(object, made), values, if (kind == "rlog") made)
}

# The object with the columns of the trend that was estimated for a transformation, where one was.
about_genes <- function(object, made) {
  for (name in c("baseMean", "baseVar", "allZero", "dispGeneEst", "dispGeneIter", "dispFit")) {
    if (!has_array(made, name)) next
    column <- array_of(made, name)
    if (name == "allZero") column <- column == 1 else column[!is.finite(column)] <- NA
    object <- put_gene_column(object, name, column)
  }
  with_base_columns(object)
}

# The trend of the object as the engine takes it; NULL where it has none and is to be estimated. A function of the
# user's own, said to be local, is evaluated where the transformation needs it.
trend_for_vst <- function(object, caller) {
  trend <- object@dispersionFunction
  kind <- attr(trend, "fitType", exact = TRUE)
  if (is.null(kind)) return(NULL)
  numbers <- trend_numbers(trend)
  if (!is.null(numbers)) return(I(numbers))
  if (!identical(kind, "local"))
    refuse(caller, "attribute fitType of the dispersion function is ", dQuote(kind, FALSE), "; a function of one's own ",
           "must have \"local\", or \"parametric\" or \"mean\" with the attribute coefficients or mean", argument = "object")
  at <- sinh(asinh(max(counts(object, normalized = TRUE))) * seq_len(999) / 999)
  I(c(5, rbind(at, as.double(trend(at)))))
}

transformed <- function(object, values, rlog = NULL) {
  genes <- S4Vectors::mcols(object)
  if (!is.null(rlog)) {
    genes$rlogIntercept <- array_of(rlog, "intercept")
  }
  ranges <- SummarizedExperiment::rowRanges(object)
  S4Vectors::mcols(ranges) <- genes
  dimnames(values) <- dimnames(object)
  made <- SummarizedExperiment::SummarizedExperiment(assays = list(values), rowRanges = ranges,
                                                     colData = SummarizedExperiment::colData(object),
                                                     metadata = S4Vectors::metadata(object))
  made <- DESeqTransform(made)
  if (!is.null(rlog)) {
    attr(made, "betaPriorVar") <- array_of(rlog, "beta_prior_var")
    attr(made, "intercept") <- array_of(rlog, "intercept")
  }
  made
}

#' @rdname vst
#' @export
getVarianceStabilizedData <- function(object) {
  made <- varianceStabilizingTransformation(object, blind = FALSE)
  SummarizedExperiment::assay(made)
}

#' @rdname vst
#' @export
normTransform <- function(object, f = log2, pc = 1) {
  object <- with_size_factors(as_dds(object, "normTransform"))
  values <- f(as.matrix(counts(object, normalized = TRUE)) + pc)
  transformed(object, unname(values))
}

with_size_factors <- function(object) {
  if (is.null(sizeFactors(object)) && is.null(assay_of(object, "normalizationFactors")))
    object <- estimateSizeFactors(object, quiet = TRUE)
  object
}

#' Counts per million, and per kilobase
#'
#' `fpm`: counts divided by the size of the sample in millions; `fpkm`: also by the length of the gene in kilobases, from
#' the assay `avgTxLength`, the column `basepairs` of `mcols`, or the exons of `rowRanges`.
#'
#' @param object a [DESeqDataSet-class].
#' @param robust whether sizes come from size factors instead of total counts.
#' @return A matrix.
#' @examples
#' set.seed(1)
#' head(fpm(makeExampleDESeqDataSet(n = 50, m = 4)))
#' @export
fpm <- function(object, robust = TRUE) {
  function_of_counts(as_dds(object, "fpm"), "fpm", list(robust = yes_no(robust, "robust", "fpm")), "fpm")
}

# A matrix that the engine makes of the counts.
function_of_counts <- function(object, kind, options, caller, basepairs = NULL) {
  handle <- engine_for(object, "data", caller)
  if (!is.null(basepairs)) value_of(deseq_set(handle, "base_pairs", basepairs), caller)
  made <- noted_call(caller, 1, FALSE, function(settings) deseq_transform(settings, handle, kind, options))
  values <- array_of(made, "values")
  dimnames(values) <- dimnames(object)
  values
}

#' @rdname fpm
#' @export
fpkm <- function(object, robust = TRUE) {
  object <- as_dds(object, "fpkm")
  pairs <- if (is.null(assay_of(object, "avgTxLength"))) lengths_of_genes(object)
  function_of_counts(object, "fpkm", list(robust = yes_no(robust, "robust", "fpkm")), "fpkm", pairs)
}

lengths_of_genes <- function(object) {
  missing <- function() refuse("fpkm", "lengths of genes are missing: mcols(object)$basepairs, avgTxLength or ranges",
                               argument = "object")
  pairs <- S4Vectors::mcols(object)$basepairs
  if (!is.null(pairs)) return(as.double(pairs))
  ranges <- SummarizedExperiment::rowRanges(object)
  if (!is(ranges, "GRangesList") && !is(ranges, "GRanges")) missing()
  pairs <- if (is(ranges, "GRangesList")) sum(IRanges::width(IRanges::reduce(ranges))) else IRanges::width(ranges)
  if (all(pairs == 0)) missing()
  unname(as.double(pairs))
}

#' Samples that were measured several times
#'
#' Counts of the samples of a group are added; the first sample's row of `colData` is kept.
#'
#' @param object a [DESeqDataSet-class] or `SummarizedExperiment`.
#' @param groupby the group of each sample.
#' @param run names of the runs, joined into the column `runsCollapsed`.
#' @param renameCols whether samples are called by their group.
#' @return The object with a column for each group.
#' @examples
#' set.seed(1)
#' dds <- makeExampleDESeqDataSet(n = 50, m = 6)
#' collapseReplicates(dds, groupby = rep(c("a", "b", "c"), 2))
#' @export
collapseReplicates <- function(object, groupby, run, renameCols = TRUE) {
  caller <- "collapseReplicates"
  if (!is.factor(groupby)) groupby <- factor(groupby)
  groupby <- droplevels(groupby)
  if (length(groupby) != ncol(object) || anyNA(groupby))
    refuse(caller, "groupby must have a value for each sample (", ncol(object), ")", argument = "groupby")
  if (!missing(run) && length(run) != ncol(object))
    refuse(caller, "run must have a value for each sample (", ncol(object), ")", argument = "run")
  groups <- split(seq_len(ncol(object)), groupby)
  sums <- summed_counts(object, groupby, caller)
  if (length(SummarizedExperiment::assays(object)) > 1)
    warning(caller, ": only counts are added; other assays are dropped", call. = FALSE)
  names <- SummarizedExperiment::assayNames(object)[1]
  first <- vapply(groups, `[`, 1L, 1L)
  made <- object[, first]
  SummarizedExperiment::assays(made, withDimnames = FALSE) <- setNames(list(sums), names)
  if (!missing(run)) made$runsCollapsed <- unname(vapply(groups, function(at) paste(run[at], collapse = ","), ""))
  if (renameCols) colnames(made) <- levels(groupby)
  if (is(made, "DESeqDataSet")) sizeFactors(made) <- NULL
  made
}

summed_counts <- function(object, groupby, caller) {
  dds <- object
  if (!is(object, "DESeqDataSet")) {
    plain <- SummarizedExperiment::SummarizedExperiment(
      list(counts = SummarizedExperiment::assay(object, 1, withDimnames = FALSE)),
      colData = S4Vectors::DataFrame(row.names = paste0("sample", seq_len(ncol(object)))))
    dds <- quietly_made(DESeqDataSet(plain, ~1))
  }
  handle <- engine_for(as_dds(dds, caller), "data", caller)
  # The engine says too that other matrices are dropped.
  made <- suppressWarnings(noted_call(caller, 1, FALSE, function(settings)
    deseq_collapse(settings, handle, as.integer(groupby) - 1L, utf8(levels(groupby)))))
  counts_from_engine(made, caller)
}

# The counts of an engine as integers.
counts_from_engine <- function(handle, caller) {
  made <- noted_call(caller, 1, FALSE, function(settings) deseq_transform(settings, handle, "counts", list()))
  values <- array_of(made, "values")
  if (max(values, 0) > .Machine$integer.max)
    refuse(caller, "a sum of counts is above 2^31", argument = "object", kind = "invalid_data")
  storage.mode(values) <- "integer"
  values
}

#' Outliers replaced
#'
#' Counts with a Cook's distance above the cutoff are replaced by the trimmed mean of the gene, at the size of the
#' sample, in samples whose conditions at least `minReplicates` have. Part of [DESeq()].
#'
#' @param object a [DESeqDataSet-class] with the assay `cooks`, after a test.
#' @param trim share of counts left out at each end of the mean.
#' @param cooksCutoff see [results()].
#' @param minReplicates see `minReplicatesForReplace` of [DESeq()].
#' @param whichSamples positions or flags of the samples, instead of those with enough replicates.
#' @return The object with replaced counts; the original ones are in the assay `originalCounts`.
#' @export
replaceOutliers <- function(object, trim = 0.2, cooksCutoff, minReplicates = 7, whichSamples) {
  caller <- "replaceOutliers"
  object <- as_dds(object, caller)
  cooks <- assay_of(object, "cooks")
  if (is.null(cooks) || !has_results(object))
    refuse(caller, "the object has no Cook's distances; call DESeq or nbinomWaldTest first", argument = "object", kind = "state")
  least <- min(one_number(minReplicates, "minReplicates", caller), .Machine$integer.max)
  options <- list(trim = one_number(trim, "trim", caller), min_replicates = floor(least))
  if (!missing(cooksCutoff)) options$cooks_cutoff <- min(one_number(cooksCutoff, "cooksCutoff", caller), .Machine$double.xmax)
  if (!missing(whichSamples)) {
    if (is.logical(whichSamples)) whichSamples <- which(whichSamples)
    options$samples <- I(as.integer(whichSamples) - 1L)
  }
  handle <- engine_for(object, "test", caller, fitted_design(object))
  made <- value_of(deseq_replace(handle, by_gene(cooks), options), caller)
  genes <- array_of(made, "replace") != 0
  genes[S4Vectors::mcols(object)$allZero] <- NA
  object <- set_assay(object, "originalCounts", counts_of(object))
  SummarizedExperiment::assay(object, "counts", withDimnames = FALSE) <- counts_from_engine(made, caller)
  object <- put_gene_column(object, "replace", genes)
  put_replaceable(object, array_of(made, "replaceable") != 0)
}

#' @rdname replaceOutliers
#' @export
replaceOutliersWithTrimmedMean <- replaceOutliers
