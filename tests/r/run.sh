#!/bin/sh
# The R package, from its source archive and without a network: installed, its wrappers compared, its vignette
# built, checked by R. Prints one line per part; ends with 1 when one failed. Compiled once, into target/r.
#   run.sh [install | check]      what is compiled, or what is done with it; both without an argument
set -u
cd "$(dirname "$0")/../.."
out=$PWD/target/r
lib=$out/lib
mkdir -p "$lib"
failed=0

part() { # part NAME COMMAND...
    name=$1
    shift
    begun=$(date +%s)
    if ("$@") >"$out/$name.log" 2>&1 </dev/null; then
        echo "ok    r/$name ($(($(date +%s) - begun)) s)"
    else
        failed=1
        echo "FAIL  r/$name: $out/$name.log"
        tail -n 30 "$out/$name.log" | sed 's/^/      | /'
        echo "some checks failed"
        exit 1
    fi
}

# Runs a command where there is no network but this machine itself, when this machine lets us: workers of
# parallel R talk over it.
offline() {
    if unshare -rn ip link set lo up 2>/dev/null; then
        unshare -rn sh -c 'ip link set lo up && exec "$@"' offline "$@"
    else
        env CARGO_NET_OFFLINE=true "$@"
    fi
}

# Where the reference data are, for tests in other folders.
for place in "${CYTO_SHARED:-}" ../shared ../../shared; do
    if [ -n "$place" ] && [ -d "$place/golden" ]; then
        CYTO_SHARED=$(cd "$place" && pwd)
        export CYTO_SHARED
        break
    fi
done
export CARGO_TARGET_DIR="$out/cargo" R_LIBS="$lib" _R_CHECK_FORCE_SUGGESTS_=false NO_COLOR=1

crates() { PACK=${PACK:--1} sh bindings/r/tools/vendor.sh "$out/crates"; }

format() { sh bindings/r/tools/link.sh && (cd bindings/r/src/rust && cargo fmt --check); }

archive() { # with what is in the tree; the vignette comes later
    rm -rf "$out/stage" "$out"/cytosol_*.tar.gz
    mkdir -p "$out/stage"
    (cd "$out" && R CMD build --no-build-vignettes "$OLDPWD/bindings/r") && tar -xzf "$out"/cytosol_*.tar.gz -C "$out/stage"
}

install() {
    offline R CMD INSTALL --install-tests --library="$lib" "$out/stage/cytosol" >"$out/00install.out" 2>&1
    status=$?
    cat "$out/00install.out"
    return $status
}

wrappers() { (cd bindings/r && Rscript tools/document.R --check "$lib"); }

vignette() {
    rm -rf "$out/whole"
    mkdir -p "$out/whole"
    tar -xzf "$out"/cytosol_*.tar.gz -C "$out/whole"
    (cd "$out" && offline Rscript -e 'tools::buildVignettes(dir = "whole/cytosol", tangle = TRUE)') || return 1
    mkdir -p "$out/whole/cytosol/inst/doc"
    (cd "$out/whole/cytosol/vignettes" && mv ./*.html ./*.R ../inst/doc/ && cp ./*.Rmd ../inst/doc/)
    rm -f "$out"/cytosol_*.tar.gz
    (cd "$out" && R CMD build --no-build-vignettes whole/cytosol)
}

# R installs what it checks, in a new folder each time, where everything would be compiled again: it is given the
# log of the installation above instead. The vignette was built a moment ago.
check() {
    rm -rf "$out/cytosol.Rcheck"
    (cd "$out" && offline R CMD check --no-manual --no-build-vignettes --install="check:$out/00install.out" --library="$lib" \
        cytosol_*.tar.gz) || { cat "$out/cytosol.Rcheck/tests/"*.fail 2>/dev/null; return 1; }
    grep '^Status' "$out/cytosol.Rcheck/00check.log"
    ! grep -q '^Status.*\(ERROR\|WARNING\)' "$out/cytosol.Rcheck/00check.log"
}

# The job in README.md, on the files of the demo.
readme() {
    rm -rf "$out/readme"
    [ -x target/release/cyto ] || { echo "target/release/cyto is missing: make build"; return 1; }
    target/release/cyto demo --out "$out/readme" --quiet || return 1
    sed -n '/^```r$/,/^```$/p' README.md | grep -v '^```' >"$out/readme/job.R"
    [ -s "$out/readme/job.R" ] && (cd "$out/readme" && Rscript job.R && test -s weights.csv)
}

if ! command -v R >/dev/null 2>&1; then
    echo "SKIP  r: R is missing (Debian: r-base-dev)"
    exit 0
fi
if [ "${1:-install}" = install ]; then
    part format format
    part crates crates
    part archive archive
    part install install
    part wrappers wrappers
fi
[ "${1:-check}" = check ] || exit "$failed"
part vignette vignette
part check check
part readme readme
grep -h '^Status' "$out/check.log" | sed 's/^/      /'
grep -h "SKIP\|skip" "$out/cytosol.Rcheck/tests/"*.Rout 2>/dev/null | head -n 5 | sed 's/^/      /'
exit "$failed"
