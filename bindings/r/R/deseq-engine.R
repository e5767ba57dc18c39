# The engine behind a DESeqDataSet. The object holds R data only; the engine's own copy is kept under a token, as for
# RCTD, and made again from the object when it does not fit any more.

deseq_threads <- function(parallel, BPPARAM, caller) {
  if (!isTRUE(parallel)) {
    if (!identical(parallel, FALSE)) refuse(caller, "parallel must be TRUE or FALSE", argument = "parallel")
    return(getOption("cytosol.threads", 1L))
  }
  if (!is.null(BPPARAM)) return(BiocParallel::bpnworkers(BPPARAM))
  if (requireNamespace("BiocParallel", quietly = TRUE)) return(BiocParallel::bpnworkers(BiocParallel::bpparam()))
  getOption("mc.cores", 2L)
}

# A call whose notes become messages and warnings of R as they come.
noted_call <- function(caller, threads, quiet, work) {
  engine_call(caller, threads, work, note = function(kind, text) {
    if (kind == "warning") warning(caller, ": ", text, call. = FALSE)
    else if (!quiet) message(text)
  })
}

# ---- what the engine is given ----

counts_of <- function(object) SummarizedExperiment::assay(object, "counts", withDimnames = FALSE)

assay_of <- function(object, name) {
  if (name %in% SummarizedExperiment::assayNames(object))
    SummarizedExperiment::assay(object, name, withDimnames = FALSE)
}

gene_names <- function(object) {
  names <- rownames(object)
  if (is.null(names)) as.character(seq_len(nrow(object))) else names
}

sample_names <- function(object) {
  names <- colnames(object)
  if (is.null(names)) paste0("sample", seq_len(ncol(object))) else names
}

counts_for_engine <- function(counts) {
  if (is(counts, "dgCMatrix")) return(borrowed(counts))
  list(dense = counts, rows = nrow(counts), columns = ncol(counts))
}

# Genes one after the other.
by_gene <- function(values) as.double(t(as.matrix(values)))

columns_for_engine <- function(table) {
  factors <- numbers <- list()
  for (name in colnames(table)) {
    column <- table[[name]]
    if (is.character(column)) column <- factor(column)
    if (is.factor(column)) {
      codes <- as.integer(column) - 1L
      codes[is.na(codes)] <- -1L
      factors[[name]] <- list(codes = codes, levels = utf8(levels(column)))
    } else if (is.numeric(column) && is.null(dim(column))) {
      numbers[[name]] <- as.double(column)
    }
  }
  list(factors = factors, numbers = numbers)
}

is_formula <- function(x) inherits(x, "formula")

# The engine's formula, or the model matrix of what it does not know.
design_for_engine <- function(design, table, caller = "design") {
  if (is.matrix(design)) return(matrix_for_engine(design))
  terms <- stats::terms(design)
  variables <- rownames(attr(terms, "factors"))
  known <- function(name) name %in% colnames(table) && name == make.names(name) &&
    (is.factor(table[[name]]) || is.character(table[[name]]) || (is.numeric(table[[name]]) && is.null(dim(table[[name]]))))
  if (is.null(attr(terms, "offset")) && all(vapply(as.character(variables), known, TRUE))) {
    labels <- attr(terms, "term.labels")
    if (attr(terms, "intercept") == 0) labels <- c("0", labels)
    return(paste("~", if (length(labels) == 0) "1" else paste(labels, collapse = " + ")))
  }
  matrix_for_engine(renamed_matrix(design, table))
}

matrix_for_engine <- function(matrix) {
  names <- colnames(matrix)
  if (is.null(names)) names <- paste0("x", seq_len(ncol(matrix)))
  list(values = as.double(t(matrix)), names = utf8(names))
}

# A model matrix of R with the names that the engine gives to coefficients.
renamed_matrix <- function(design, table) {
  frame <- as.data.frame(table)
  matrix <- stats::model.matrix.default(design, data = frame)
  if (attr(stats::terms(design), "intercept") == 1) {
    for (name in intersect(all.vars(design), colnames(frame))) {
      levels <- levels(as.factor(frame[[name]]))
      if (is.numeric(frame[[name]])) next
      at <- match(paste0(name, levels[-1]), colnames(matrix))
      to <- paste0(name, "_", levels[-1], "_vs_", levels[1])
      colnames(matrix)[at[!is.na(at)]] <- to[!is.na(at)]
    }
  }
  matrix
}

model_matrix_of <- function(object) {
  if (is.matrix(object@design)) object@design else
    renamed_matrix(object@design, SummarizedExperiment::colData(object))
}

# Formula designs whose factors have samples in each level.
check_levels <- function(object, design, caller) {
  if (!is_formula(design)) return(invisible())
  table <- SummarizedExperiment::colData(object)
  for (name in intersect(all.vars(design), colnames(table))) {
    empty <- if (is.factor(table[[name]])) setdiff(levels(table[[name]]), as.character(table[[name]]))
    if (length(empty) > 0)
      refuse(caller, "level ", dQuote(empty[1], FALSE), " of ", dQuote(name, FALSE), " has no sample; leave it out with ",
             "droplevels", argument = "design")
  }
}

data_of <- function(object, design) {
  table <- SummarizedExperiment::colData(object)
  list(counts = counts_of(object), genes = gene_names(object), samples = sample_names(object), table = as.list(table),
       design = design_for_engine(design, table), size = sizeFactors(object),
       norm = assay_of(object, "normalizationFactors"), lengths = assay_of(object, "avgTxLength"),
       weights = assay_of(object, "weights"))
}

make_deseq <- function(data, caller, quiet = TRUE, ignoreRank = TRUE) {
  work <- function(settings) {
    deseq_new(settings, counts_for_engine(data$counts), utf8(data$samples), columns_for_engine(S4Vectors::DataFrame(
      data$table, check.names = FALSE, row.names = data$samples)), utf8(data$genes), data$design, list(ignore_rank = ignoreRank))
  }
  handle <- if (quiet) suppressWarnings(noted_call(caller, 1, TRUE, work)) else noted_call(caller, 1, FALSE, work)
  set <- function(name, values) if (!is.null(values)) value_of(deseq_set(handle, name, values), caller)
  set("size_factors", if (!is.null(data$size)) as.double(data$size))
  set("normalization_factors", if (!is.null(data$norm)) by_gene(data$norm))
  set("avg_tx_length", if (!is.null(data$lengths)) by_gene(data$lengths))
  set("weights", if (!is.null(data$weights)) by_gene(data$weights))
  handle
}

# ---- what was estimated, as columns ----

dispersion_columns <- c("baseMean", "baseVar", "allZero", "dispGeneEst", "dispGeneIter", "dispFit", "dispersion",
                        "dispIter", "dispOutlier", "dispMAP")

quasi_columns <- c("qlDispMLE", "qlDispFit", "qlDispMAP", "dispFitQLCorrected")

has_results <- function(object) !is.null(attr(object, "test", exact = TRUE)) && length(resultsNames(object)) > 0

# NULL where the level needs no columns, or the object has not got them.
kept_columns <- function(object, level, design, min_mu = NULL, means = FALSE) {
  genes <- S4Vectors::mcols(object)
  n <- nrow(object)
  column <- function(name) {
    values <- genes[[name]]
    if (is.null(values)) rep(NaN, n) else as.double(values)
  }
  if (level %in% c("data", "bare")) return(NULL)
  if (level %in% c("gene-wise", "trend")) return(early_columns(object, level, design, column))
  if (is.null(genes$dispersion)) return(NULL)
  columns <- lapply(setNames(nm = dispersion_columns), column)
  if (is.null(genes$baseMean) || is.null(genes$allZero)) columns[c("baseMean", "baseVar", "allZero")] <- base_columns(object)
  matrix <- attr(object, "dispModelMatrix", exact = TRUE)
  if (is.null(matrix)) matrix <- model_matrix_of(object)
  columns$disp_model_matrix <- as.double(t(matrix))
  trend <- object@dispersionFunction
  columns$trend <- numbers_or_unknown(trend)
  options <- list(var_log_disp_ests = attr(trend, "varLogDispEsts"), disp_prior_var = attr(trend, "dispPriorVar"))
  df0 <- attr(object, "quasiLikelihood_df0", exact = TRUE)
  if (!is.null(genes$qlDispMAP) && !is.null(df0)) {
    columns <- c(columns, lapply(setNames(nm = quasi_columns), column))
    options$ql_df0 <- df0
  }
  options <- options[vapply(options, is_finite_number, TRUE)]
  mu <- if (means) assay_of(object, "mu")
  if (!is.null(mu)) columns$mu <- by_gene(mu)
  if (level == "test") {
    if (!has_results(object)) return(NULL)
    with_test <- test_columns(object, genes, column, min_mu)
    columns <- c(columns, with_test$columns)
    options <- c(options, with_test$options)
  }
  list(columns = columns, options = options)
}

is_finite_number <- function(x) is.numeric(x) && length(x) == 1 && is.finite(x)

# A function of somebody else's has values, which are columns, but no numbers.
numbers_or_unknown <- function(trend) {
  numbers <- trend_numbers(trend)
  if (is.null(numbers)) c(3, NaN) else numbers
}

# Columns of the stages before the final dispersions: gene-wise estimates, and their trend.
early_columns <- function(object, level, design, column) {
  genes <- S4Vectors::mcols(object)
  if (is.null(genes$dispGeneEst) || (level == "trend" && is.null(genes$dispFit))) return(NULL)
  columns <- lapply(setNames(nm = c("dispGeneEst", "dispGeneIter")), column)
  columns[c("baseMean", "baseVar", "allZero")] <- if (is.null(genes$baseMean) || is.null(genes$allZero)) base_columns(object) else
    lapply(c("baseMean", "baseVar", "allZero"), column)
  columns$disp_model_matrix <- as.double(t(if (is.matrix(design)) design else
    renamed_matrix(design, SummarizedExperiment::colData(object))))
  mu <- assay_of(object, "mu")
  if (!is.null(mu)) columns$mu <- by_gene(mu)
  options <- list()
  if (level == "trend") {
    columns$dispFit <- column("dispFit")
    columns$trend <- numbers_or_unknown(object@dispersionFunction)
    varies <- attr(object@dispersionFunction, "varLogDispEsts")
    if (is_finite_number(varies)) options$var_log_disp_ests <- varies
  }
  list(columns = columns, options = options)
}

test_columns <- function(object, genes, column, min_mu) {
  names <- resultsNames(object)
  many <- function(prefix, names) as.double(t(vapply(paste0(prefix, names), column, numeric(nrow(object)))))
  lrt <- identical(attr(object, "test", exact = TRUE), "LRT")
  type <- attr(object, "modelMatrixType", exact = TRUE)
  if (is.null(type)) type <- "standard"
  if (type == "standard" && is.list(design_for_engine(object@design, SummarizedExperiment::colData(object))))
    type <- "user-supplied"
  columns <- list(coefficients = many("", names), SE = many("SE_", names),
                  betaConv = column(if (lrt) "fullBetaConv" else "betaConv"), betaIter = column("betaIter"),
                  deviance = column("deviance"), maxCooks = column("maxCooks"), cooksSample = worst_samples(object))
  options <- list(results_names = I(utf8(names)), model_matrix_type = type,
                  min_mu = if (is.null(min_mu)) stored_minmu(object) else min_mu)
  if (lrt) {
    columns[c("LRTStatistic", "LRTPvalue", "reducedBetaConv")] <-
      lapply(c("LRTStatistic", "LRTPvalue", "reducedBetaConv"), column)
    about <- S4Vectors::mcols(genes)$description[match("LRTStatistic", colnames(genes))]
    options$lrt <- sub("^LRT statistic: ", "", about)
  } else {
    columns$WaldStatistic <- many("WaldStatistic_", names)
    columns$WaldPvalue <- many("WaldPvalue_", names)
  }
  if (type == "user-supplied") columns$model_matrix <- as.double(t(attr(object, "modelMatrix", exact = TRUE)))
  if (!is.null(genes$tDegreesFreedom)) columns$tDegreesFreedom <- column("tDegreesFreedom")
  if (!is.null(genes$replace)) columns$replace <- as.double(genes$replace %in% TRUE)
  if (isTRUE(attr(object, "betaPrior", exact = TRUE))) {
    columns$beta_prior_var <- as.double(attr(object, "betaPriorVar", exact = TRUE))
    mle <- grep("^MLE_", colnames(genes), value = TRUE)
    if (length(mle) > 0) {
      columns$MLE <- many("", mle)
      options$mle_names <- I(utf8(sub("^MLE_", "", mle)))
    }
  }
  list(columns = columns, options = options)
}

stored_minmu <- function(object) {
  value <- attr(object, "minmu", exact = TRUE)
  if (is.null(value)) 0.5 else value
}

# The sample with the largest Cook's distance, from 0.
worst_samples <- function(object) {
  kept <- S4Vectors::mcols(object)$cooksSample
  if (!is.null(kept)) {
    kept <- as.double(kept) - 1
    kept[is.na(kept)] <- 0
    return(kept)
  }
  cooks <- assay_of(object, "cooks")
  if (is.null(cooks)) return(numeric(nrow(object)))
  cooks[is.na(cooks)] <- -1
  as.double(max.col(cooks, ties.method = "first") - 1)
}

base_columns <- function(object) {
  q <- normalized(object, "counts")
  weights <- assay_of(object, "weights")
  if (!is.null(weights)) q <- q * weights
  mean <- unname(Matrix::rowMeans(q))
  list(mean, unname(Matrix::rowSums((as.matrix(q) - mean)^2) / (ncol(object) - 1)),
       as.double(unname(Matrix::rowSums(counts_of(object)) == 0)))
}

with_base_columns <- function(object) {
  if (!is.null(S4Vectors::mcols(object)$baseMean)) return(object)
  base <- base_columns(object)
  base[[3]] <- base[[3]] == 1
  for (i in 1:3) object <- put_gene_column(object, dispersion_columns[i], base[[i]])
  object
}

# A trend as the engine takes it: NULL for a function of somebody else's.
trend_numbers <- function(trend) {
  numbers <- attr(trend, "trend", exact = TRUE)
  if (!is.null(numbers)) return(numbers)
  kind <- attr(trend, "fitType", exact = TRUE)
  if (identical(kind, "parametric")) return(c(0, as.double(attr(trend, "coefficients"))))
  if (identical(kind, "mean")) return(c(3, as.double(attr(trend, "mean"))))
  NULL
}

trend_function <- function(numbers, fitType, varLogDispEsts, dispPriorVar) {
  made <- function(q) value_of(deseq_trend_values(numbers, as.double(q)), "dispersionFunction")
  environment(made) <- list2env(list(numbers = numbers), parent = asNamespace("cytosol"))
  attr(made, "trend") <- numbers
  attr(made, "fitType") <- fitType
  if (fitType == "parametric") attr(made, "coefficients") <- c(asymptDisp = numbers[2], extraPois = numbers[3])
  if (fitType == "mean") attr(made, "mean") <- numbers[2]
  attr(made, "varLogDispEsts") <- varLogDispEsts
  attr(made, "dispPriorVar") <- dispPriorVar
  made
}

# ---- the engine of an object ----
#
# An engine is in a box: its handle, the data that it was made of, and the estimates that it has now. Copies of an object
# hold the token of one box; who finds other estimates there than his own puts his own in, and who finds other data, or
# an engine that another object has gone on with, gets a new engine.

new_box <- function(handle, data, columns) list2env(list(handle = handle, data = data, columns = columns), parent = emptyenv())

# What has to be called before, by level.
steps_before <- c(
  "gene-wise" = "gene-wise dispersions; call estimateDispersionsGeneEst first",
  trend = "trend of the dispersions; call estimateDispersionsGeneEst and estimateDispersionsFit first",
  dispersions = "dispersions; call estimateDispersions first",
  test = "test; call DESeq, nbinomWaldTest or nbinomLRT first")

# level: how much of the analysis the engine has to know: "data" (estimates do not matter), "bare" (none), "gene-wise",
# "trend", "dispersions" or "test". With `changes` the engine is for a step, whose object is tied to it afterwards.
engine_for <- function(object, level, caller, design = object@design, min_mu = NULL, changes = FALSE, means = FALSE) {
  data <- data_of(object, design)
  columns <- kept_columns(object, level, design, min_mu, means)
  if (is.null(columns) && level %in% names(steps_before))
    refuse(caller, "the object has no ", steps_before[[level]], argument = "object", kind = "state")
  token <- attr(object, "engine", exact = TRUE)
  box <- kept_engine(token)
  fits <- !is.null(box) && is_alive(box$handle) && identical(box$data, data) && (level != "bare" || is.null(box$columns))
  if (!fits) {
    box <- new_box(make_deseq(data, caller), data, NULL)
    if (is.environment(token) && identical(token$session, session$id)) engines[[token$id]] <- box
  }
  if (!is.null(columns) && !identical(box$columns, columns)) {
    value_of(deseq_put_back(box$handle, columns$columns, columns$options), caller)
    box$columns <- columns
  }
  if (changes) box$data <- NULL
  box$handle
}

# Ties an engine to the object that now holds what it estimated; with the level "other" the engine has estimates that the
# object has not.
tie_engine <- function(object, handle, level, design = object@design) {
  token <- register(new.env(parent = emptyenv()))
  attr(object, "engine") <- token
  columns <- if (level == "other") level else kept_columns(object, level, design)
  engines[[token$id]] <- new_box(handle, data_of(object, design), columns)
  object
}

# ---- what the engine gives back ----

notes_of_genes <- c(
  baseMean = "mean of normalized counts for all samples", baseVar = "variance of normalized counts for all samples",
  allZero = "all counts for a gene are zero", dispGeneEst = "gene-wise estimates of dispersion",
  dispGeneIter = "number of iterations for gene-wise", dispFit = "fitted values of dispersion",
  dispersion = "final estimate of dispersion", dispIter = "number of iterations",
  dispOutlier = "dispersion flagged as outlier", dispMAP = "maximum a posteriori estimate",
  qlDispMLE = "quasi likelihood dispersion MLE", qlDispFit = "quasi likelihood dispersion Trend",
  qlDispMAP = "quasi likelihood dispersion MAP",
  dispFitQLCorrected = "dispersion trend corrected by quasi likelihood", betaConv = "convergence of betas", betaIter = "iterations for betas",
  deviance = "deviance for the fitted model", maxCooks = "maximum Cook's distance for row",
  fullBetaConv = "convergence of betas for full model", reducedBetaConv = "convergence of betas for reduced model",
  tDegreesFreedom = "t degrees of freedom for Wald test", replace = "had counts replaced",
  weightsFail = "weights fail to allow parameter estimation",
  cooksSample = "sample with the largest Cook's distance")

intermediate_columns <- c(dispersion_columns, quasi_columns, "weightsFail", "replace", "cooksSample")

describe_column <- function(name, coefficients, prior, lrt) {
  words <- function(x) gsub("_", " ", x, fixed = TRUE)
  if (name %in% coefficients) return(paste0("log2 fold change (", if (prior) "MAP" else "MLE", "): ", words(name)))
  heads <- c(SE_ = "standard error: ", MLE_ = "MLE ", WaldStatistic_ = "Wald statistic: ",
             WaldPvalue_ = "Wald test p-value: ")
  for (head in names(heads)) if (startsWith(name, head)) return(paste0(heads[[head]], words(sub(head, "", name))))
  if (name == "LRTStatistic") return(paste("LRT statistic:", lrt))
  if (name == "LRTPvalue") return(paste("LRT p-value:", lrt))
  if (!is.null(lrt) && name == "betaIter") return("iterations for betas for full model")
  if (!is.null(lrt) && name == "deviance") return("deviance of the full model")
  if (name %in% names(notes_of_genes)) notes_of_genes[[name]] else ""
}

# Columns of genes, after those that were there before and are not estimates.
with_gene_columns <- function(object, table, info, lrt = NULL) {
  old <- without_estimates(S4Vectors::mcols(object))
  table$gene <- NULL
  # Dispersions of the user's own came about without these.
  unknown <- vapply(table, function(values) is.double(values) && all(is.nan(values)), TRUE)
  unknown <- intersect(names(table)[unknown], dispersion_columns)
  table[c(unknown, if ("dispMAP" %in% unknown) "dispOutlier")] <- NULL
  missing <- table$allZero
  table <- lapply(table, function(values) {
    if (is.double(values)) values[is.nan(values)] <- NA_real_
    values
  })
  for (name in intersect(c("dispOutlier", "betaConv", "fullBetaConv", "reducedBetaConv"), names(table)))
    table[[name]][missing] <- NA
  # A gene that has counts after all, but no more once they are replaced, was replaced.
  if (!is.null(table$replace)) table$replace[missing & !table$replace] <- NA
  notes <- vapply(names(table), describe_column, "", info$results_names, isTRUE(info$beta_prior), lrt)
  kind <- ifelse(names(table) %in% intermediate_columns, "intermediate", "results")
  added <- S4Vectors::DataFrame(table, check.names = FALSE)
  S4Vectors::mcols(added) <- S4Vectors::DataFrame(type = kind, description = unname(notes))
  put_mcols(object, old, added)
}

put_mcols <- function(object, old, added) {
  if (is.null(old) || ncol(old) == 0) both <- added else {
    if (is.null(S4Vectors::mcols(old)$type)) S4Vectors::mcols(old) <- input_notes(old)
    notes <- rbind(S4Vectors::mcols(old)[, c("type", "description")], S4Vectors::mcols(added)[, c("type", "description")])
    both <- cbind(old, added)
    S4Vectors::mcols(both) <- notes
  }
  rownames(both) <- NULL
  S4Vectors::mcols(object) <- both
  object
}

input_notes <- function(table) S4Vectors::DataFrame(type = rep("input", ncol(table)), description = rep("", ncol(table)))

without_estimates <- function(table) {
  if (is.null(table)) return(NULL)
  kind <- S4Vectors::mcols(table)$type
  if (is.null(kind)) return(table)
  table[, is.na(kind) | !kind %in% c("intermediate", "results"), drop = FALSE]
}

# Genes with counts whose weights do not allow a fit, after the flag of genes without counts.
with_weights_fail <- function(table, object) {
  if (is.null(assay_of(object, "weights"))) return(table)
  fails <- table$allZero & unname(Matrix::rowSums(counts_of(object))) > 0
  if (!is.null(table$replace)) fails <- fails & !table$replace
  if (any(fails)) append(table, list(weightsFail = fails), after = match("allZero", names(table))) else table
}

large_assays <- function(object) as.double(nrow(object)) * ncol(object) > 5e7

assay_names_of_fits <- c("mu", "H", "cooks", "replaceCounts", "replaceCooks")

without_fits <- function(object) {
  found <- SummarizedExperiment::assays(object, withDimnames = FALSE)
  if (any(names(found) %in% assay_names_of_fits))
    SummarizedExperiment::assays(object, withDimnames = FALSE) <- found[!names(found) %in% assay_names_of_fits]
  object
}

set_assay <- function(object, name, values) {
  dimnames(values) <- dimnames(object)
  SummarizedExperiment::assay(object, name, withDimnames = FALSE) <- values
  object
}

take_size_factors <- function(object, handle) {
  if (has_array(handle, "normalization_factors"))
    return(set_assay(object, "normalizationFactors", array_of(handle, "normalization_factors")))
  if (has_array(handle, "size_factors"))
    object <- put_size_factors(object, array_of(handle, "size_factors"))
  object
}

put_size_factors <- function(object, value) {
  table <- SummarizedExperiment::colData(object)
  table$sizeFactor <- unname(as.double(value))
  if (!is.null(S4Vectors::mcols(table)$type)) S4Vectors::mcols(table)["sizeFactor", c("type", "description")] <-
    list("intermediate", "a scaling factor for columns")
  object@colData <- table
  object
}

# Everything that the engine has estimated goes into the object.
absorb <- function(object, handle, lrt = NULL, minmu = 0.5) {
  info <- value_of(deseq_info(handle), "DESeq")
  table <- value_of(deseq_gene_table(handle), "DESeq")
  tested <- !is.null(info$test)
  if (tested && large_assays(object)) table$cooksSample <- array_of(handle, "cooksSample") + 1
  object <- without_fits(take_size_factors(object, handle))
  object <- with_gene_columns(object, with_weights_fail(table, object), info, lrt)
  for_dispersions <- array_of(handle, "disp_model_matrix")
  attr(object, "dispModelMatrix") <- for_dispersions
  # Infinite degrees of freedom come as null.
  attr(object, "quasiLikelihood_df0") <- if (!is.null(table$qlDispMAP)) if (is.null(info$ql_df0)) Inf else info$ql_df0
  trend <- array_of(handle, "trend")
  # A function of the user's own stays.
  if (!anyNA(trend)) object@dispersionFunction <- trend_function(trend, info$fit_type, info$var_log_disp_ests,
                                                                 info$disp_prior_var)
  if (!tested) return(object)
  for_test <- array_of(handle, "model_matrix")
  same <- identical(for_test, for_dispersions)
  dimnames(for_test) <- list(sample_names(object), info$results_names)
  attr(object, "modelMatrix") <- for_test
  if (same) attr(object, "dispModelMatrix") <- for_test
  attr(object, "test") <- info$test
  attr(object, "betaPrior") <- isTRUE(info$beta_prior)
  attr(object, "betaPriorVar") <- if (isTRUE(info$beta_prior)) setNames(info$beta_prior_var, info$results_names) else
    rep(1e6, length(info$results_names))
  attr(object, "minmu") <- minmu
  for (name in c("mu", "H", "cooks"))
    if (has_array(handle, name)) object <- set_assay(object, name, array_of(handle, name))
  take_replaced(object, handle, table$replace)
}

put_replaceable <- function(object, replaceable) {
  table <- SummarizedExperiment::colData(object)
  table$replaceable <- replaceable
  if (!is.null(S4Vectors::mcols(table)$type)) S4Vectors::mcols(table)["replaceable", c("type", "description")] <-
    list("intermediate", "outliers can be replaced")
  object@colData <- table
  object
}

take_replaced <- function(object, handle, replace) {
  if (is.null(replace)) return(object)
  replaceable <- array_of(handle, "replaceable") != 0
  object <- put_replaceable(object, replaceable)
  if (large_assays(object)) return(object)
  counts <- as.matrix(counts_of(object))
  counts[replace, ] <- array_of(handle, "replaceCounts")
  storage.mode(counts) <- "integer"
  object <- set_assay(object, "replaceCounts", counts)
  cooks <- assay_of(object, "cooks")
  if (!is.null(cooks)) object <- set_assay(object, "replaceCooks", cooks)
  object
}

# Where outliers would have been replaced, but there were none.
nothing_replaced <- function(object, least) {
  matrix <- attr(object, "modelMatrix", exact = TRUE)
  if (!is.null(S4Vectors::mcols(object)$replace) || nrow(matrix) <= ncol(matrix)) return(object)
  cell <- do.call(paste, as.data.frame(matrix))
  replaceable <- as.vector(table(cell)[cell]) >= least
  if (!any(replaceable)) return(object)
  replace <- logical(nrow(object))
  replace[S4Vectors::mcols(object)$allZero] <- NA
  put_replaceable(put_gene_column(object, "replace", replace), replaceable)
}
