#!/bin/sh
# The library exports exactly the committed list: nothing of Rust, nothing of HDF5, nothing lost.
# Usage: symbols.sh LIBRARY [LIST]
set -eu
list=${2:-$(dirname "$0")/symbols.txt}
nm -D --defined-only "$1" | awk '{ print $NF }' | LC_ALL=C sort | diff -u "$list" -
