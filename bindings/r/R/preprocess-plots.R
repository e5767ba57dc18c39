# Pictures of what preprocessing found.

#' Plots of metrics and of variable genes
#'
#' `plot_highly_variable_genes` draws the variability of every gene against its mean: normalised (left), by which genes
#' are selected, and as it is. `plot_qc` draws the distributions of metrics of the cells, `plot_qc_scatter` one metric
#' against another.
#'
#' @param found what [pp_highly_variable_genes()], [pp_qc()] or [pp_preprocess()] gave.
#' @param keys columns of `found$obs`, a panel each.
#' @param groups a group for every cell, drawn side by side: a vector, one value a cell. `NULL`: all in one.
#' @param x,y,colour columns of `found$obs`; `colour = NULL` draws all cells alike.
#' @param log whether metrics are drawn on logarithmic axes; cells with 0 are then left out.
#' @return A ggplot.
#' @source The plots are those of scanpy 1.11.5, `pl.highly_variable_genes`, `pl.violin` and `pl.scatter`.
#' @examples
#' tissue <- simulate_tissue(n_pixels = 60)
#' counts <- tissue$reference@counts
#' plot_highly_variable_genes(pp_highly_variable_genes(counts, n_top_genes = 20, normalize_total = TRUE, log1p = TRUE,
#'                                                     max_cores = 1))
#' qc <- pp_qc(counts, percent_top = 20, max_cores = 1)
#' plot_qc(qc, groups = tissue$reference@cell_types)
#' plot_qc_scatter(qc)
#' @export
plot_highly_variable_genes <- function(found, log = FALSE) {
  caller <- "plot_highly_variable_genes"
  hvg <- if (inherits(found, "cyto_pp")) found$hvg
  if (is.null(hvg)) refuse(caller, "found must be what pp_highly_variable_genes or pp_preprocess gave",
                           argument = "found")
  by_variance <- "variances_norm" %in% names(hvg)
  columns <- if (by_variance) c("variances_norm", "variances") else c("dispersions_norm", "dispersions")
  words <- if (by_variance) c("variances, standardised", "variances") else c("dispersions, normalised", "dispersions")
  n <- nrow(hvg)
  chosen <- sum(hvg$highly_variable)
  kinds <- c(sprintf("highly variable (%d)", chosen), sprintf("other genes (%d)", n - chosen))
  table <- data.frame(mean = rep(hvg$means, 2), value = c(hvg[[columns[1]]], hvg[[columns[2]]]),
                      panel = factor(rep(words, each = n), levels = words),
                      kind = factor(rep(ifelse(hvg$highly_variable, kinds[1], kinds[2]), 2), levels = kinds))
  table <- table[is.finite(table$mean) & is.finite(table$value), ]
  logarithmic <- log || by_variance
  if (logarithmic) table <- table[table$mean > 0 & (table$value > 0 | !by_variance), ]
  # Those that matter are drawn last.
  table <- table[order(table$kind, decreasing = TRUE), ]
  plot <- ggplot(table, aes(x = mean, y = value, colour = kind)) +
    geom_point(size = point_size(n), alpha = 0.8, shape = 16) +
    scale_colour_manual(values = setNames(c("#C8332B", "#8C8C8C"), kinds)) +
    facet_wrap(~panel, scales = "free_y") +
    labs(x = "mean expression of genes", y = if (by_variance) "variances of genes" else "dispersions of genes",
         colour = NULL) + theme_bw() + theme(legend.position = "top", strip.background = element_blank()) +
    guides(colour = guide_legend(override.aes = list(size = 2.5, alpha = 1)))
  if (logarithmic) plot <- plot + scale_x_log10()
  if (by_variance) plot <- plot + scale_y_log10()
  plot
}

metrics_of <- function(found, keys, caller, argument) {
  obs <- if (inherits(found, "cyto_pp")) found$obs
  if (is.null(obs)) refuse(caller, "found must be what pp_qc or pp_preprocess gave", argument = "found")
  missing <- setdiff(keys, names(obs))
  if (length(missing) > 0)
    refuse(caller, argument, ": there is no column ", dQuote(missing[1], FALSE), "; present: ",
           paste(names(obs), collapse = ", "), argument = argument, kind = "not_found")
  obs
}

# The metrics that people look at first: genes, totals, and shares of groups.
usual_metrics <- function(found) {
  names <- names(found$obs)
  names[grepl("^(n_|total_|pct_)", names) & !grepl("_in_top_", names) & !grepl("^total_[^_]+_.", names)]
}

#' @rdname plot_highly_variable_genes
#' @export
plot_qc <- function(found, keys = NULL, groups = NULL, log = FALSE) {
  caller <- "plot_qc"
  if (is.null(keys)) keys <- usual_metrics(if (inherits(found, "cyto_pp")) found else list())
  obs <- metrics_of(found, keys, caller, "keys")
  if (!is.null(groups) && length(groups) != nrow(obs))
    refuse(caller, "groups has ", length(groups), " values; must have one for each of the ", nrow(obs), " cells",
           argument = "groups")
  group <- if (is.null(groups)) rep("all cells", nrow(obs)) else groups
  if (!is.factor(group)) group <- factor(group)
  table <- data.frame(value = as.double(unlist(obs[keys], use.names = FALSE)), group = rep(group, length(keys)),
                      panel = factor(rep(keys, each = nrow(obs)), levels = keys))
  table <- table[is.finite(table$value) & (!log | table$value > 0) & !is.na(table$group), ]
  plot <- ggplot(table, aes(x = group, y = value, fill = group)) +
    geom_violin(scale = "width", linewidth = 0.3, colour = "#404040", alpha = 0.6) +
    geom_point(position = position_jitter(width = 0.25, height = 0, seed = 1), size = point_size(nrow(obs)) / 2,
               alpha = 0.4, colour = "#202020", shape = 16) +
    scale_fill_manual(values = type_colours(levels(group))) + facet_wrap(~panel, scales = "free_y") +
    labs(x = NULL, y = NULL) + theme_bw() +
    theme(legend.position = "none", strip.background = element_blank(),
          axis.text.x = if (nlevels(group) > 1) element_text(hjust = 1, angle = 45) else element_blank())
  if (log) plot + scale_y_log10() else plot
}

#' @rdname plot_highly_variable_genes
#' @export
plot_qc_scatter <- function(found, x = "total_counts", y = "n_genes_by_counts", colour = NULL, log = FALSE) {
  caller <- "plot_qc_scatter"
  if (is.null(colour) && inherits(found, "cyto_pp"))
    colour <- grep("^pct_[^_]+_(?!in_top_)", names(found$obs), perl = TRUE, value = TRUE)[1]
  if (length(colour) == 0 || is.na(colour)) colour <- NULL
  obs <- metrics_of(found, c(x, y, colour), caller, "x, y, colour")
  table <- data.frame(x = as.double(obs[[x]]), y = as.double(obs[[y]]))
  if (!is.null(colour)) table$value <- as.double(obs[[colour]])
  if (log) table <- table[table$x > 0 & table$y > 0, ]
  points <- if (is.null(colour)) geom_point(size = point_size(nrow(obs)), alpha = 0.7, shape = 16, colour = "#0034F8")
    else geom_point(aes(colour = value), size = point_size(nrow(obs)), alpha = 0.9, shape = 16)
  plot <- ggplot(table, aes(x = x, y = y)) + points + labs(x = x, y = y, colour = colour) + theme_bw()
  if (!is.null(colour)) plot <- plot + scale_colour_gradientn(colours = rainbow_colours())
  if (log) plot + scale_x_log10() + scale_y_log10() else plot
}
