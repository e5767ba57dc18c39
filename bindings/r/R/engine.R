# Calls of the engine: settings, progress, arrays, and the engine object behind an RCTD object.

# The value of a call, or its condition.
value_of <- function(answer, caller) {
  if (inherits(answer, "cyto_failure")) {
    # What a progress function raised goes on from here, where no frame of the engine is left.
    if (!is.null(answer$jump)) .Call(jump_function(), answer$jump)
    raise(answer, caller)
  }
  answer
}

n_threads <- function(max_cores, caller) {
  if (!is.numeric(max_cores) || length(max_cores) != 1L || is.na(max_cores) || max_cores < 1)
    refuse(caller, "max_cores must be one number of at least 1", argument = "max_cores")
  n <- min(max_cores, parallel::detectCores(), na.rm = TRUE)
  limit <- tolower(Sys.getenv("_R_CHECK_LIMIT_CORES_"))
  if (nzchar(limit) && limit != "false") n <- min(n, 2)
  as.integer(n)
}

# A bar that draws over itself.
progress_bar <- function() {
  function(stage, done, total, elapsed, message) {
    share <- if (total > 0) min(done / total, 1) else 0
    full <- round(30 * share)
    cat(sprintf("\r%-18s |%s%s| %3.0f %%", stage, strrep("=", full), strrep(" ", 30 - full), 100 * share),
        if (total > 0 && done >= total) "\n", sep = "", file = stderr())
  }
}

# Runs work(settings); `settings` are those of one call. `note(kind, text)` gets messages and warnings of the engine as
# they come; without it they are drawn like progress. What these functions raise stops the work. `memory`: bytes for
# blocks and caches, 0 for the engine's own.
engine_call <- function(caller, max_cores, work, note = NULL, memory = 0) {
  show <- getOption("cytosol.progress", interactive())
  draw <- if (is.function(show)) show else if (isTRUE(show)) progress_bar()
  callback <- NULL
  if (!is.null(draw) || !is.null(note)) {
    callback <- function(stage, done, total, elapsed, message) {
      if (!is.null(note) && stage %in% c("message", "warning")) note(stage, message)
      else if (!is.null(draw)) draw(stage, done, total, elapsed, message)
      0L
    }
  }
  interval <- as.integer(getOption("cytosol.progress_interval_ms", 50L))
  settings <- list(threads = n_threads(max_cores, caller), interval = interval, memory = as.double(memory),
                   callback = callback)
  value_of(work(settings), caller)
}

# A text as the engine takes it.
utf8 <- function(x) enc2utf8(as.character(x))

# Whether a handle lends an array of this name now.
has_array <- function(handle, name) !inherits(array_shape(handle, name), "cyto_failure")

# An array that a handle lends, as a vector or matrix; `turned`: the transpose of a matrix, which is how it lies.
array_of <- function(handle, name, caller = "cytosol", turned = FALSE) {
  shape <- value_of(array_shape(handle, name), caller)
  if (shape$kind == "text") return(value_of(array_text(handle, name), caller))
  n <- shape$rows * max(shape$columns, 1)
  target <- if (shape$kind == "integer") integer(n) else numeric(n)
  target <- value_of(array_fill(handle, name, target, turned), caller)
  if (shape$columns > 0) dim(target) <- if (turned) c(shape$columns, shape$rows) else c(shape$rows, shape$columns)
  target
}

# The slots of a dgCMatrix, as the engine borrows them.
borrowed <- function(counts) {
  list(p = counts@p, i = counts@i, x = counts@x, rows = counts@Dim[1L], columns = counts@Dim[2L])
}

# ---- the engine object of an RCTD object ----
#
# RCTD objects are values: they are copied, changed, saved and sent to other processes, and hold R data only. The
# engine object made from one is kept here, under a token that the RCTD object carries; whoever has no token, or
# one whose engine was made from other data, gets a new engine object. It goes when the token goes.
engines <- new.env(parent = emptyenv())

# Tokens of other sessions are told by it; forks share it, and the engines too.
session <- new.env(parent = emptyenv())

# Makes an environment the token of a new engine of this session.
register <- function(token) {
  session$count <- (if (is.null(session$count)) 0 else session$count) + 1
  token$session <- session$id
  token$id <- paste0("engine", session$count)
  reg.finalizer(token, function(token) {
    # Not R's rm(), which warns: the token may have been registered again.
    if (!is.null(engines[[token$id]])) rm(list = token$id, envir = engines)
  })
  token
}

kept_engine <- function(token) {
  if (is.environment(token) && identical(token$session, session$id)) engines[[token$id]]
}

creation_config <- c("gene_cutoff", "fc_cutoff", "gene_cutoff_reg", "fc_cutoff_reg", "UMI_min", "UMI_max",
                     "counts_MIN", "MIN_OBS")

# Options of the engine from the configuration of an RCTD object.
engine_options <- function(RCTD, ...) {
  config <- RCTD@config
  classes <- RCTD@internal_vars$class_df
  pairs <- lapply(rownames(classes), function(type) I(utf8(c(type, as.character(classes[type, "class"])))))
  named <- c(gene_cutoff = "gene_cutoff", fc_cutoff = "fc_cutoff", gene_cutoff_reg = "gene_cutoff_reg",
             fc_cutoff_reg = "fc_cutoff_reg", umi_min = "UMI_min", umi_max = "UMI_max",
             counts_min = "counts_MIN", umi_min_sigma = "UMI_min_sigma", n_epoch = "N_epoch",
             n_fit = "N_fit", min_change_bulk = "MIN_CHANGE_BULK", min_change_reg = "MIN_CHANGE_REG",
             min_obs = "MIN_OBS", max_multi_types = "MAX_MULTI_TYPES",
             confidence_threshold = "CONFIDENCE_THRESHOLD", doublet_threshold = "DOUBLET_THRESHOLD")
  values <- lapply(named, function(name) config[[name]])
  values <- values[!vapply(values, is.null, TRUE)]
  # No limit is the largest number that JSON can say.
  if (!is.null(values$umi_max)) values$umi_max <- min(values$umi_max, .Machine$double.xmax)
  c(values, list(class_df = pairs), list(...))
}

made_of <- function(RCTD) {
  puck <- RCTD@originalSpatialRNA
  list(puck@counts, puck@nUMI, RCTD@cell_type_info$info[[1]], RCTD@config[creation_config],
       RCTD@internal_vars$class_df, RCTD@internal_vars$source)
}

reference_handle <- function(info, caller) {
  profiles <- as.matrix(info[[1]])
  value_of(reference_from_profiles(as.double(t(profiles)), utf8(rownames(profiles)), utf8(info[[2]])), caller)
}

spatial_handle <- function(puck, max_cores, caller) {
  barcodes <- colnames(puck@counts)
  coords <- as.matrix(puck@coords[barcodes, c("x", "y")])
  engine_call(caller, max_cores, function(settings) {
    spatial_new(settings, borrowed(puck@counts), utf8(barcodes), utf8(rownames(puck@counts)),
                as.double(t(coords)), as.double(puck@nUMI))
  })
}

make_engine <- function(RCTD, caller) {
  source <- RCTD@internal_vars$source
  max_cores <- RCTD@config$max_cores
  spatial <- if (is.null(source)) spatial_handle(RCTD@originalSpatialRNA, max_cores, caller) else
    value_of(spatial_from_dataset(dataset_handle(source, max_cores, caller)), caller)
  reference <- reference_handle(RCTD@cell_type_info$info, caller)
  engine_call(caller, max_cores, function(settings) {
    rctd_create(settings, spatial, reference, engine_options(RCTD))
  })
}

# The engine object: the one that was kept, when it fits, or a new one, which is checked against the object.
engine_of <- function(RCTD, caller) {
  token <- RCTD@internal_vars$engine
  kept <- kept_engine(token)
  data <- made_of(RCTD)
  if (!is.null(kept) && is_alive(kept$handle) && identical(kept$made_of, data)) return(kept$handle)
  handle <- make_engine(RCTD, caller)
  same <- identical(array_of(handle, "genes_reg"), utf8(RCTD@internal_vars$gene_list_reg)) &&
    identical(array_of(handle, "genes_bulk"), utf8(RCTD@internal_vars$gene_list_bulk)) &&
    length(array_of(handle, "kept")) == ncol(RCTD@spatialRNA@counts)
  if (!same)
    refuse(caller, "RCTD: its counts, profiles, gene lists or options were changed since create.RCTD; ",
           "create it again", argument = "RCTD", kind = "state")
  if (is.environment(token)) {
    if (!identical(token$session, session$id)) register(token)
    engines[[token$id]] <- list(handle = handle, made_of = data)
  }
  handle
}

keep_engine <- function(RCTD, handle) {
  token <- register(new.env(parent = emptyenv()))
  RCTD@internal_vars$engine <- token
  engines[[token$id]] <- list(handle = handle, made_of = made_of(RCTD))
  RCTD
}

has_bulk <- function(handle) has_array(handle, "proportions")

# Platform effects as this object has them.
engine_with_bulk <- function(RCTD, caller) {
  if (is.null(RCTD@cell_type_info$renorm))
    refuse(caller, "RCTD: fitBulk has to be called before this step", argument = "RCTD", kind = "state")
  handle <- engine_of(RCTD, caller)
  value_of(rctd_set_options(handle, engine_options(RCTD, sigma = current_sigma(RCTD)), NULL, NULL), caller)
  if (!has_bulk(handle))
    engine_call(caller, RCTD@config$max_cores, function(settings) rctd_fit_bulk(settings, handle))
  mine <- unname(as.matrix(RCTD@cell_type_info$renorm[[1]]))
  # An object of spacexr sums in another order.
  if (!isTRUE(all.equal(mine, array_of(handle, "profiles_normalized"), tolerance = 1e-9)))
    refuse(caller, "RCTD: cell_type_info$renorm is not what fitBulk gives; call fitBulk again, profiles of ",
           "one's own go into create.RCTD(cell_type_profiles =)", argument = "RCTD", kind = "unsupported")
  handle
}

current_sigma <- function(RCTD) {
  sigma <- RCTD@internal_vars$sigma
  if (is.null(sigma)) NULL else round(100 * sigma)
}

# Everything that the fits of the pixels need.
engine_with_sigma <- function(RCTD, caller) {
  if (is.null(RCTD@internal_vars$sigma))
    refuse(caller, "RCTD: choose_sigma_c has to be called before this step", argument = "RCTD", kind = "state")
  handle <- engine_with_bulk(RCTD, caller)
  if (value_of(sigma_of(handle), caller) != current_sigma(RCTD))
    engine_call(caller, RCTD@config$max_cores, function(settings) rctd_choose_sigma(settings, handle))
  handle
}
