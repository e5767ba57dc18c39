# DESeq2's model: ours beside DESeq2, one thread each, processor seconds, alternating; and growth of ours.
#
#   Rscript bench_deseq.R HOST ratio [GENES [REPEATS [SAMPLES...]]]   whole analysis, vst, shrinkage
#   Rscript bench_deseq.R HOST rlog [GENES [SAMPLES...]]              regularised log
#   Rscript bench_deseq.R HOST growth                                 genes, samples, coefficients; ours alone
#   Rscript bench_deseq.R HOST fast                                   whole analysis, exact beside fast; ours alone
#   Rscript bench_deseq.R CYTO rust RUST [GENES [REPEATS [SAMPLES...]]]  `cyto deseq` beside rust_deseq2's program RUST
#
# HOST is the program made of hosts/deseq.c; see README.md. Reading the counts and starting R are not counted, but for
# the two programs, which are measured whole, from the tables to the result.

args <- commandArgs(TRUE)
host <- args[1]
mode <- args[2]
rest <- args[-(1:2)]
if (mode == "rust") {
  rust_deseq2 <- rest[1]
  rest <- rest[-1]
}
rest <- as.numeric(rest)
study_file <- tempfile(fileext = ".study")

# The simulation rule of makeExampleDESeqDataSet, with effects on a fifth of the genes, and uneven depths.
# `factors`: two-level factors, crossed as evenly as the samples allow; the last one has the effects.
simulate <- function(genes, samples, factors = 1L) {
  set.seed(1, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  # Bits of the number of the sample, so that no factor is a combination of others.
  codes <- lapply(seq_len(factors) - 1L, function(f) (seq_len(samples) - 1L) %/% 2L^f %% 2L)
  mean <- 2^rnorm(genes, 4, 2)
  dispersion <- (4 / mean + 0.1) * exp(rnorm(genes, 0, 0.5))
  effect <- ifelse(seq_len(genes) %% 5L == 0L, rnorm(genes), 0)
  depth <- exp(rnorm(samples, 0, 0.25))
  mu <- outer(mean, depth) * 2^outer(effect, codes[[factors]])
  counts <- matrix(rnbinom(length(mu), mu = mu, size = 1 / dispersion), genes)
  list(counts = counts, codes = codes)
}

write_study <- function(study) {
  file <- file(study_file, "wb")
  on.exit(close(file))
  cat(dim(study$counts), length(study$codes), file = file)
  cat("\n", file = file)
  for (codes in study$codes) cat(2L, paste(codes, collapse = " "), "\n", file = file)
  writeBin(as.integer(t(study$counts)), file)
}

# Seconds of steps of ours, named.
ours <- function(steps, options = "{}") {
  lines <- system2(host, c(study_file, shQuote(options), steps), stdout = TRUE)
  status <- attr(lines, "status")
  if (!is.null(status)) stop("the host ended with ", status)
  fields <- strsplit(lines, " ")
  stats::setNames(as.numeric(vapply(fields, `[`, "", 2)), vapply(fields, `[`, "", 1))
}

cpu <- function(expression) {
  used <- system.time(expression, gcFirst = FALSE)
  unname(used["user.self"] + used["sys.self"])
}

as_dataset <- function(study) {
  columns <- as.data.frame(lapply(study$codes, function(codes) factor(paste0("L", codes + 1L))))
  names(columns) <- paste0("f", seq_along(columns))
  suppressMessages(DESeq2::DESeqDataSetFromMatrix(study$counts, columns, reformulate(names(columns))))
}

show <- function(what, mine, theirs) {
  if (is.na(theirs)) return(cat(sprintf("%-34s ours %8.3f s   DESeq2's is not here\n", what, mine)))
  cat(sprintf("%-34s ours %8.3f s   DESeq2 %9.2f s   ratio %7.1f\n", what, mine, theirs, theirs / mine))
}

ratio <- function(genes, repeats, sizes) {
  shrinkers <- c("apeglm", "ashr")
  shrinkers <- shrinkers[vapply(shrinkers, requireNamespace, NA, quietly = TRUE)]
  cat("shrinkage of DESeq2 that is here:", if (length(shrinkers)) shrinkers else "normal only", "\n")
  for (samples in sizes) {
    study <- simulate(genes, samples)
    write_study(study)
    found <- list()
    for (i in seq_len(repeats)) {
      mine <- ours(c("run", "apeglm", "ashr", "normal", "vst"))
      theirs <- c()
      dds <- as_dataset(study)
      theirs["run"] <- cpu(dds <- suppressMessages(DESeq2::DESeq(dds, quiet = TRUE)))
      last <- DESeq2::resultsNames(dds)[2]
      for (type in c(shrinkers, "normal")) {
        theirs[type] <- cpu(suppressMessages(DESeq2::lfcShrink(dds, coef = last, type = type, quiet = TRUE)))
      }
      theirs["vst"] <- cpu(suppressMessages(DESeq2::vst(dds)))
      found[[i]] <- list(mine = mine, theirs = theirs)
    }
    for (step in names(found[[1]]$mine)) {
      of <- function(who) stats::median(vapply(found, function(run) run[[who]][step], 0))
      show(sprintf("%s, %d x %d", step, genes, samples), of("mine"), of("theirs"))
    }
  }
}

rlog <- function(genes, sizes) {
  for (samples in sizes) {
    study <- simulate(genes, samples)
    write_study(study)
    dds <- DESeq2::estimateSizeFactors(as_dataset(study))
    theirs <- cpu(suppressMessages(DESeq2::rlog(dds)))
    show(sprintf("rlog, %d x %d", genes, samples), ours("rlog")["rlog"], theirs)
  }
}

growth <- function() {
  before <- NULL
  measure <- function(what, size, most, ...) {
    write_study(simulate(...))
    used <- stats::median(vapply(1:3, function(i) ours("run")["run"], 0))
    factor <- if (is.null(before)) NA else used / before
    cat(sprintf("%-24s %7d   %8.3f s   x %.2f\n", what, size, used, factor))
    before <<- used
    if (!is.na(factor) && factor > most) stop("time grew faster than it may: ", factor)
  }
  for (genes in c(5000, 10000, 20000, 40000)) measure("genes, 24 samples", genes, 2.5, genes, 24)
  before <- NULL
  for (samples in c(50, 100, 200, 400)) measure("samples, 5,000 genes", samples, 2.5, 5000, samples)
  before <- NULL
  # The Hessian of a fit has coefficients x coefficients entries; and the different rows of the design are 2, 8
  # and 128, so that the sums over equal rows help less and less.
  for (factors in c(1, 3, 7)) measure("coefficients, 128 samples", factors + 1, Inf, 2000, 128, factors)
}

fast <- function() {
  for (size in list(c(20000, 12), c(20000, 100), c(3000, 500))) for (factors in 1:2) {
    write_study(simulate(size[1], size[2], factors))
    seconds <- function(mode) ours("run", sprintf('{"mode": "%s"}', mode))["run"]
    runs <- vapply(1:5, function(i) c(seconds("exact"), seconds("fast")), numeric(2))
    used <- apply(runs, 1, stats::median)
    cat(sprintf("%d x %d, %d factors   exact %.3f s   fast %.3f s   ratio %.2f\n", size[1], size[2], factors, used[1],
                used[2], used[1] / used[2]))
  }
}

# Processor seconds and peak MiB of a program.
program <- function(command, arguments) {
  said <- system2("/usr/bin/time", c("-f", shQuote("used %U %S %M"), command, arguments), stdout = TRUE, stderr = TRUE)
  status <- attr(said, "status")
  if (!is.null(status)) stop(command, " ended with ", status, ": ", utils::tail(said, 3))
  used <- as.numeric(strsplit(grep("^used ", said, value = TRUE), " ")[[1]][-1])
  c(cpu = used[1] + used[2], peak = used[3] / 1024)
}

rust <- function(genes, repeats, sizes) {
  folder <- tempfile("study")
  dir.create(folder)
  at <- function(name) file.path(folder, name)
  for (samples in sizes) {
    study <- simulate(genes, samples)
    colnames(study$counts) <- sprintf("s%03d", seq_len(samples))
    counts <- data.frame(gene = sprintf("g%05d", seq_len(genes)), study$counts)
    write.csv(counts, at("counts.csv"), row.names = FALSE, quote = FALSE)
    table <- data.frame(sample = colnames(study$counts), condition = c("A", "B")[study$codes[[1]] + 1L])
    write.csv(table, at("samples.csv"), row.names = FALSE, quote = FALSE)
    mine <- c("deseq", at("counts.csv"), at("samples.csv"), "--design", shQuote("~ condition"), "-o", at("mine.csv"),
              "--threads", "1", "-q")
    others <- c("run", "-c", at("counts.csv"), "-m", at("samples.csv"), "-d", "condition", "--numerator", "B",
                "--denominator", "A", "-o", at("theirs.tsv"), "-t", "1")
    found <- lapply(seq_len(repeats), function(i) {
      list(exact = program(host, mine), fast = program(host, c(mine, "--mode", "fast")),
           theirs = program(rust_deseq2, others))
    })
    of <- function(who, what) stats::median(vapply(found, function(run) run[[who]][[what]], 0))
    for (who in c("exact", "fast")) {
      cat(sprintf("%d x %d, %s: ours %.2f s, %.0f MiB   rust_deseq2 %.2f s, %.0f MiB   ratio %.1f\n", genes, samples, who,
                  of(who, "cpu"), of(who, "peak"), of("theirs", "cpu"), of("theirs", "peak"),
                  of("theirs", "cpu") / of(who, "cpu")))
    }
  }
  unlink(folder, recursive = TRUE)
}

or <- function(given, default) if (length(given) == 0L || anyNA(given)) default else given
switch(mode,
  ratio = ratio(or(rest[1], 20000), or(rest[2], 3), or(rest[-(1:2)], c(12, 100, 500))),
  rlog = rlog(or(rest[1], 100), or(rest[-1], c(12, 100, 500))),
  growth = growth(),
  fast = fast(),
  rust = rust(or(rest[1], 20000), or(rest[2], 3), or(rest[-(1:2)], c(12, 100, 500))),
  stop("must be ratio, rlog, growth, fast or rust")
)
unlink(study_file)
