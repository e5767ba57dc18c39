#!/bin/sh
# Processor time of one job in C, C++ and Julia, alternating: what the wrappers cost. The job is made of the
# engine's run, the same code for all, and of what surrounds it, where the wrappers work: opening, names, arrays. Their
# difference to C there is set against C's whole job. Usage: tests/bench/hosts/run.sh [REPEATS] [PIXELS]
set -eu
cd "$(dirname "$0")/../../.."
repeats=${1:-5}
out=$PWD/target/bench_hosts
mkdir -p "$out"
ln -sf ../release/libcytosol.so "$out/libcytosol.so.1"
flags="-O2 -Iinclude -Itests/abi -Ltarget/release -lcytosol -Wl,-rpath,$out"
gcc -std=c11 tests/bench/hosts/job.c -o "$out/job_c" $flags
g++ -std=c++17 tests/bench/hosts/job.cpp -o "$out/job_cpp" $flags
julia=${CYTO_JULIA:-$(sh tests/get_julia.sh)}
export CYTO_LIBRARY="$PWD/target/release/libcytosol.so" JULIA_DEPOT_PATH="$PWD/target/julia/depot"
target/release/cyto demo --simulate-only --quiet --pixels "${2:-1500}" --out "$out/tissue" >/dev/null
set -- "$out/tissue/spatial.h5ad" "$out/tissue/reference.h5ad"
rm -f "$out"/*.s
i=0
while [ $i -lt "$repeats" ]; do
    "$out/job_c" "$@" >>"$out/c.s"
    "$out/job_cpp" "$@" >>"$out/cpp.s"
    "$julia" --project=bindings/julia tests/bench/hosts/job.jl "$@" >>"$out/julia.s"
    i=$((i + 1))
done
median() { # median HOST FIELD
    awk -v f="$2" '{ print $f }' "$out/$1.s" | sort -n | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'
}
whole=$(median c 1)
around=$(median c 2)
for host in c cpp julia; do
    echo "$host $(median $host 1) $(median $host 2) $whole $around" | awk '{
        printf "%-6s whole job %.3f s, around the run %.4f s: %+.2f %% of the job in C\n", $1, $2, $3, 100 * ($3 - $5) / $4 }'
done
