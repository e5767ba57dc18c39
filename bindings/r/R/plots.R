# Colours for any number of cell types: hues as far apart as can be, in two or three shades once they are many.
type_colours <- function(types) {
  n <- length(types)
  shades <- if (n <= 12) 1 else if (n <= 36) 2 else 3
  hues <- ceiling(n / shades)
  at <- seq_len(n) - 1
  colours <- hcl(h = 15 + 360 * (at %/% shades) / hues, c = c(95, 60, 40)[at %% shades + 1],
                 l = c(60, 40, 80)[at %% shades + 1])
  setNames(colours, types)
}

# From dark blue over green and yellow to red, as spacexr draws weights.
rainbow_colours <- function() c("#0034F8", "#1E7A8C", "#2C9A4B", "#7BB31C", "#D6C70B", "#FDA80A", "#F9640B", "#FB2D3C")

# Points that neither hide each other nor vanish. spacexr: 0.15, which tens of thousands of pixels need.
point_size <- function(n) max(0.15, min(1.5, 25 / sqrt(max(n, 1))))

# What every map has: axes of one scale, and a frame around all pixels.
on_the_map <- function(plot, puck, xlim = NULL, ylim = NULL, title = NULL) {
  around <- function(values) c(min(values) - 1, max(values) + 1)
  if (is.null(xlim)) xlim <- around(puck@coords$x)
  if (is.null(ylim)) ylim <- around(puck@coords$y)
  plot <- plot + coord_fixed() + ggplot2::xlim(xlim) + ggplot2::ylim(ylim) + theme_classic()
  if (is.null(title)) plot else plot + ggtitle(title)
}

background <- function(puck, barcodes) {
  geom_point(data = puck@coords[barcodes, ], aes(x = x, y = y), size = 0.15, alpha = 0.1, inherit.aes = FALSE)
}

#' Maps of a tissue
#'
#' `plot_puck_continuous` colours pixels by a number, `plot_class` by a class. `plot_puck_wrapper` chooses the
#' pixels by totals and values first.
#'
#' @param puck a [SpatialRNA-class] object.
#' @param barcodes,barcodes_cur pixels to draw.
#' @param plot_val named numeric, a value for every pixel.
#' @param my_class named factor, a class for every pixel; any number of classes.
#' @param ylimit range of the colours; values outside are drawn as its ends. `NULL`: the range of the values.
#' @param title title of the plot.
#' @param counter_barcodes pixels to draw faintly behind the others.
#' @param label whether to write the number of each pixel beside it.
#' @param my_pal colours, from low to high.
#' @param xlim,ylim frame, in the unit of the coordinates; all pixels when `NULL`.
#' @param size,alpha size and opacity of the points.
#' @param small_point whether points have no border.
#' @param cell_type not supported: a tissue has no labels. Use `my_cond`.
#' @param minUMI,maxUMI pixels with a total strictly between are drawn.
#' @param min_val,max_val pixels with a larger value than `min_val` are drawn; values above `max_val` as it.
#' @param my_cond named logical: which pixels to draw.
#' @return A ggplot.
#' @source spacexr 2.2.1, functions of the same names (there, at most 36 classes have colours of their own).
#' @examples
#' tissue <- simulate_tissue(n_pixels = 60)
#' plot_puck_continuous(tissue$puck, colnames(tissue$puck@counts), tissue$puck@nUMI, ylimit = c(0, 2000))
#' @export
plot_puck_continuous <- function(puck, barcodes, plot_val, ylimit = c(0, 1), title = NULL,
                                 counter_barcodes = NULL, label = FALSE, my_pal = NULL, xlim = NULL,
                                 ylim = NULL, size = 0.15, alpha = 1, small_point = FALSE) {
  table <- known_pixels(puck, barcodes, "plot_puck_continuous")
  table$value <- as.vector(plot_val[barcodes])
  if (!is.null(ylimit)) table$value <- pmax(pmin(table$value, ylimit[2]), ylimit[1])
  plot <- ggplot(table, aes(x = x, y = y))
  if (!is.null(counter_barcodes)) plot <- plot + background(puck, counter_barcodes)
  points <- if (small_point) geom_point(aes(colour = value), size = size, shape = 16, stroke = 0, alpha = alpha)
            else geom_point(aes(colour = value), size = size, shape = 19, alpha = alpha)
  plot <- plot + points +
    scale_colour_gradientn(colours = if (is.null(my_pal)) rainbow_colours() else my_pal, limits = ylimit)
  if (label) {
    table$label <- match(barcodes, rownames(puck@coords))
    plot <- plot + geom_text(data = table, aes(label = label), size = 2, vjust = -0.5)
  }
  on_the_map(plot, puck, xlim, ylim, title)
}

known_pixels <- function(puck, barcodes, caller) {
  unknown <- setdiff(barcodes, rownames(puck@coords))
  if (length(unknown) > 0)
    refuse(caller, "pixel ", dQuote(unknown[1], FALSE), " is not in puck", argument = "barcodes")
  puck@coords[barcodes, c("x", "y"), drop = FALSE]
}

#' @rdname plot_puck_continuous
#' @export
plot_puck_wrapper <- function(puck, plot_val, cell_type = NULL, minUMI = 0, maxUMI = 200000, min_val = NULL,
                              max_val = NULL, title = NULL, my_cond = NULL) {
  if (!is.null(cell_type))
    refuse("plot_puck_wrapper", "cell_type needs labels, which a tissue does not have; use my_cond",
           argument = "cell_type", kind = "unsupported")
  keep <- puck@nUMI > minUMI & puck@nUMI < maxUMI
  plot_val <- plot_val[names(puck@nUMI)]
  if (!is.null(my_cond)) keep <- keep & (if (is.null(names(my_cond))) my_cond else my_cond[names(puck@nUMI)])
  if (!is.null(min_val)) keep <- keep & plot_val > min_val
  ylimit <- NULL
  if (!is.null(max_val)) {
    plot_val <- pmin(plot_val, max_val)
    if (!is.null(min_val)) ylimit <- c(min_val, max_val)
  }
  plot_puck_continuous(puck, names(puck@nUMI)[which(keep)], plot_val, title = title, ylimit = ylimit,
                       size = point_size(length(puck@nUMI)))
}

#' @rdname plot_puck_continuous
#' @export
plot_class <- function(puck, barcodes_cur, my_class, counter_barcodes = NULL, title = NULL) {
  table <- known_pixels(puck, barcodes_cur, "plot_class")
  table$class <- factor(my_class[barcodes_cur])
  colours <- type_colours(if (is.factor(my_class)) levels(my_class) else sort(unique(my_class)))
  plot <- ggplot(table, aes(x = x, y = y))
  if (!is.null(counter_barcodes)) plot <- plot + background(puck, counter_barcodes)
  plot <- plot + geom_point(aes(colour = class), size = point_size(nrow(puck@coords)), shape = 19) +
    colour_by_type(colours) + theme_classic()
  if (is.null(title)) plot else plot + ggtitle(title)
}

# Points of a legend are large enough to tell their colours; many types get more columns.
colour_by_type <- function(colours) {
  list(scale_colour_manual(values = colours, drop = TRUE),
       guides(colour = guide_legend(override.aes = list(size = 3), ncol = ceiling(length(colours) / 15))))
}

# Prints plots into a PDF, one a page.
write_pdf <- function(plots, folder, name, width = 7, height = 7) {
  if (!dir.exists(folder))
    refuse("plot", "folder ", dQuote(folder, FALSE), " does not exist", argument = "resultsdir",
           kind = "not_found")
  pdf(file.path(folder, name), width = width, height = height)
  on.exit(dev.off())
  for (plot in plots) if (!is.null(plot)) print(plot)
}

# Weights of less are not shown: pixels with few counts cannot tell small weights.
weight_cutoff <- function(nUMI) pmax(0.25, 2 - log2(nUMI) / 5)

weights_of <- function(weights, cell_type) setNames(as.vector(weights[, cell_type]), rownames(weights))

#' Plots of results, written to files
#'
#' `create_RCTD_plots` draws the results of doublet mode into the folder `RCTD_Plots`. The others draw one
#' plot each into `resultsdir`, as a PDF:
#' \describe{
#'   \item{`plot_weights`}{`cell_type_weights.pdf`: weights above max(0.25, 2 - log2(nUMI) / 5), a page a type.}
#'   \item{`plot_weights_unthreshold`}{`cell_type_weights_unthreshold.pdf`: all weights.}
#'   \item{`plot_weights_doublet`}{`cell_type_weights_doublets.pdf`: shares of doublet mode.}
#'   \item{`plot_cond_occur`}{`cell_type_occur.pdf`: pixels with a weight above the cut-off, by type.}
#'   \item{`plot_occur_unthreshold`}{`cell_type_occur_unthreshold.pdf`: pixels whose largest weight it is.}
#'   \item{`plot_all_cell_types`}{`all_cell_types.pdf`: first type of every pixel that is not rejected.}
#'   \item{`plot_doublets`}{`all_doublets.pdf`: first and second type of doublets, the second 15 units to
#'     the right.}
#'   \item{`plot_doublets_type`}{`all_doublets_type.pdf`: the same, a page a type.}
#'   \item{`plot_doub_occur_stack`}{`doublet_stacked_bar.pdf`: how often types come together.}
#' }
#'
#' @param myRCTD an object of [run.RCTD()] in doublet mode.
#' @param datadir folder in which `RCTD_Plots` is made.
#' @param cell_type_names types to draw, any number.
#' @param cell_type_info `myRCTD@cell_type_info$info`.
#' @param puck a [SpatialRNA-class] object.
#' @param coords data frame of x and y.
#' @param resultsdir folder to write into.
#' @param weights pixels x types; see [normalize_weights()].
#' @param weights_doublet,results_df results of doublet mode.
#' @param doublets,doublets_base rows of `results_df` that are doublets.
#' @param doub_occur types x types: how often the column's type comes with the row's.
#' @return The plot, or a list of plots where there is a page a type, invisibly.
#' @source spacexr 2.2.1, functions of the same names (there, more than 36 types are an error).
#' @examples
#' tissue <- simulate_tissue(n_pixels = 60)
#' fitted <- run.RCTD(create.RCTD(tissue$puck, tissue$reference, max_cores = 1))
#' create_RCTD_plots(fitted, tempdir())
#' @export
create_RCTD_plots <- function(myRCTD, datadir) {
  caller <- "create_RCTD_plots"
  if (mode_of(myRCTD, caller) != "doublet")
    refuse(caller, "RCTD ran in ", mode_of(myRCTD, caller), " mode; doublet mode is needed",
           argument = "myRCTD", kind = "state")
  folder <- file.path(datadir, "RCTD_Plots")
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  results <- myRCTD@results
  types <- myRCTD@cell_type_info$info[[2]]
  puck <- myRCTD@spatialRNA
  weights <- normalize_weights(results$weights)
  plot_weights(types, puck, folder, weights)
  plot_weights_unthreshold(types, puck, folder, weights)
  plot_weights_doublet(types, puck, folder, results$weights_doublet, results$results_df)
  plot_cond_occur(types, folder, weights, puck)
  plot_all_cell_types(results$results_df, puck@coords, types, folder)
  invisible(folder)
}

#' @rdname create_RCTD_plots
#' @export
plot_weights <- function(cell_type_names, puck, resultsdir, weights) {
  plots <- lapply(setNames(nm = cell_type_names), function(type) {
    values <- weights_of(weights, type)
    above <- values > weight_cutoff(puck@nUMI[names(values)])
    if (any(above)) plot_puck_wrapper(puck, values, NULL, minUMI = 100, maxUMI = 200000, min_val = 0, max_val = 1,
                                      title = type, my_cond = above)
  })
  write_pdf(plots, resultsdir, "cell_type_weights.pdf")
  invisible(plots)
}

#' @rdname create_RCTD_plots
#' @export
plot_weights_unthreshold <- function(cell_type_names, puck, resultsdir, weights) {
  plots <- lapply(setNames(nm = cell_type_names), function(type) {
    values <- weights_of(weights, type)
    if (sum(values) > 0) plot_puck_wrapper(puck, values, NULL, minUMI = 100, maxUMI = 200000, min_val = 0,
                                           max_val = 1, title = type)
  })
  write_pdf(plots, resultsdir, "cell_type_weights_unthreshold.pdf")
  invisible(plots)
}

#' @rdname create_RCTD_plots
#' @export
plot_weights_doublet <- function(cell_type_names, puck, resultsdir, weights_doublet, results_df) {
  plots <- lapply(setNames(nm = cell_type_names), function(type) {
    second <- results_df$spot_class == "doublet_certain" & results_df$second_type == type
    first <- results_df$spot_class != "reject" & results_df$first_type == type
    shares <- as.matrix(weights_doublet)
    values <- c(shares[second, 2], shares[first, 1])
    names(values) <- rownames(results_df)[c(which(second), which(first))]
    if (length(values) > 0)
      plot_puck_continuous(puck, names(values), values, title = type, ylimit = c(0, 1),
                           size = point_size(nrow(results_df)))
  })
  write_pdf(plots, resultsdir, "cell_type_weights_doublets.pdf")
  invisible(plots)
}

bars <- function(counts, types) {
  table <- data.frame(Cell_Type = factor(types, levels = types), Count = as.vector(counts))
  ggplot(table, aes(x = Cell_Type, y = Count, fill = Cell_Type)) + geom_col() +
    scale_fill_manual(values = type_colours(types)) + theme_bw() +
    theme(axis.text.x = element_text(hjust = 1, angle = 45), legend.position = "none")
}

#' @rdname create_RCTD_plots
#' @export
plot_cond_occur <- function(cell_type_names, resultsdir, weights, puck) {
  cutoff <- weight_cutoff(puck@nUMI[rownames(weights)])
  counts <- vapply(cell_type_names, function(type) sum(weights_of(weights, type) > cutoff), 0)
  plot <- bars(counts, cell_type_names)
  write_pdf(list(plot), resultsdir, "cell_type_occur.pdf")
  invisible(plot)
}

#' @rdname create_RCTD_plots
#' @export
plot_occur_unthreshold <- function(cell_type_info, resultsdir, weights) {
  largest <- max.col(as.matrix(weights), ties.method = "first")
  plot <- bars(tabulate(largest, cell_type_info[[3]]), cell_type_info[[2]])
  write_pdf(list(plot), resultsdir, "cell_type_occur_unthreshold.pdf")
  invisible(plot)
}

#' @rdname create_RCTD_plots
#' @export
plot_all_cell_types <- function(results_df, coords, cell_type_names, resultsdir) {
  keep <- results_df$spot_class != "reject" & results_df$first_type %in% cell_type_names
  barcodes <- rownames(results_df)[keep]
  table <- coords[barcodes, c("x", "y"), drop = FALSE]
  table$class <- results_df$first_type[keep]
  size <- point_size(nrow(results_df))
  plot <- ggplot(table, aes(x = x, y = y)) + geom_point(aes(colour = class), size = size, shape = 19) +
    colour_by_type(type_colours(levels(results_df$first_type))) + coord_fixed() + theme_bw()
  write_pdf(list(plot), resultsdir, "all_cell_types.pdf", width = 9)
  invisible(plot)
}

# The second type is drawn this far to the right of the first. spacexr: jitter.
beside <- 15

doublet_map <- function(puck, doublets, cell_type_names, title = NULL) {
  places <- known_pixels(puck, rownames(doublets), "plot_doublets")
  right <- places
  right$x <- right$x + beside
  table <- rbind(places, right)
  table$class <- factor(c(as.character(doublets$first_type), as.character(doublets$second_type)),
                        levels = cell_type_names)
  size <- point_size(nrow(puck@coords))
  plot <- ggplot(table, aes(x = x, y = y)) + geom_point(aes(colour = class), size = size, shape = 19) +
    colour_by_type(type_colours(cell_type_names)) + theme_bw()
  if (is.null(title)) plot else plot + ggtitle(title)
}

#' @rdname create_RCTD_plots
#' @export
plot_doublets <- function(puck, doublets, resultsdir, cell_type_names) {
  plot <- doublet_map(puck, doublets, cell_type_names)
  write_pdf(list(plot), resultsdir, "all_doublets.pdf", width = 9)
  invisible(plot)
}

#' @rdname create_RCTD_plots
#' @export
plot_doublets_type <- function(puck, doublets_base, resultsdir, cell_type_names) {
  plots <- lapply(setNames(nm = cell_type_names), function(type) {
    own <- doublets_base[doublets_base$first_type == type | doublets_base$second_type == type, ]
    if (nrow(own) > 0) doublet_map(puck, own, cell_type_names, title = type)
  })
  write_pdf(plots, resultsdir, "all_doublets_type.pdf", width = 9)
  invisible(plots)
}

#' @rdname create_RCTD_plots
#' @export
plot_doub_occur_stack <- function(doub_occur, resultsdir, cell_type_names) {
  n <- length(cell_type_names)
  types <- factor(cell_type_names, levels = cell_type_names)
  table <- data.frame(second_type = rep(types, n), first_type = rep(types, each = n),
                      count = as.vector(as.matrix(doub_occur)))
  plot <- ggplot(table, aes(x = first_type, y = count, fill = second_type)) + geom_col() +
    scale_fill_manual(values = type_colours(cell_type_names)) + theme_bw() +
    theme(axis.text.x = element_text(hjust = 1, angle = 45))
  write_pdf(list(plot), resultsdir, "doublet_stacked_bar.pdf", width = 9)
  invisible(plot)
}
