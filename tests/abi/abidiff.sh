#!/bin/sh
# Compares a library with the baseline of its ABI number. New functions pass; a function that is gone, an
# argument, a field or a size that changed fails, and so does a comparison that could not be made. What lies
# behind opaque handles is not part of the ABI: abidiff does not follow Rust's references to it, and abidiff.suppr
# names what it sees behind pointers.
# Usage: abidiff.sh BASELINE LIBRARY
# A new baseline, with a new number: abidw --no-show-locs --no-comp-dir-path --no-corpus-path
#   --out-file tests/abi/cytosol-N.abi target/release/libcytosol.so
set -u
abidiff --no-added-syms --suppressions "$(dirname "$0")/abidiff.suppr" "$1" "$2"
status=$?
echo "abidiff: $status"
exit $status
