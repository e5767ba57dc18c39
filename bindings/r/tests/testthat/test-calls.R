# Progress, cancel and Ctrl-C.

with_progress <- function(show, expr) {
  old <- options(cytosol.progress = show, cytosol.progress_interval_ms = 0L)
  on.exit(options(old))
  expr
}

test_that("progress says what is done, in R's thread", {
  RCTD <- prepared()
  seen <- list()
  with_progress(function(stage, done, total, elapsed, message) {
    seen[[length(seen) + 1]] <<- list(stage, done, total, elapsed, message)
  }, fitPixels(RCTD, "full"))
  fits <- Filter(function(call) call[[1]] == "fit_pixels", seen)
  expect_identical(fits[[1]][[2]], 0)
  expect_identical(fits[[length(fits)]][[2]], as.double(ncol(RCTD@spatialRNA@counts)))
  expect_identical(fits[[1]][[3]], as.double(ncol(RCTD@spatialRNA@counts)))
})

test_that("an error in a progress function stops the work and is raised as it is", {
  RCTD <- prepared()
  expected <- fitPixels(RCTD, "full")@results
  for (at in c(1, 2, 4)) {
    calls <- 0
    error <- tryCatch(with_progress(function(...) {
      calls <<- calls + 1
      if (calls == at) stop(structure(class = c("mine", "error", "condition"), list(message = "mine", call = NULL)))
    }, fitPixels(RCTD, "full")), error = identity)
    if (calls >= at) expect_s3_class(error, "mine")
    # The object works on.
    expect_identical(fitPixels(RCTD, "full")@results, expected)
  }
})

test_that("a progress function may use the engine itself", {
  RCTD <- prepared()
  inner <- NULL
  with_progress(function(...) {
    if (is.null(inner)) {
      inner <<- "running"
      options(cytosol.progress = FALSE)
      inner <<- quietly(create.RCTD(small$puck, small$reference, max_cores = 1))
    }
  }, fitPixels(RCTD, "full"))
  expect_s4_class(inner, "RCTD")
})

test_that("the bar draws and ends its line", {
  RCTD <- prepared()
  text <- capture.output(invisible(with_progress(TRUE, fitPixels(RCTD, "full"))), type = "message")
  expect_match(paste(text, collapse = "\n"), "fit_pixels", fixed = TRUE)
  expect_match(paste(text, collapse = "\n"), "100 %", fixed = TRUE)
})

test_that("Ctrl-C ends the work soon, and the object works on", {
  skip_on_os("windows")
  tissue <- simulate_tissue(n_pixels = 3000, n_types = 8, n_genes = 300, seed = 4)
  RCTD <- quietly(fitBulk(create.RCTD(tissue$puck, tissue$reference, max_cores = 1)))
  RCTD@internal_vars$sigma <- 0.3
  sent <- tempfile()
  outcome <- interrupted_at("fit_pixels", function() fitPixels(RCTD, "doublet"), sent)
  ended <- as.numeric(Sys.time())
  expect_identical(outcome, "interrupted")
  expect_lt(ended - as.numeric(readLines(sent)), 0.3)
  expect_s4_class(fitPixels(subset_to(RCTD, 50), "full"), "RCTD")
})

test_that("an interrupt without a handler ends a script", {
  skip_on_os("windows")
  script <- tempfile(fileext = ".R")
  writeLines(c('options(cytosol.progress = function(...) tools::pskill(Sys.getpid(), tools::SIGINT))',
               'tissue <- cytosol::simulate_tissue(n_pixels = 60)',
               'cytosol::create.RCTD(tissue$puck, tissue$reference, max_cores = 1)', 'cat("went on\\n")'), script)
  libs <- paste(.libPaths(), collapse = .Platform$path.sep)
  out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), script, env = paste0("R_LIBS=", libs),
                                  stdout = TRUE, stderr = FALSE))
  expect_false(any(grepl("went on", out)))
  expect_false(is.null(attr(out, "status")))
})
