#!/bin/sh
# Packs the crates that this package is built from into src/rust/vendor.tar.xz, so that a source package builds
# without a network. For `make r-package` and the tests; the archive is not committed.
#   sh tools/vendor.sh WORK_FOLDER        PACK: options of xz (default -9e: 50 s of work for 9 MB)
# Left out: tests, examples and documents of the crates, and the bundled HDF5, which the package does not use.
set -eu
cd "$(dirname "$0")/../src/rust"
sh ../../tools/link.sh
work=$1
lock=$(cksum <Cargo.lock)
if [ -f vendor.tar.xz ] && [ "$(cat "$work/vendor.lock" 2>/dev/null)" = "$lock" ]; then
    exit 0
fi
mkdir -p "$work"
rm -rf "$work/vendor"
cargo vendor --locked --quiet --versioned-dirs "$work/vendor" >/dev/null
for crate in "$work"/vendor/*; do
    rm -rf "$crate/.github" "$crate/Cargo.toml.orig" "$crate/Cargo.lock"
    for folder in tests benches examples doc docs test-data; do
        # Some crates include such a file in their documentation.
        grep -rqs "include_.*\.\./$folder/" "$crate/src" || rm -rf "${crate:?}/$folder"
    done
    case $crate in
    */hdf5-metno-src-*) rm -rf "$crate/ext" ;;
    esac
    # What is left is covered by the checksum of the archive, not of each file.
    sed -i.bak 's/"files":{[^}]*}/"files":{}/' "$crate/.cargo-checksum.json"
    rm -f "$crate/.cargo-checksum.json.bak"
done
cat >vendor-config.toml <<'C'
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
C
tar -C "$work" --sort=name --mtime=2020-01-01 --owner=0 --group=0 --numeric-owner -cf - vendor | xz ${PACK:--9e} -T 2 >vendor.tar.xz
rm -rf "$work/vendor"
echo "$lock" >"$work/vendor.lock"
ls -l vendor.tar.xz
