RCTD <- prepared()

test_that("shards give the same bits as one process", {
  for (mode in c("full", "doublet", "multi")) {
    whole <- fitPixels(RCTD, mode)@results
    for (size in c(0, 1, 17)) {
      plan <- plan_shards(RCTD, size)
      shards <- Map(function(start, end) run_shard(RCTD, mode, start, end), plan$start, plan$end)
      expect_true(all(vapply(shards, is.raw, TRUE)))
      expect_identical(merge_shards(RCTD, rev(shards), mode)@results, whole)
    }
  }
})

test_that("shards of elsewhere and damaged ones are refused", {
  n <- ncol(RCTD@spatialRNA@counts)
  shard <- run_shard(RCTD, "full", 0, n)
  expect_s3_class(cyto_error(merge_shards(RCTD, list(shard), "doublet")), "cyto_checkpoint_mismatch")
  expect_s3_class(cyto_error(merge_shards(prepared(sigma = 0.5), list(shard), "full")), "cyto_checkpoint_mismatch")
  damaged <- shard
  damaged[length(damaged) %/% 2] <- xor(damaged[length(damaged) %/% 2], as.raw(1))
  expect_s3_class(cyto_error(merge_shards(RCTD, list(damaged), "full")), "cyto_format")
  expect_s3_class(cyto_error(merge_shards(RCTD, list(shard[1:10]), "full")), "cyto_format")
  expect_s3_class(cyto_error(merge_shards(RCTD, list(raw()), "full")), "cyto_error")
  expect_s3_class(cyto_error(merge_shards(RCTD, list(), "full")), "cyto_invalid_argument")
  expect_s3_class(cyto_error(merge_shards(RCTD, list(shard, shard), "full")), "cyto_invalid_argument")
  expect_s3_class(cyto_error(merge_shards(RCTD, NULL, "full")), "cyto_invalid_argument")
  expect_s3_class(cyto_error(run_shard(RCTD, "full", 0, n + 1)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(run_shard(RCTD, "full", -1, n)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(plan_shards(RCTD, -1)), "cyto_invalid_argument")
})

test_that("workers of BiocParallel give the same bits", {
  skip_if_not_installed("BiocParallel")
  whole <- fitPixels(RCTD, "doublet")@results
  for (workers in list(BiocParallel::SerialParam(), BiocParallel::SnowParam(2)))
    expect_identical(fitPixels(RCTD, "doublet", BPPARAM = workers)@results, whole)
  skip_on_os("windows")
  expect_identical(fitPixels(RCTD, "doublet", BPPARAM = BiocParallel::MulticoreParam(2))@results, whole)
})
