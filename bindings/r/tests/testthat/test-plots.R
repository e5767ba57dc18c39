fitted <- quietly(run.RCTD(create.RCTD(small$puck, small$reference, max_cores = 1)))
puck <- fitted@spatialRNA
results <- fitted@results
types <- fitted@cell_type_info$info[[2]]
weights <- normalize_weights(results$weights)
folder <- tempfile()
dir.create(folder)

drawn <- function(plot) {
  built <- ggplot2::ggplot_build(plot)
  expect_gt(nrow(built$data[[length(built$data)]]), 0)
  built
}

test_that("every plot draws and writes its file", {
  drawn(plot_puck_continuous(puck, colnames(puck@counts), puck@nUMI, ylimit = NULL))
  drawn(plot_puck_continuous(puck, colnames(puck@counts)[1:5], puck@nUMI, ylimit = c(0, 1), label = TRUE,
                             counter_barcodes = colnames(puck@counts), small_point = TRUE, title = "a"))
  some <- drawn(plot_puck_wrapper(puck, puck@nUMI, minUMI = 1000, min_val = 0, max_val = 1))
  expect_identical(nrow(some$data[[1]]), sum(puck@nUMI > 1000))
  drawn(plot_class(puck, colnames(puck@counts), setNames(results$results_df$first_type, rownames(results$results_df))))
  lapply(Filter(Negate(is.null), plot_weights(types, puck, folder, weights)), drawn)
  lapply(plot_weights_unthreshold(types, puck, folder, weights), drawn)
  lapply(plot_weights_doublet(types, puck, folder, results$weights_doublet, results$results_df), drawn)
  occur <- drawn(plot_cond_occur(types, folder, weights, puck))
  expect_equal(occur$data[[1]]$y, vapply(types, function(t) sum(weights[, t] > pmax(0.25, 2 - log2(puck@nUMI) / 5)), 0), ignore_attr = TRUE)
  drawn(plot_occur_unthreshold(fitted@cell_type_info$info, folder, weights))
  drawn(plot_all_cell_types(results$results_df, puck@coords, types, folder))
  doublets <- results$results_df[results$results_df$spot_class == "doublet_certain", ]
  both <- drawn(plot_doublets(puck, doublets, folder, types))
  expect_identical(nrow(both$data[[1]]), 2L * nrow(doublets))
  lapply(Filter(Negate(is.null), plot_doublets_type(puck, doublets, folder, types)), drawn)
  drawn(plot_doub_occur_stack(table(doublets$second_type, doublets$first_type), folder, types))
  create_RCTD_plots(fitted, folder)
  names <- c("cell_type_weights.pdf", "cell_type_weights_unthreshold.pdf", "cell_type_weights_doublets.pdf",
             "cell_type_occur.pdf", "all_cell_types.pdf")
  expect_true(all(names %in% list.files(folder)))
  expect_setequal(list.files(file.path(folder, "RCTD_Plots")), names)
  expect_true(all(file.size(list.files(folder, "pdf$", full.names = TRUE)) > 1000))
})

test_that("any number of types has colours of its own", {
  for (n in c(1, 12, 37, 120)) expect_identical(anyDuplicated(cytosol:::type_colours(paste0("t", seq_len(n)))), 0L)
  class <- setNames(factor(seq_along(puck@nUMI)), names(puck@nUMI))
  built <- drawn(plot_class(puck, names(class), class))
  expect_identical(anyDuplicated(built$data[[1]]$colour), 0L)
})

test_that("what cannot be drawn is an error", {
  expect_s3_class(cyto_error(plot_puck_continuous(puck, "none", puck@nUMI)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(plot_puck_wrapper(puck, puck@nUMI, cell_type = "a")), "cyto_unsupported")
  expect_s3_class(cyto_error(plot_cond_occur(types, tempfile(), weights, puck)), "cyto_not_found")
  expect_s3_class(cyto_error(create_RCTD_plots(fitPixels(fitted, "full"), folder)), "cyto_state")
})
