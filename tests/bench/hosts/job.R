# What R adds to a job: processor seconds outside the engine's calls, beside those inside. Counts are in memory, as
# dgCMatrix; reading them is not counted.
#   Rscript job.R PLAIN_FOLDER [MODE [REPEATS]]
# PLAIN_FOLDER comes from ../export_plain.py.

args <- commandArgs(TRUE)
mode <- if (length(args) > 1) args[2] else "doublet"
repeats <- if (length(args) > 2) as.integer(args[3]) else 5L
suppressPackageStartupMessages(library(cytosol))

counts_of <- function(folder, columns) {
  raw <- function(name, what, size) {
    path <- file.path(folder, name)
    readBin(path, what, n = file.size(path) / size, size = size, endian = "little")
  }
  genes <- readLines(file.path(folder, "genes.txt"))
  methods::new("dgCMatrix", i = raw("rows.i32", "integer", 4), p = raw("starts.i32", "integer", 4),
               x = raw("values.f64", "double", 8), Dim = c(length(genes), nrow(columns)),
               Dimnames = list(genes, rownames(columns)))
}
columns_of <- function(folder) read.csv(file.path(folder, "columns.csv"), row.names = 1)

places <- columns_of(file.path(args[1], "spatial"))
puck <- SpatialRNA(places, counts_of(file.path(args[1], "spatial"), places))
cells <- columns_of(file.path(args[1], "reference"))
types <- stats::setNames(factor(cells$cell_type), rownames(cells))
reference <- Reference(counts_of(file.path(args[1], "reference"), cells), types)

cpu <- function() sum(proc.time()[1:2])
inside <- 0
timed <- function(...) {
  begun <- cpu()
  on.exit(inside <<- inside + cpu() - begun)
  call_engine(...)
}
call_engine <- cytosol:::engine_call
utils::assignInNamespace("engine_call", timed, "cytosol")
shares <- vapply(seq_len(repeats + 1L), function(i) {
  inside <<- 0
  gc()
  begun <- cpu()
  suppressMessages(run.RCTD(create.RCTD(puck, reference, max_cores = 1), doublet_mode = mode))
  outside <- cpu() - begun - inside
  cat(sprintf("%s, %d pixels: %.3f s in the engine, %.3f s in R: %.2f %%\n", mode, ncol(puck@counts), inside, outside,
              100 * outside / inside))
  outside / inside
}, 0)
# The first run loads code.
cat(sprintf("median without the first: %.2f %%\n", 100 * stats::median(shares[-1])))
