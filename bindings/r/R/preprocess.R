# Preprocessing: what the steps are called with, and what they give back. The steps themselves: preprocess-steps.R.

# Options that every step takes beside its own: those of the call are taken out, the others go to the engine, which
# knows them.
given_options <- function(caller, own, ...) {
  more <- list(...)
  if (length(more) > 0 && (is.null(names(more)) || any(names(more) == "")))
    refuse(caller, "argument ", which(if (is.null(names(more))) TRUE else names(more) == "")[1],
           " of ... has no name; options are given by name", argument = "...")
  max_cores <- if (is.null(more$max_cores)) 4 else more$max_cores
  memory <- more$memory_limit
  if (!is.null(memory) && (!is.numeric(memory) || length(memory) != 1L || is.na(memory) || memory < 1))
    refuse(caller, "memory_limit must be one number of bytes", argument = "memory_limit")
  options <- c(own, more[setdiff(names(more), c("max_cores", "memory_limit"))])
  for (name in names(options)) {
    value <- options[[name]]
    if (is.atomic(value) && anyNA(value)) refuse(caller, name, " is or holds NA", argument = name)
    if (is.character(value)) options[[name]] <- if (inherits(value, "AsIs")) I(utf8(value)) else utf8(value)
  }
  list(max_cores = max_cores, memory = if (is.null(memory)) 0 else memory, options = options)
}

# Without those that are NULL, which stand for the engine's own default.
set_only <- function(...) {
  values <- list(...)
  values[!vapply(values, is.null, TRUE)]
}

step_call <- function(caller, given, work) engine_call(caller, given$max_cores, work, memory = given$memory)

# ---- files ----

path_bytes <- function(path, caller, argument) {
  if (is.null(path)) return(NULL)
  if (!is.character(path) || length(path) != 1L || is.na(path) || path == "")
    refuse(caller, argument, " must be one path", argument = argument)
  # Bytes, so that names in any encoding reach the file system as they are.
  charToRaw(path.expand(path))
}

# The .h5ad that a step works on, as list(path =, layer =, use_raw =): the file itself, or what is made of counts in
# another format, in a folder beside the output that `frame` removes when it ends.
h5ad_of <- function(x, output, caller, given, frame = parent.frame()) {
  file <- as_file(x)
  bytes <- path_bytes(file$path, caller, "x")
  is_h5ad <- grepl("\\.h5ad$", file$path, ignore.case = TRUE, useBytes = TRUE)
  about_10x <- c(genome = !is.null(file$options$genome), gene_ids = file$options$gene_ids,
                 all_features = file$options$all_features)
  about_h5ad <- c(layer = !is.null(file$options$layer), use_raw = file$options$use_raw)
  not_for <- function(flags, what) {
    if (any(flags)) refuse(caller, names(flags)[flags][1], " of counts_file() is for ", what, ", not for ", file$path,
                           argument = names(flags)[flags][1])
  }
  if (is_h5ad) {
    not_for(about_10x, "10x files and folders")
    return(list(path = bytes, layer = file$options$layer, use_raw = file$options$use_raw))
  }
  dataset <- step_call(caller, given, function(settings) dataset_open(settings, bytes, file$options))
  if (identical(value_of(dataset_info(dataset), caller)$format, "h5ad")) {
    not_for(about_10x, "10x files and folders")
    return(list(path = bytes, layer = file$options$layer, use_raw = file$options$use_raw))
  }
  not_for(about_h5ad, ".h5ad files")
  if (identical(output, file$path))
    refuse(caller, "output: ", output, " is no .h5ad and cannot become one under its name", argument = "output")
  folder <- tempfile("cyto-pp-", if (is.null(output)) tempdir() else dirname(path.expand(output)))
  if (!dir.create(folder, showWarnings = FALSE))
    refuse(caller, "output: no folder can be made in ", dirname(folder), argument = "output", kind = "io")
  do.call(on.exit, list(substitute(unlink(folder, recursive = TRUE), list(folder = folder)), add = TRUE),
          envir = frame)
  path <- charToRaw(file.path(folder, "counts.h5ad"))
  step_call(caller, given, function(settings) {
    dataset_write_h5ad(settings, dataset, path, list(compression = "none"))
  })
  list(path = path, layer = NULL, use_raw = FALSE)
}

# A step over a file: its result, a handle.
file_step <- function(caller, step, x, output, given) {
  to <- path_bytes(output, caller, "output")
  file <- h5ad_of(x, output, caller, given)
  options <- given$options
  if (!is.null(file$layer) && is.null(options$layer)) options$layer <- file$layer
  if (file$use_raw) options$use_raw <- TRUE
  step_call(caller, given, function(settings) pp_file_step(settings, step, file$path, to, options))
}

# ---- matrices ----

# A matrix in memory, genes x cells, as the engine borrows it. `layer` is the assay of an experiment.
matrix_of <- function(x, layer, caller) {
  counts <- x
  if (is_experiment(x)) {
    needs("SummarizedExperiment", caller)
    assays <- SummarizedExperiment::assayNames(x)
    if (is.null(layer)) layer <- if ("counts" %in% assays) "counts" else 1L
    else if (!is.character(layer) || length(layer) != 1L || !layer %in% assays)
      refuse(caller, "layer: there is no assay ", dQuote(layer[1], FALSE), "; present: ", paste(assays, collapse = ", "),
             argument = "layer", kind = "not_found")
    counts <- SummarizedExperiment::assay(x, layer)
  } else if (!is.null(layer)) {
    refuse(caller, "layer is for files and experiments; give the matrix itself", argument = "layer")
  }
  if (is.matrix(counts) && is.numeric(counts)) {
    if (is.integer(counts) && anyNA(counts)) {
      at <- arrayInd(which(is.na(counts))[1], dim(counts))
      refuse(caller, "x[", at[1], ", ", at[2], "] is NA; must be a number", argument = "x", kind = "invalid_data")
    }
    lent <- list(dense = counts, rows = nrow(counts), columns = ncol(counts), are_counts = are_counts(counts))
  } else {
    counts <- as_dgCMatrix(counts, caller)
    lent <- c(borrowed(counts), are_counts = are_counts(counts@x))
  }
  list(lent = lent, counts = counts, x = x, genes = rownames(counts), cells = colnames(counts))
}

n_cells_of <- function(m) ncol(m$counts)
n_genes_of <- function(m) nrow(m$counts)

# A column of an experiment's table, or values of one's own, one for each cell or gene.
values_for <- function(value, m, of, caller, argument) {
  n <- if (of == "cells") n_cells_of(m) else n_genes_of(m)
  if (is_experiment(m$x) && is.character(value) && length(value) == 1L && n != 1L) {
    table <- if (of == "cells") SummarizedExperiment::colData(m$x) else SummarizedExperiment::rowData(m$x)
    if (!value %in% names(table))
      refuse(caller, argument, ": there is no column ", dQuote(value, FALSE), " in the table of the ", of, "; present: ",
             paste(names(table), collapse = ", "), argument = argument, kind = "not_found")
    value <- table[[value]]
  }
  if (!is.atomic(value) || length(value) != n)
    refuse(caller, argument, " has ", length(value), " values; must have one for each of the ", n, " ", of,
           argument = argument)
  value
}

flags_for <- function(value, m, of, caller, argument) {
  if (is.null(value)) return(NULL)
  value <- values_for(value, m, of, caller, argument)
  if (!is.logical(value) || anyNA(value))
    refuse(caller, argument, " must be TRUE or FALSE for each of the ", of, argument = argument)
  as.integer(value)
}

# Labels of the cells as positions from 0, and their names in the order of a file: levels, or texts sorted by byte.
labels_for <- function(value, m, caller, argument) {
  if (is.null(value)) return(list())
  labels <- values_for(value, m, "cells", caller, argument)
  if (!is.factor(labels)) {
    texts <- utf8(labels)
    texts[is.na(labels)] <- NA
    labels <- factor(texts, levels = sort(unique(texts), method = "radix"))
  }
  codes <- as.integer(labels) - 1L
  codes[is.na(codes)] <- -1L
  list(codes = codes, label_names = utf8(levels(labels)))
}

# Groups of genes: a named list (or data frame) of flags, or names of columns of an experiment's rowData.
groups_for <- function(value, m, caller) {
  if (is.null(value)) return(list())
  if (is.character(value)) value <- setNames(as.list(value), value)
  if (!is.list(value) || is.null(names(value)) || any(names(value) == ""))
    refuse(caller, "qc_vars must be a named list of flags of the genes, such as list(mt = grepl(\"^MT-\", ",
           "rownames(x)))", argument = "qc_vars")
  flags <- lapply(names(value), function(name) flags_for(value[[name]], m, "genes", caller, "qc_vars"))
  list(flags = as.integer(unlist(flags)), flag_names = utf8(names(value)))
}

# What the engine shall know of cells and genes.
facts_of <- function(m, ...) {
  named <- function(names) if (is.null(names)) NULL else utf8(names)
  c(list(cells = named(m$cells), genes = named(m$genes)), ...)
}

matrix_step <- function(caller, step, m, given, facts = facts_of(m)) {
  step_call(caller, given, function(settings) pp_matrix_step(settings, step, m$lent, facts, given$options))
}

only_for_files <- function(caller, ...) {
  given <- list(...)
  given <- names(given)[!vapply(given, is.null, TRUE)]
  if (length(given) > 0) refuse(caller, given[1], " is for files; a matrix in memory gives its result as a value",
                                argument = given[1])
}

# The same object with fewer cells or genes.
kept_of <- function(m, cells = NULL, genes = NULL) {
  if (is.null(cells)) cells <- rep(TRUE, n_cells_of(m))
  if (is.null(genes)) genes <- rep(TRUE, n_genes_of(m))
  m$x[genes, cells, drop = FALSE]
}

# ---- results ----

# A table as a data frame; without names of its own its rows are numbered.
frame_of <- function(handle, table, caller, named = TRUE) {
  columns <- value_of(pp_table(handle, table), caller)
  rows <- if (named) make.unique(columns[[1]], sep = "-") else seq_along(columns[[1]])
  structure(columns[-1], class = "data.frame", row.names = rows)
}

flags_of <- function(handle, name, names, caller) setNames(array_of(handle, name, caller) != 0, names)

# Cells x genes of a result as a matrix of genes x cells, which it is.
made_matrix <- function(handle, m, caller) {
  shape <- dim(m$counts)
  new("dgCMatrix", p = starts_of(handle, "x_indptr", caller), i = integers_of(handle, "x_indices", caller),
      x = array_of(handle, "x_values", caller), Dim = shape, Dimnames = list(m$genes, m$cells))
}

integers_of <- function(handle, name, caller) {
  n <- value_of(array_shape(handle, name), caller)$rows
  value_of(array_fill(handle, name, integer(n), FALSE), caller)
}

starts_of <- function(handle, name, caller) {
  starts <- array_of(handle, name, caller)
  if (starts[length(starts)] > .Machine$integer.max)
    refuse(caller, "the result holds ", starts[length(starts)], " values, more than an R matrix can; write it to a file",
           argument = "x", kind = "unsupported")
  as.integer(starts)
}

# Rows of a graph of cells, compressed by row, as a dgCMatrix.
graph_of <- function(handle, name, caller, cells = NULL) {
  starts <- starts_of(handle, paste0(name, "_indptr"), caller)
  n <- length(starts) - 1L
  by_column <- new("dgCMatrix", p = starts, i = integers_of(handle, paste0(name, "_indices"), caller),
                   x = array_of(handle, paste0(name, "_values"), caller), Dim = c(n, n),
                   Dimnames = list(cells, cells))
  Matrix::t(by_column)
}

report_of <- function(handle, caller) {
  report <- value_of(pp_report(handle), caller)
  if (!is.null(report$warnings)) {
    report$warnings <- as.character(unlist(report$warnings))
    for (words in report$warnings) warning(caller, ": ", words, call. = FALSE)
  }
  report
}

# What every step gives: what it found, where it was written, and its report.
found <- function(handle, caller, output = NULL, ...) {
  values <- list(...)
  values <- values[!vapply(values, is.null, TRUE)]
  structure(class = "cyto_pp", c(values, set_only(output = output), list(report = report_of(handle, caller))))
}

#' @export
print.cyto_pp <- function(x, ...) {
  for (name in setdiff(names(x), "report")) {
    value <- x[[name]]
    size <- if (is.null(dim(value))) length(value) else paste(dim(value), collapse = " x ")
    cat(sprintf("$%-22s %s\n", name, if (is.character(value) && length(value) == 1L) value else
      paste0(class(value)[1], " (", size, ")")))
  }
  facts <- Filter(function(fact) is.atomic(fact) && length(fact) == 1L, x$report)
  if (length(facts) > 0)
    cat("# ", paste(names(facts), vapply(facts, format, ""), sep = " = ", collapse = ", "), "\n", sep = "")
  invisible(x)
}
