library(testthat)
library(cytosol)
test_check("cytosol")
