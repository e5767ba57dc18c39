# Counts in objects of Bioconductor, through the accessors of SummarizedExperiment.

is_experiment <- function(x) isS4(x) && is(x, "SummarizedExperiment")

is_container <- function(x) is_file(x) || is_experiment(x)

from_container <- function(x, caller, cell_types = NULL) {
  if (is_file(x)) from_file(x, caller, cell_types) else from_experiment(x, caller, cell_types)
}

needs <- function(package, caller) {
  if (!requireNamespace(package, quietly = TRUE))
    refuse(caller, "package ", package, " is needed for this object and is not installed",
           argument = "counts", kind = "unsupported")
}

# What spatialCoords() says of an object, where it has a method for its class (SpatialExperiment and its kin); NULL
# otherwise. The function is that which the package of the class sees.
spatial_coords <- function(x, caller) {
  package <- attr(class(x), "package")
  if (is(x, "SpatialExperiment") && !is.null(package) && package != ".GlobalEnv") needs(package, caller)
  place <- if (!is.null(package) && package != ".GlobalEnv" && requireNamespace(package, quietly = TRUE))
    asNamespace(package) else globalenv()
  accessor <- get0("spatialCoords", envir = place, mode = "function")
  if (!is(accessor, "standardGeneric") || is.null(selectMethod(accessor, class(x), optional = TRUE))) return(NULL)
  accessor(x)
}

from_experiment <- function(x, caller, cell_types = NULL) {
  needs("SummarizedExperiment", caller)
  assays <- SummarizedExperiment::assayNames(x)
  which <- if ("counts" %in% assays) "counts" else 1L
  counts <- SummarizedExperiment::assay(x, which)
  cells <- colnames(counts)
  found <- list(counts = counts)
  table <- as.list(SummarizedExperiment::colData(x))
  coords <- spatial_coords(x, caller)
  if (!is.null(coords)) {
    if (ncol(coords) >= 2)
      found$coords <- data.frame(x = coords[, 1], y = coords[, 2], row.names = cells)
  } else if (all(c("x", "y") %in% names(table))) {
    found$coords <- data.frame(x = table$x, y = table$y, row.names = cells)
  }
  if (!is.null(table$nUMI)) found$nUMI <- setNames(table$nUMI, cells)
  if (!is.null(cell_types))
    found$cell_types <- if (is.factor(cell_types)) cell_types else labels_of(table, cell_types, cells, caller)
  found
}

as_spatial <- function(x, caller) {
  if (is_like(x, "SpatialRNA")) return(as_class(x, "SpatialRNA"))
  if (is_experiment(x)) return(SpatialRNA(counts = x))
  refuse(caller, "spatialRNA of class ", class(x)[1], "; must be a SpatialRNA object, an experiment or a file",
         argument = "spatialRNA")
}

as_reference <- function(x, caller) {
  if (is_like(x, "Reference")) return(as_class(x, "Reference"))
  if (is_experiment(x)) return(Reference(x))
  refuse(caller, "reference of class ", class(x)[1], "; must be a Reference object, an experiment or a file",
         argument = "reference")
}
