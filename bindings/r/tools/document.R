# Writes what is generated in this package: R/extendr-wrappers.R, NAMESPACE and man/. For developers:
#   Rscript tools/document.R LIBRARY
# LIBRARY holds the package as it is now: R CMD INSTALL --no-test-load -l LIBRARY . With --check nothing is
# written, and wrappers that differ from what the compiled code says are an error.
arguments <- commandArgs(trailingOnly = TRUE)
lib <- normalizePath(setdiff(arguments, "--check")[1])
dll <- dyn.load(file.path(lib, "cytosol", "libs", paste0("cytosol", .Platform$dynlib.ext)))
wrappers <- .Call(getNativeSymbolInfo("wrap__make_cytosol_wrappers", dll), TRUE, "cytosol")
if ("--check" %in% arguments) {
  found <- paste(readLines("R/extendr-wrappers.R"), collapse = "\n")
  if (!identical(trimws(found), trimws(wrappers))) stop("R/extendr-wrappers.R differs; run tools/document.R")
  cat("wrappers are as the compiled code says\n")
} else {
  cat(wrappers, file = "R/extendr-wrappers.R")
  cat("wrappers written; install again for the help pages\n")
  if (requireNamespace("cytosol", lib.loc = lib, quietly = TRUE)) {
    roxygen2::roxygenise(".", load_code = function(path) asNamespace("cytosol"))
  }
}
