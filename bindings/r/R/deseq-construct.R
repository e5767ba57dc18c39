#' Data sets for differential expression
#'
#' `DESeqDataSet` takes a `SummarizedExperiment`, `DESeqDataSetFromMatrix` a matrix of counts (dense, or a `dgCMatrix`,
#' which stays sparse), `DESeqDataSetFromHTSeqCount` the files of htseq-count, `DESeqDataSetFromTximport` the list that
#' tximport gives. Counts are whole numbers that were not normalised; rows are genes, columns are samples.
#'
#' @param se a `SummarizedExperiment` whose first assay holds counts.
#' @param countData matrix, data frame or `dgCMatrix` of counts; with `tidy = TRUE` a data frame whose first column holds
#'   the names of the genes.
#' @param colData data frame or `DataFrame`, a row for each sample, in the order of the columns of the counts.
#' @param design formula over the columns of `colData`, such as `~ batch + condition`, or a model matrix. The last
#'   variable is compared by default; the first level of a factor is its reference.
#' @param tidy whether the first column of `countData` holds the names of the genes.
#' @param ignoreRank whether a design whose columns depend on each other is accepted; it cannot be fitted.
#' @param sampleTable data frame: name of the sample, file, then columns of the sample table.
#' @param directory folder of the files.
#' @param txi list of tximport: `counts`, `length`, `abundance`, `countsFromAbundance`.
#' @param ... further arguments of `SummarizedExperiment`: `rowRanges`, `rowData`, `metadata`.
#' @return A [DESeqDataSet-class].
#' @source Love, Huber and Anders (2014), Genome Biology 15:550; the interface is that of DESeq2.
#' @examples
#' counts <- matrix(rpois(60, 50), 10, dimnames = list(paste0("gene", 1:10), paste0("s", 1:6)))
#' samples <- data.frame(condition = factor(rep(c("A", "B"), each = 3)), row.names = colnames(counts))
#' DESeqDataSetFromMatrix(counts, samples, ~ condition)
#' @export
DESeqDataSet <- function(se, design, ignoreRank = FALSE) {
  caller <- "DESeqDataSet"
  if (!is(se, "SummarizedExperiment"))
    refuse(caller, "se of class ", class(se)[1], "; must be a SummarizedExperiment", argument = "se")
  if (!is(se, "RangedSummarizedExperiment")) se <- as(se, "RangedSummarizedExperiment")
  if (missing(design)) refuse(caller, "design is missing; `~ 1` is the design without conditions", argument = "design")
  se <- named_assays(se, caller)
  se <- whole_counts(se, caller)
  se <- from_tximeta(se)
  new_dds(se, design, ignoreRank, caller)
}

named_assays <- function(se, caller) {
  names <- SummarizedExperiment::assayNames(se)
  if (length(SummarizedExperiment::assays(se)) == 0) refuse(caller, "se has no assay", argument = "se")
  if (is.null(names)) names <- rep("", length(SummarizedExperiment::assays(se)))
  if (names[1] != "counts") {
    if ("counts" %in% names)
      refuse(caller, "the assay counts of se is not its first; put it first", argument = "se")
    message("the first assay is taken as counts", if (nzchar(names[1])) paste0("; its name was ", names[1]))
    names[1] <- "counts"
    SummarizedExperiment::assayNames(se) <- names
  }
  se
}

whole_counts <- function(se, caller) {
  counts <- counts_of(se)
  place <- function(bad) {
    at <- arrayInd(bad, dim(counts))
    paste0("counts[", dQuote(gene_names(se)[at[1]], FALSE), ", ", dQuote(sample_names(se)[at[2]], FALSE), "] is ",
           format(counts[at[1], at[2]]))
  }
  no <- function(...) refuse(caller, ..., argument = "counts", kind = "invalid_data")
  if (is(counts, "sparseMatrix") && !is(counts, "dgCMatrix")) {
    counts <- as_dgCMatrix(counts, caller)
  } else if (!is(counts, "dgCMatrix") && !is.matrix(counts)) {
    counts <- as.matrix(counts)
  }
  values <- if (is(counts, "dgCMatrix")) counts@x else counts
  if (!is.numeric(values)) no("counts must hold numbers, not ", typeof(values))
  where <- function(test) {
    bad <- which(test)[1]
    if (is.na(bad)) return(NULL)
    if (!is(counts, "dgCMatrix")) return(bad)
    column <- findInterval(bad - 1, counts@p)
    (column - 1) * nrow(counts) + counts@i[bad] + 1
  }
  bad <- where(is.na(values))
  if (!is.null(bad)) no(place(bad), "; counts must not be missing")
  bad <- where(values < 0)
  if (!is.null(bad)) no(place(bad), "; counts must not be negative")
  if (is.double(values)) {
    bad <- where(values != round(values))
    if (!is.null(bad)) no(place(bad), "; counts must be whole numbers that were not normalised")
    bad <- where(values > .Machine$integer.max)
    if (!is.null(bad)) no(place(bad), "; counts must be below 2^31")
    if (!is(counts, "dgCMatrix")) {
      message("counts are kept as integers")
      storage.mode(counts) <- "integer"
    }
  }
  dimnames(counts) <- NULL
  SummarizedExperiment::assay(se, "counts", withDimnames = FALSE) <- counts
  se
}

from_tximeta <- function(se) {
  about <- S4Vectors::metadata(se)
  if (is.null(about$tximetaInfo)) return(se)
  if (is.null(about$countsFromAbundance) || about$countsFromAbundance != "no") {
    message("the counts of tximeta are used as they are")
    return(se)
  }
  names <- SummarizedExperiment::assayNames(se)
  if ("length" %in% names) {
    message("the counts and average transcript lengths of tximeta are used")
    names[names == "length"] <- "avgTxLength"
    SummarizedExperiment::assayNames(se) <- names
  } else {
    message("tximeta's assay length is missing: the counts are used without transcript lengths")
  }
  se
}

new_dds <- function(se, design, ignoreRank, caller) {
  if (!is_formula(design) && !is.matrix(design))
    refuse(caller, "design of class ", class(design)[1], "; must be a formula or a model matrix", argument = "design")
  if (anyDuplicated(rownames(se))) {
    warning(caller, ": names of genes occur more than once; later ones get .1, .2, ...", call. = FALSE)
    rownames(se) <- make.unique(rownames(se))
  }
  if (is_formula(design)) se <- checked_variables(se, design, caller)
  table <- SummarizedExperiment::colData(se)
  genes <- S4Vectors::mcols(se)
  if (is.null(genes)) genes <- S4Vectors::make_zero_col_DFrame(nrow(se))
  if (is.null(S4Vectors::mcols(genes)$type)) S4Vectors::mcols(genes) <- input_notes(genes)
  if (is.null(S4Vectors::mcols(table)$type)) S4Vectors::mcols(table) <- input_notes(table)
  S4Vectors::mcols(se) <- genes
  se@colData <- table
  S4Vectors::metadata(se)$version <- utils::packageVersion("cytosol")
  object <- new("DESeqDataSet", se, design = design)
  data <- data_of(object, design)
  data[c("size", "norm", "lengths", "weights")] <- list(NULL)
  make_deseq(data, caller, quiet = FALSE, ignoreRank = isTRUE(ignoreRank))
  if (is_formula(design)) for (name in intersect(all.vars(design), colnames(object@colData)))
    if (is.factor(object@colData[[name]])) object@colData[[name]] <- droplevels(object@colData[[name]])
  object
}

checked_variables <- function(se, design, caller) {
  variables <- all.vars(design)
  table <- SummarizedExperiment::colData(se)
  no <- function(...) refuse(caller, ..., argument = "design")
  unknown <- setdiff(variables, colnames(table))
  if (length(unknown) > 0)
    no("variable ", dQuote(unknown[1], FALSE), " of the design is not a column of colData: ",
       paste(colnames(table), collapse = ", "))
  made <- character()
  for (name in variables) {
    column <- table[[name]]
    if (anyNA(column)) no("variable ", dQuote(name, FALSE), " of the design is missing (NA) in sample ",
                          dQuote(sample_names(se)[which(is.na(column))[1]], FALSE))
    if (is.ordered(column))
      no("variable ", dQuote(name, FALSE), " is an ordered factor, which is not supported; make it a factor or numbers")
    if (is.character(column)) {
      table[[name]] <- factor(column)
      made <- c(made, name)
    }
  }
  if (length(made) > 0) {
    warning(caller, ": text columns of the design are made factors: ", paste(made, collapse = ", "), call. = FALSE)
    se@colData <- table
  }
  se
}

#' @rdname DESeqDataSet
#' @export
DESeqDataSetFromMatrix <- function(countData, colData, design, tidy = FALSE, ignoreRank = FALSE, ...) {
  caller <- "DESeqDataSetFromMatrix"
  if (tidy) {
    if (ncol(countData) < 2)
      refuse(caller, "countData has one column; with tidy = TRUE the first holds names, the others counts",
             argument = "countData")
    names <- as.character(countData[[1]])
    countData <- as.data.frame(countData)[, -1, drop = FALSE]
    rownames(countData) <- NULL
    countData <- as.matrix(countData)
    rownames(countData) <- names
  }
  if (is.data.frame(countData)) {
    if (any(vapply(countData, is.factor, TRUE)))
      warning(caller, ": countData has factors among its columns; are these counts?", call. = FALSE)
    countData <- as.matrix(countData)
  }
  if (is(countData, "SummarizedExperiment"))
    refuse(caller, "countData is a SummarizedExperiment; use DESeqDataSet", argument = "countData")
  if (is.null(dim(countData))) refuse(caller, "countData of class ", class(countData)[1], "; must be a matrix of counts",
                                      argument = "countData")
  if (ncol(countData) != nrow(colData))
    refuse(caller, "colData has ", nrow(colData), " rows for ", ncol(countData), " columns of countData",
           argument = "colData")
  if (is(colData, "data.frame")) colData <- as(as.data.frame(colData), "DataFrame")
  given <- rownames(colData)
  numbered <- identical(given, as.character(seq_len(nrow(colData))))
  if (!is.null(given) && !is.null(colnames(countData)) && !numbered && !identical(given, colnames(countData))) {
    if (setequal(given, colnames(countData)))
      refuse(caller, "rownames(colData) are colnames(countData) in another order: ", paste(head(given), collapse = ", "),
             " and ", paste(head(colnames(countData)), collapse = ", "), "; put them in the same order", argument = "colData")
  }
  if (is.null(given) || numbered) rownames(colData) <- colnames(countData)
  names <- rownames(colData)
  if (!is.null(names)) colnames(countData) <- names
  se <- SummarizedExperiment::SummarizedExperiment(assays = list(counts = countData), colData = colData, ...)
  DESeqDataSet(se, design = design, ignoreRank = ignoreRank)
}

#' @rdname DESeqDataSet
#' @export
DESeqDataSetFromHTSeqCount <- function(sampleTable, directory = ".", design, ignoreRank = FALSE, ...) {
  caller <- "DESeqDataSetFromHTSeqCount"
  if (missing(design)) refuse(caller, "design is missing", argument = "design")
  if (ncol(sampleTable) < 2) refuse(caller, "sampleTable needs the columns sample and file", argument = "sampleTable")
  paths <- file.path(directory, as.character(sampleTable[, 2]))
  lost <- paths[!file.exists(paths)]
  if (length(lost) > 0) refuse(caller, "file ", dQuote(lost[1], FALSE), " does not exist", argument = "sampleTable",
                               kind = "not_found")
  tables <- lapply(paths, utils::read.table, sep = "", stringsAsFactors = FALSE, fill = FALSE, comment.char = "",
                   quote = "")
  genes <- as.character(tables[[1]][[1]])
  for (i in seq_along(tables)) {
    if (!identical(as.character(tables[[i]][[1]]), genes))
      refuse(caller, "file ", dQuote(paths[i], FALSE), " lists other genes, or in another order, than ",
             dQuote(paths[1], FALSE), argument = "sampleTable", kind = "invalid_data")
    if (!is.numeric(tables[[i]][[ncol(tables[[i]])]]))
      refuse(caller, "file ", dQuote(paths[i], FALSE), " has no numbers in its last column", argument = "sampleTable",
             kind = "invalid_data")
  }
  counts <- vapply(tables, function(table) as.double(table[[ncol(table)]]), numeric(length(genes)))
  dimnames(counts) <- list(genes, as.character(sampleTable[, 1]))
  special <- c("no_feature", "ambiguous", "too_low_aQual", "not_aligned", "alignment_not_unique")
  counts <- counts[!(startsWith(genes, "_") | genes %in% special), , drop = FALSE]
  if (all(counts == round(counts))) storage.mode(counts) <- "integer"
  table <- as.data.frame(sampleTable)[, -(1:2), drop = FALSE]
  rownames(table) <- as.character(sampleTable[, 1])
  DESeqDataSetFromMatrix(counts, table, design, ignoreRank = ignoreRank, ...)
}

#' @rdname DESeqDataSet
#' @export
DESeqDataSetFromTximport <- function(txi, colData, design, ...) {
  caller <- "DESeqDataSetFromTximport"
  kind <- txi$countsFromAbundance
  if (is.null(txi$counts) || !is.character(kind) || !kind[1] %in% c("no", "scaledTPM", "lengthScaledTPM"))
    refuse(caller, "txi must be what tximport gives, with countsFromAbundance \"no\", \"scaledTPM\" or ",
           "\"lengthScaledTPM\"", argument = "txi")
  counts <- round(txi$counts)
  storage.mode(counts) <- "integer"
  object <- DESeqDataSetFromMatrix(counts, colData, design, ...)
  if (kind != "no") {
    message("the counts of tximport are used as they are")
    return(object)
  }
  if (is.null(txi$length) || !identical(dim(txi$length), dim(counts)))
    refuse(caller, "txi$length must have the rows and columns of txi$counts", argument = "txi")
  if (anyNA(txi$length) || any(txi$length <= 0))
    refuse(caller, "txi$length must be positive", argument = "txi", kind = "invalid_data")
  message("the counts and average transcript lengths of tximport are used")
  set_assay(object, "avgTxLength", unname(txi$length))
}

#' A simulated data set
#'
#' Negative binomial counts of two conditions, `A` and `B`, each half of the samples.
#'
#' @param n,m numbers of genes and samples.
#' @param betaSD standard deviation of the log2 fold changes.
#' @param interceptMean,interceptSD of the log2 means.
#' @param dispMeanRel function from mean to dispersion.
#' @param sizeFactors one number a sample.
#' @return A [DESeqDataSet-class]; the true values are in its `mcols`.
#' @examples
#' makeExampleDESeqDataSet(n = 100, m = 4)
#' @export
makeExampleDESeqDataSet <- function(n = 1000, m = 12, betaSD = 0, interceptMean = 4, interceptSD = 2,
                                    dispMeanRel = function(x) 4 / x + 0.1, sizeFactors = rep(1, m)) {
  if (length(sizeFactors) != m)
    refuse("makeExampleDESeqDataSet", "sizeFactors has ", length(sizeFactors), " values for ", m, " samples",
           argument = "sizeFactors")
  level <- stats::rnorm(n, interceptMean, interceptSD)
  effect <- stats::rnorm(n, sd = betaSD)
  dispersion <- dispMeanRel(2^level)
  condition <- factor(ifelse(seq_len(m) <= (m + 1) %/% 2, "A", "B"))
  mu <- 2^(level + outer(effect, as.double(condition == "B"))) * rep(sizeFactors, each = n)
  counts <- matrix(stats::rnbinom(n * m, mu = mu, size = 1 / dispersion), n,
                   dimnames = list(paste0("gene", seq_len(n)), paste0("sample", seq_len(m))))
  storage.mode(counts) <- "integer"
  genes <- S4Vectors::DataFrame(trueIntercept = level, trueBeta = effect, trueDisp = dispersion)
  about <- c("intercept", "beta", "dispersion")
  S4Vectors::mcols(genes) <- S4Vectors::DataFrame(type = rep("input", 3), description = paste("simulated", about, "values"))
  ranges <- GenomicRanges::GRanges("1", IRanges::IRanges(start = seq(1, by = 100, length.out = n), width = 100))
  names(ranges) <- rownames(counts)
  S4Vectors::mcols(ranges) <- genes
  table <- S4Vectors::DataFrame(condition = condition, row.names = colnames(counts))
  se <- SummarizedExperiment::SummarizedExperiment(list(counts = counts), rowRanges = ranges, colData = table)
  DESeqDataSet(se, if (nlevels(droplevels(condition)) > 1) ~ condition else ~ 1)
}
