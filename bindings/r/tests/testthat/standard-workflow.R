library(DESeq2)

# The standard workflow: counts to tables and pictures. The tests run it as it is, and with the line above changed to
# library(cytosol); nothing else differs. It reads input.rds and writes output.rds and pictures.pdf in its folder.
input <- readRDS("input.rds")

dds <- DESeqDataSetFromMatrix(countData = input$counts, colData = input$samples, design = input$design)
dds <- dds[rowSums(counts(dds)) > 0, ]
dds <- DESeq(dds)

res <- results(dds, contrast = input$contrast, alpha = 0.05)
shown <- capture.output(summary(res))
shrunken <- lfcShrink(dds, coef = length(resultsNames(dds)), type = "normal")

vsd <- vst(dds, blind = FALSE)
groups <- all.vars(input$design)
pca <- plotPCA(vsd, intgroup = groups, returnData = TRUE)

pdf("pictures.pdf")
plotMA(res)
plotMA(shrunken)
plotDispEsts(dds)
print(plotPCA(vsd, intgroup = groups))
plotCounts(dds, gene = which.min(res$padj), intgroup = groups[1])
invisible(dev.off())

saveRDS(list(sizeFactors = sizeFactors(dds), names = resultsNames(dds), genes = as.data.frame(mcols(dds)),
             results = as.data.frame(res), shown = shown, shrunken = as.data.frame(shrunken), vst = assay(vsd),
             pca = pca, percentVar = attr(pca, "percentVar")), "output.rds")
