options(cytosol.progress = FALSE)

quietly <- function(expr) suppressMessages(expr)

small <- simulate_tissue(n_pixels = 60, seed = 5)

# An object with everything but results; sigma is given, which saves its search.
prepared <- function(puck = small$puck, sigma = 0.4, ...) {
  RCTD <- quietly(fitBulk(create.RCTD(puck, small$reference, max_cores = 1, ...)))
  RCTD@internal_vars$sigma <- sigma
  RCTD
}

cyto_error <- function(expr) tryCatch({
  expr
  NULL
}, cyto_error = identity)

# Reference data that are not shipped: tests say so aloud and pass without them.
golden <- function(name) {
  places <- c(Sys.getenv("CYTO_SHARED"), "../../../../../shared", "../../../../shared")
  folder <- Filter(dir.exists, file.path(places[nzchar(places)], "golden", "rctd", name))
  if (length(folder) == 0) testthat::skip(paste("no reference data", name, "(set CYTO_SHARED)"))
  folder[1]
}

golden_counts <- function(folder, side, barcodes) {
  genes <- readLines(file.path(folder, paste0(side, "_genes.txt.gz")))
  entries <- read.csv(file.path(folder, paste0(side, "_counts_triplet.csv.gz")))
  Matrix::sparseMatrix(i = entries[[1]] + 1, j = entries[[2]] + 1, x = as.numeric(entries[[3]]),
                       dims = c(length(genes), length(barcodes)), dimnames = list(genes, barcodes))
}

# The first pixels of an object, made again.
subset_to <- function(RCTD, n) {
  puck <- restrict_puck(RCTD@originalSpatialRNA, head(colnames(RCTD@originalSpatialRNA@counts), n))
  made <- quietly(fitBulk(create.RCTD(puck, NULL, max_cores = 1, cell_type_profiles = RCTD@cell_type_info$info[[1]])))
  made@internal_vars$sigma <- RCTD@internal_vars$sigma
  made
}

# Runs work() and sends this process Ctrl-C when the first progress of `stage` (NULL = any) is told: it arrives while
# the engine works, however fast the machine is, and after system() has ended, while which R is deaf to it. `sent`:
# file for the time it was sent.
interrupted_at <- function(stage, work, sent = tempfile()) {
  begun <- FALSE
  old <- options(cytosol.progress_interval_ms = 0L, cytosol.progress = function(now, ...) {
    if (begun || !(is.null(stage) || identical(now, stage))) return()
    begun <<- TRUE
    system(sprintf("(sleep 0.02; date +%%s.%%N > %s; kill -INT %d) &", sent, Sys.getpid()))
  })
  on.exit(options(old))
  tryCatch(work(), interrupt = function(e) "interrupted")
}
