# Data sets of the count models.

deseq_counts <- function(n = 300, m = 12, seed = 3) {
  set.seed(seed)
  condition <- rep(c("A", "B", "C"), length.out = m)
  batch <- rep(c("x", "y"), each = m / 2)
  size <- seq(0.6, 1.6, length.out = m)
  mean <- 2^rnorm(n, 6, 2)
  effect <- ifelse(seq_len(n) %% 5 == 0, rnorm(n, 0, 1.5), 0)
  mu <- outer(mean, size) * 2^outer(effect, as.double(condition == "C")) * 2^outer(rnorm(n, 0, 0.3), as.double(batch == "y"))
  counts <- matrix(rnbinom(n * m, mu = mu, size = 1 / (0.05 + 2 / mean)), n,
                   dimnames = list(paste0("gene", seq_len(n)), paste0("s", seq_len(m))))
  counts[7, ] <- 0L
  # An outlier.
  counts[11, 2] <- counts[11, 2] * 50L + 2000L
  storage.mode(counts) <- "integer"
  list(counts = counts, samples = data.frame(condition = factor(condition), batch = factor(batch), row.names = colnames(counts)))
}

deseq_data <- function(design = ~ batch + condition, ...) {
  input <- deseq_counts(...)
  quietly(DESeqDataSetFromMatrix(input$counts, input$samples, design))
}

fitted_once <- new.env()
deseq_fit <- function() {
  if (is.null(fitted_once$dds)) fitted_once$dds <- DESeq(deseq_data(), quiet = TRUE)
  fitted_once$dds
}

# The workflow run by a package in a process of its own: both define classes of the same names.
run_workflow <- function(package, input, script = "workflow-deseq.R") {
  files <- tempfile(c("in", "out"), fileext = ".rds")
  saveRDS(input, files[1])
  libs <- paste(.libPaths(), collapse = .Platform$path.sep)
  said <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"),
                                   c(testthat::test_path(script), package, files),
                                   env = paste0("R_LIBS=", libs), stdout = TRUE, stderr = TRUE))
  if (!file.exists(files[2])) stop("the workflow of ", package, " failed: ", paste(tail(said, 5), collapse = "\n"))
  readRDS(files[2])
}

deseq_golden <- function(name) {
  places <- c(Sys.getenv("CYTO_SHARED"), "../../../../../shared", "../../../../shared")
  folder <- Filter(dir.exists, file.path(places[nzchar(places)], "golden", "deseq", name))
  if (length(folder) == 0) testthat::skip(paste("no reference data", name, "(set CYTO_SHARED)"))
  folder[1]
}

new_folder <- function() {
  folder <- tempfile()
  dir.create(folder)
  folder
}

# Without loading it, which would replace the methods of this package.
skip_without_DESeq2 <- function() testthat::skip_if(!nzchar(system.file(package = "DESeq2")), "DESeq2 is not installed")

expect_close <- function(ours, theirs, tolerance, what = "") {
  ours <- as.matrix(ours)
  theirs <- as.matrix(theirs)
  storage.mode(ours) <- storage.mode(theirs) <- "double"
  expect_identical(dim(ours), dim(theirs), info = what)
  expect_identical(unname(is.na(ours)), unname(is.na(theirs)), info = what)
  expect_lt(max(abs(ours - theirs) / (1 + abs(theirs)), 0, na.rm = TRUE), tolerance, label = what)
}

expect_table <- function(ours, theirs, tolerance = 1e-6, columns = colnames(theirs)) {
  expect_identical(colnames(ours), colnames(theirs))
  expect_identical(rownames(ours), rownames(theirs))
  # Fits that did not settle go on by another minimiser, which stops elsewhere; proposals of a line search turn on
  # the last bit of a sum.
  settled <- if (is.null(ours$betaIter)) rep(TRUE, nrow(ours)) else is.na(theirs$betaIter) | theirs$betaIter < 100
  ours <- ours[settled, , drop = FALSE]
  theirs <- theirs[settled, , drop = FALSE]
  for (name in setdiff(columns, "dispGeneIter")) {
    if (is.numeric(theirs[[name]]) || is.logical(theirs[[name]]))
      expect_close(as.double(ours[[name]]), as.double(theirs[[name]]), tolerance, name)
    else expect_identical(ours[[name]], theirs[[name]], info = name)
  }
}

# The standard workflow as a user writes it: the file itself, or with the other library in its one line.
run_standard <- function(package, input) {
  folder <- new_folder()
  script <- readLines(testthat::test_path("standard-workflow.R"))
  at <- which(script == "library(DESeq2)")
  stopifnot(length(at) == 1)
  script[at] <- paste0("library(", package, ")")
  writeLines(script, file.path(folder, "workflow.R"))
  saveRDS(input, file.path(folder, "input.rds"))
  libs <- paste(.libPaths(), collapse = .Platform$path.sep)
  old <- setwd(folder)
  on.exit(setwd(old))
  said <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), "workflow.R", env = paste0("R_LIBS=", libs), stdout = TRUE,
                                   stderr = TRUE))
  if (!file.exists("output.rds")) stop("the workflow of ", package, " failed: ", paste(tail(said, 5), collapse = "\n"))
  readRDS("output.rds")
}

# A data set of the shared folder.
shared_data <- function(name) {
  places <- c(Sys.getenv("CYTO_SHARED"), "../../../../../shared", "../../../../shared")
  folder <- Filter(dir.exists, file.path(places[nzchar(places)], "data", name))
  if (length(folder) == 0) testthat::skip(paste("no data", name, "(set CYTO_SHARED)"))
  read <- function(file) utils::read.csv(gzfile(file.path(folder[1], file)), row.names = 1, check.names = FALSE, stringsAsFactors = TRUE)
  counts <- as.matrix(read("counts.csv.gz"))
  storage.mode(counts) <- "integer"
  list(counts = counts, samples = read("coldata.csv.gz")[colnames(counts), , drop = FALSE])
}
