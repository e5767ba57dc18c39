#!/bin/sh
# The Julia package under Julia 1.5.3. Prints one line per part; ends with 1 when one failed.
# Usage: tests/julia/run.sh [PART...]; without PART all. CYTO_JULIA names another Julia.
set -u
cd "$(dirname "$0")/../.."
out=$PWD/target/julia
mkdir -p "$out"
suite=julia
. tests/parts.sh
export CYTO_LIBRARY="$PWD/target/release/libcytosol.so"
# What Julia compiles stays here.
export JULIA_DEPOT_PATH="$out/depot"

get() {
    [ -n "${CYTO_JULIA:-}" ] && echo "$CYTO_JULIA" >"$out/path" && return 0
    sh tests/get_julia.sh >"$out/path"
}

julia() {
    "$(cat "$out/path")" --project=bindings/julia --color=no "$@"
}

package() {
    [ -s "$out/path" ] || skip "Julia is not here, see the part above"
    julia -e 'using Cytosol' && timeout 400 "$(cat "$out/path")" --project=bindings/julia --color=no \
        bindings/julia/test/runtests.jl
}

memory() {
    [ -s "$out/path" ] || skip "Julia is not here, see the part above"
    julia bindings/julia/test/memory.jl
}

for chosen in ${*:-get package memory}; do
    case $chosen in
    package) part package package && note package "^cancel:\|^Ctrl-C:" ;;
    memory) part memory memory && note memory "^memory:" ;;
    get) part get get ;;
    *)
        echo "unknown part $chosen"
        exit 2
        ;;
    esac
done
exit $failed
