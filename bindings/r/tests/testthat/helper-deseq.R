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
