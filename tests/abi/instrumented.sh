#!/bin/sh
# Builds the library and the fuzz targets once more, with AddressSanitizer and coverage counters, on the
# stable toolchain (RUSTC_BOOTSTRAP). The result is kept in target/instrumented. Prints its folder.
set -eu
cd "$(dirname "$0")/../.."
target=x86_64-unknown-linux-gnu
# The fuzz targets have the versions of the main Cargo.lock.
cp Cargo.lock tests/fuzz/Cargo.lock
(
    cd tests/fuzz
    RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing" \
        cargo build --release --quiet --target "$target" --target-dir ../../target/instrumented \
        -p cytosol-fuzz -p cytosol-capi >&2
)
echo "target/instrumented/$target/release"
