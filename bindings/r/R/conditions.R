# Failures become conditions of classes cyto_<kind>, cyto_error, error.

# What R calls the options that the engine names in its messages.
r_names <- c(
  umi_min = "UMI_min", umi_max = "UMI_max", counts_min = "counts_MIN", umi_min_sigma = "UMI_min_sigma",
  cell_min_instance = "CELL_MIN_INSTANCE", cell_types = "cell_type_names",
  max_multi_types = "MAX_MULTI_TYPES", confidence_threshold = "CONFIDENCE_THRESHOLD",
  doublet_threshold = "DOUBLET_THRESHOLD", n_epoch = "config$N_epoch", n_fit = "config$N_fit",
  min_change_bulk = "config$MIN_CHANGE_BULK", min_change_reg = "config$MIN_CHANGE_REG",
  min_obs = "config$MIN_OBS", mode = "doublet_mode", threads = "max_cores", input.labels = "cell_types",
  input.cells = "cells", input.genes = "genes", input.n_umi = "nUMI", input.coords = "coords")

condition_of <- function(message, kind, call = NULL, ...) {
  structure(class = c(paste0("cyto_", kind), "cyto_error", "error", "condition"),
            list(message = message, call = call, ...))
}

# A value that R code itself finds wrong.
refuse <- function(caller, ..., argument = NULL, kind = "invalid_argument") {
  stop(condition_of(paste0(caller, ": ", ...), kind, code = 1L, argument = argument, detail = "{}"))
}

# What Ctrl-C does: handlers of interrupts see it, and without one R goes back to its prompt.
interrupt <- function() {
  if (.Platform$OS.type == "unix") {
    tools::pskill(Sys.getpid(), tools::SIGINT)
    # R looks for interrupts while it sleeps.
    for (i in 1:100) Sys.sleep(0.01)
  }
  signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
  invokeRestart("abort")
}

raise <- function(failure, caller) {
  if (isTRUE(failure$interrupted)) interrupt()
  argument <- failure$argument
  if (length(argument) != 1L || is.na(argument)) argument <- NULL
  known <- if (is.null(argument)) NA else r_names[argument]
  if (!is.na(known)) argument <- unname(known)
  place <- if (is.na(known)) caller else paste0(caller, "(", argument, ")")
  stop(condition_of(paste0(place, ": ", failure$message), tolower(failure$status), code = failure$code,
                    argument = argument, detail = failure$detail))
}
