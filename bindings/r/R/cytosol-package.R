#' cytosol: cell types of spatial transcriptomics
#'
#' RCTD (robust cell type decomposition) with the functions, arguments, classes and results of spacexr 2.2.1,
#' computed by the Cytosol engine. A script that says `library(spacexr)` runs with `library(cytosol)`.
#'
#' [pp_preprocess()] and the other functions `pp_*` prepare single cells as scanpy's `pp` does, in files larger than memory
#' or in matrices of R; [DESeq()] and its companions test samples with replicates.
#'
#' What is different: results do not depend on the number of threads; likelihood tables are computed and not
#' downloaded; sparse counts (`dgCMatrix`) are borrowed and not copied; counts may stay in a file
#' ([counts_file()]); pixels can be fitted in shards by several processes ([plan_shards()]); long work shows
#' progress and ends within a fraction of a second on Ctrl-C.
#'
#' Errors are conditions of class `cyto_error` and one more class that says what kind it is:
#' `cyto_invalid_argument`, `cyto_invalid_data`, `cyto_not_found`, `cyto_io`, `cyto_format`,
#' `cyto_unsupported`, `cyto_state`, `cyto_out_of_memory`, `cyto_checkpoint_mismatch` and so on, as the C
#' interface names them. They carry `code`, `argument` and `detail` (JSON).
#'
#' Progress: `options(cytosol.progress = TRUE)` draws a bar (the default in interactive sessions), `FALSE` is
#' silent, and a function `function(stage, done, total, elapsed, message)` is called instead, in R's own
#' thread; when it fails, the work stops and its error is raised.
#'
#' @source Cable et al. (2022), Nature Biotechnology 40:517; the interface is that of spacexr 2.2.1.
#' @useDynLib cytosol, .registration = TRUE
#' @import methods
#' @importClassesFrom Matrix dgCMatrix
#' @importFrom Matrix colSums rowSums colMeans drop0 sparseMatrix
#' @importFrom stats setNames
#' @importFrom utils head
#' @importFrom IRanges IRanges
#' @importFrom GenomicRanges GRanges
#' @importClassesFrom SummarizedExperiment RangedSummarizedExperiment
#' @importClassesFrom S4Vectors DFrame
#' @importMethodsFrom S4Vectors show
#' @importFrom utils read.csv write.csv
#' @importFrom grDevices pdf dev.off hcl
#' @importFrom ggplot2 aes ggplot geom_point geom_col scale_colour_gradientn scale_colour_manual
#'   scale_fill_manual scale_shape_identity scale_size_identity theme_classic theme_bw theme
#'   element_text element_blank facet_wrap geom_violin position_jitter scale_x_log10 scale_y_log10 coord_fixed xlim ylim ggtitle labs geom_text guides guide_legend
"_PACKAGE"

# Columns of the data frames that plots draw.
utils::globalVariables(c("x", "y", "value", "class", "Cell_Type", "Count", "label", "first_type",
                         "second_type", "count", "lfc", "isDE", "shape", "kind", "group", "total", "share", "panel"))

.onLoad <- function(libname, pkgname) {
  session$id <- paste(Sys.getpid(), format(Sys.time(), "%Y%m%d%H%M%OS6"))
  info <- library_info()
  if (info$abi != info$wanted_abi)
    stop("cytosol: the library has ABI ", info$abi, ", the package needs ", info$wanted_abi,
         "; install the package again", call. = FALSE)
}

#' Version and build of the engine
#'
#' @return A list: `version`, `abi` (number of the C interface) and `build` (features and instruction sets,
#'   as JSON).
#' @examples
#' engine_info()$version
#' @export
engine_info <- function() library_info()[c("version", "abi", "build")]
