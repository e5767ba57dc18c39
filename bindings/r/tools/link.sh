#!/bin/sh
# Links the engine's sources into src/rust/engine, in a checkout of the repository; a source package has them
# there as files. Called by configure, vendor.sh and the tests.
set -eu
cd "$(dirname "$0")/.."
[ -d ../../core ] && [ -d ../../capi ] || exit 0
mkdir -p src/rust/engine
for part in core capi; do
    ln -sfn "../../../../../$part" "src/rust/engine/$part"
done
