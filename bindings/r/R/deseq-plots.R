#' Pictures of an analysis
#'
#' `plotMA`: log2 fold change by mean count; `plotDispEsts`: dispersions by mean, with their trend; `plotPCA`: the first
#' principal components of the samples; `plotCounts`: the normalised counts of one gene; `plotSparsity`: how much of a
#' gene's counts are in one sample.
#'
#' @param object a [DESeqResults-class] or [DESeqDataSet-class] for `plotMA`, a [DESeqTransform-class] for `plotPCA`,
#'   a [DESeqDataSet-class] for the others.
#' @param dds a [DESeqDataSet-class].
#' @param x a [DESeqDataSet-class] or a matrix of counts.
#' @param alpha level of the genes that are drawn in colour.
#' @param main,xlab,ylab title and labels of the axes.
#' @param ylim range of fold changes or dispersions; what is outside is drawn as a triangle at the edge.
#' @param colNonSig,colSig,colLine colours of genes, called genes and the line.
#' @param returnData whether the data are wanted instead of the picture.
#' @param MLE whether fold changes without prior are drawn, from the column `lfcMLE`.
#' @param CV whether square roots of the dispersions are drawn.
#' @param genecol,fitcol,finalcol colours of gene-wise estimates, trend and final estimates.
#' @param legend whether there is a legend.
#' @param intgroup names of columns of `colData` that colour the samples or group the counts.
#' @param ntop number of genes of the largest variance that are used.
#' @param pcsToUse which two components are drawn.
#' @param gene name or number of the gene.
#' @param normalized whether counts are divided by size factors.
#' @param transform whether the counts are on a log scale.
#' @param replaced whether outliers are drawn as replaced.
#' @param pc number that is added to the counts on a log scale.
#' @param ... unused; of `plotMA` for data sets, arguments of [results()].
#' @return A ggplot, or a data frame.
#' @source DESeq2, functions of the same names.
#' @name plotMA,DESeqResults-method
#' @aliases plotMA plotPCA plotDispEsts
#' @examples
#' set.seed(1)
#' dds <- DESeq(makeExampleDESeqDataSet(n = 300, m = 6, betaSD = 1), quiet = TRUE)
#' plotMA(results(dds))
#' plotDispEsts(dds)
#' plotCounts(dds, gene = 1)
NULL

significance_colours <- function(colNonSig, colSig) c(`FALSE` = colNonSig, `TRUE` = colSig)

ma_plot <- function(table, alpha, main, xlab, ylim, colNonSig, colSig, colLine, returnData, MLE) {
  caller <- "plotMA"
  lfc <- if (MLE) table$lfcMLE else table$log2FoldChange
  if (is.null(lfc)) refuse(caller, "MLE = TRUE needs the column lfcMLE: results(addMLE = TRUE)", argument = "MLE")
  by_s <- "svalue" %in% colnames(table)
  if (is.null(alpha)) alpha <- if (by_s) 0.005 else if (is.null(S4Vectors::metadata(table)$alpha)) 0.1 else
    S4Vectors::metadata(table)$alpha
  tested <- if (by_s) table$svalue else table$padj
  data <- data.frame(mean = table$baseMean, lfc = lfc, isDE = !is.na(tested) & tested < alpha, row.names = rownames(table))
  if (returnData) return(data)
  data <- data[data$mean > 0 & !is.na(data$lfc), ]
  if (is.null(ylim)) ylim <- c(-1, 1) * max(stats::quantile(abs(data$lfc[is.finite(data$lfc)]), 0.99), 0.1) * 1.1
  data$shape <- ifelse(data$lfc < ylim[1], "down", ifelse(data$lfc > ylim[2], "up", "in"))
  data$lfc <- pmax(pmin(data$lfc, ylim[2]), ylim[1])
  # Called genes are drawn last.
  data <- data[order(data$isDE), ]
  ggplot(data, aes(x = mean, y = lfc, colour = isDE, shape = shape)) +
    ggplot2::geom_hline(yintercept = 0, colour = colLine, linewidth = 0.6) +
    geom_point(size = 0.9, alpha = 0.8) +
    ggplot2::scale_x_log10() +
    scale_colour_manual(values = significance_colours(colNonSig, colSig), name = paste0(if (by_s) "s" else "adjusted p", " < ", alpha),
                        labels = c(`FALSE` = "no", `TRUE` = "yes")) +
    ggplot2::scale_shape_manual(values = c(down = 6, `in` = 16, up = 2), guide = "none") +
    ggplot2::coord_cartesian(ylim = ylim) + theme_bw() + labs(x = xlab, y = "log2 fold change", title = main)
}

#' @rdname plotMA-DESeqResults-method
#' @export
setMethod("plotMA", "DESeqResults", function(object, alpha = NULL, main = NULL, xlab = "mean of normalized counts", ylim = NULL,
                                             colNonSig = "gray60", colSig = "blue", colLine = "grey40", returnData = FALSE,
                                             MLE = FALSE, ...) {
  ma_plot(object, alpha, main, xlab, ylim, colNonSig, colSig, colLine, returnData, MLE)
})

#' @rdname plotMA-DESeqResults-method
#' @export
setMethod("plotMA", "DESeqDataSet", function(object, alpha = 0.1, main = NULL, xlab = "mean of normalized counts", ylim = NULL,
                                             colNonSig = "gray60", colSig = "blue", colLine = "grey40", returnData = FALSE,
                                             MLE = FALSE, ...) {
  ma_plot(results(object, alpha = alpha, addMLE = MLE, ...), alpha, main, xlab, ylim, colNonSig, colSig, colLine, returnData, MLE)
})

#' @rdname plotMA-DESeqResults-method
#' @export
setMethod("plotDispEsts", "DESeqDataSet", function(object, ylim = NULL, CV = FALSE, genecol = "black", fitcol = "red",
                                                   finalcol = "dodgerblue", legend = TRUE, xlab = "mean of normalized counts",
                                                   ylab = if (CV) "coefficient of variation" else "dispersion",
                                                   returnData = FALSE, ...) {
  genes <- S4Vectors::mcols(object)
  if (is.null(genes$dispersion))
    refuse("plotDispEsts", "the object has no dispersions; call DESeq or estimateDispersions first", argument = "object",
           kind = "state")
  used <- which(genes$baseMean > 0)
  data <- data.frame(baseMean = genes$baseMean, dispGeneEst = genes$dispGeneEst, dispFit = genes$dispFit,
                     dispersion = genes$dispersion, dispOutlier = genes$dispOutlier, row.names = gene_names(object))[used, ]
  if (returnData) return(data)
  root <- function(x) if (CV) sqrt(x) else x
  lower <- root(if (is.null(ylim)) 10^floor(log10(min(data$dispGeneEst[data$dispGeneEst > 1e-7], data$dispFit, na.rm = TRUE)) - 0.1) else
    ylim[1])
  one <- function(values, kind) data.frame(mean = data$baseMean, value = pmax(root(values), lower), kind = kind)
  kinds <- c("gene-est", "fitted", "final")
  points <- rbind(one(data$dispGeneEst, "gene-est"), one(data$dispersion, "final"))
  points <- points[!is.na(points$value), ]
  fit <- one(data$dispFit, "fitted")
  fit <- fit[order(fit$mean), ]
  outliers <- data.frame(mean = data$baseMean, value = root(data$dispersion))[which(data$dispOutlier), ]
  plot <- ggplot(points, aes(x = mean, y = value, colour = kind)) + geom_point(size = 0.5) +
    geom_point(data = outliers, aes(x = mean, y = value), inherit.aes = FALSE, shape = 1, size = 1.8, colour = finalcol) +
    ggplot2::geom_line(data = fit, linewidth = 0.9) + ggplot2::scale_x_log10() + ggplot2::scale_y_log10() +
    scale_colour_manual(values = setNames(c(genecol, fitcol, finalcol), kinds), breaks = kinds, name = NULL) +
    theme_bw() + labs(x = xlab, y = ylab)
  if (!is.null(ylim)) plot <- plot + ggplot2::coord_cartesian(ylim = root(ylim))
  if (legend) plot + guides(colour = guide_legend(override.aes = list(size = 2))) else plot + theme(legend.position = "none")
})

group_of <- function(object, intgroup, caller) {
  table <- SummarizedExperiment::colData(object)
  unknown <- setdiff(intgroup, colnames(table))
  if (length(unknown) > 0)
    refuse(caller, "intgroup: ", dQuote(unknown[1], FALSE), " is not a column of colData: ",
           paste(colnames(table), collapse = ", "), argument = "intgroup")
  table <- as.data.frame(table[, intgroup, drop = FALSE])
  list(table = table, group = if (length(intgroup) > 1) factor(do.call(paste, c(unname(as.list(table)), sep = ":"))) else table[[1]])
}

#' @rdname plotMA-DESeqResults-method
#' @export
setMethod("plotPCA", "DESeqTransform", function(object, intgroup = "condition", ntop = 500, returnData = FALSE, pcsToUse = 1:2, ...) {
  caller <- "plotPCA"
  ntop <- min(one_number(ntop, "ntop", caller), nrow(object))
  m <- ncol(object)
  pca <- value_of(deseq_pca(by_gene(SummarizedExperiment::assay(object, withDimnames = FALSE)), m, ntop), caller)
  n <- min(m, ntop)
  if (length(pcsToUse) != 2 || !all(pcsToUse %in% seq_len(n)))
    refuse(caller, "pcsToUse must be two of the ", n, " components", argument = "pcsToUse")
  scores <- matrix(pca$scores, m, m, byrow = TRUE)
  share <- pca$share
  groups <- group_of(object, intgroup, caller)
  names <- paste0("PC", pcsToUse)
  data <- data.frame(scores[, pcsToUse[1]], scores[, pcsToUse[2]], group = groups$group, groups$table, name = colnames(object),
                     row.names = colnames(object), check.names = FALSE)
  colnames(data)[1:2] <- names
  if (returnData) {
    attr(data, "percentVar") <- share[pcsToUse]
    return(data)
  }
  label <- function(i) paste0(names[i], ": ", round(100 * share[pcsToUse[i]]), "% variance")
  shown <- data.frame(x = data[[1]], y = data[[2]], group = data$group)
  ggplot(shown, aes(x = x, y = y, colour = group)) + geom_point(size = 3) + coord_fixed() + theme_bw() +
    labs(x = label(1), y = label(2), colour = paste(intgroup, collapse = ":"))
})

#' @rdname plotMA-DESeqResults-method
#' @export
plotCounts <- function(dds, gene, intgroup = "condition", normalized = TRUE, transform = TRUE, main, xlab = "group",
                       returnData = FALSE, replaced = FALSE, pc) {
  caller <- "plotCounts"
  object <- as_dds(dds, caller)
  if (length(gene) != 1 || is.na(gene)) refuse(caller, "gene must be one name or number", argument = "gene")
  at <- if (is.character(gene)) match(gene, gene_names(object)) else if (gene %in% seq_len(nrow(object))) gene else NA
  if (is.na(at)) refuse(caller, "gene ", dQuote(gene, FALSE), " is not in the data", argument = "gene", kind = "not_found")
  if (missing(pc)) pc <- if (transform) 0.5 else 0
  groups <- group_of(object, intgroup, caller)
  if (normalized) object <- with_size_factors(object)
  values <- as.double(counts(object[at, ], normalized = normalized, replaced = replaced)) + pc
  data <- data.frame(count = values, groups$table, row.names = colnames(object), check.names = FALSE)
  if (returnData) return(data)
  if (missing(main)) main <- gene_names(object)[at]
  shown <- data.frame(count = values, group = groups$group)
  plot <- ggplot(shown, aes(x = group, y = count)) + theme_bw() +
    ggplot2::geom_point(size = 2, position = ggplot2::position_jitter(width = 0.08, height = 0, seed = 1)) +
    labs(x = xlab, y = if (normalized) "normalized count" else "count", title = main)
  if (transform) plot + ggplot2::scale_y_log10() else plot
}

#' @rdname plotMA-DESeqResults-method
#' @export
plotSparsity <- function(x, normalized = TRUE, returnData = FALSE, ...) {
  if (is(x, "DESeqDataSet")) x <- counts(if (normalized) with_size_factors(x) else x, normalized = normalized)
  x <- as.matrix(x)
  total <- rowSums(x)
  data <- data.frame(total = total, share = apply(x, 1, max) / total)[total > 0, ]
  if (returnData) return(data)
  ggplot(data, aes(x = total, y = share)) + geom_point(size = 0.5, alpha = 0.6) + ggplot2::scale_x_log10() +
    ylim(0, 1) + theme_bw() + labs(x = "sum of counts per gene", y = "largest count / sum")
}
