#!/bin/sh
# Every language on the same inputs, compared bit for bit with C; see README.md. Prints one line per part;
# ends with 1 when one failed. Usage: tests/cross/run.sh [HOST...]; without HOST all.
set -u
cd "$(dirname "$0")/../.."
root=$PWD
out=$root/target/cross
lib=$root/target/release
warnings="-Wall -Wextra -Wpedantic -Werror"
includes="-Iinclude -Itests/abi"
mkdir -p "$out"
suite=cross
. tests/parts.sh

link() { # link NAME: the flags of a program beside which the library is found
    ln -sf ../release/libcytosol.so "$out/libcytosol.so.1" && echo "-L$lib -lcytosol -Wl,-rpath,$out -pthread"
}

# A host's folder for what it writes, empty.
empty() {
    rm -rf "${out:?}/$1" && mkdir -p "$out/$1"
}

inputs() {
    rm -rf "$out/in" && mkdir -p "$out/in" || return 1
    gcc -std=c11 -D_GNU_SOURCE $warnings $includes -O1 tests/cross/write_inputs.c tests/abi/simulate.c \
        -o "$out/write_inputs" $(link) && "$out/write_inputs" "$out/in"
}

c() {
    empty c && gcc -std=c11 -D_GNU_SOURCE $warnings $includes -O1 tests/cross/host.c tests/abi/simulate.c \
        -o "$out/host_c" $(link) && timeout 120 "$out/host_c" "$out/in" "$out/c" || return 1
    # The three routes of the yardstick itself agree, and it has everything.
    [ "$(find "$out/c" -name '*.h5ad' | wc -l)" = 3 ] && [ "$(find "$out/c" -type f | wc -l)" = 141 ] || return 1
    for file in "$out"/c/arrays.*; do
        for route in shards files; do
            cmp "$file" "$out/c/$route.${file#"$out"/c/arrays.}" || return 1
        done
    done
}

cpp() {
    have g++ || skip "g++ is missing (Debian: g++)"
    empty cpp && g++ -std=c++17 $warnings $includes -O1 tests/cross/host.cpp -o "$out/host_cpp" $(link) &&
        timeout 120 "$out/host_cpp" "$out/in" "$out/cpp" && same cpp
}

rust() {
    # The whole workspace, so that features and with them what is built already stay the same.
    empty rust && cargo build --release --locked --workspace --example cross &&
        timeout 120 "$lib/examples/cross" "$out/in" "$out/rust" && same rust
}

julia() {
    julia=${CYTO_JULIA:-$(sh tests/get_julia.sh)} || skip "Julia cannot be had here, see julia/get"
    empty julia && CYTO_LIBRARY="$lib/libcytosol.so" JULIA_DEPOT_PATH="$root/target/julia/depot" \
        timeout 300 "$julia" --project=bindings/julia tests/cross/host.jl "$out/in" "$out/julia" && same julia
}

# DESeq2's analysis of one study, every number as the hexadecimal digits of its bits, in C and in Julia.
deseq() {
    julia=${CYTO_JULIA:-$(sh tests/get_julia.sh)} || skip "Julia cannot be had here, see julia/get"
    empty deseq && gcc -std=c11 $warnings $includes -O1 tests/cross/deseq.c -o "$out/deseq_c" $(link) -lm &&
        timeout 60 "$out/deseq_c" "$out/deseq/study" "$out/deseq/c" &&
        CYTO_LIBRARY="$lib/libcytosol.so" JULIA_DEPOT_PATH="$root/target/julia/depot" \
            timeout 120 "$julia" --project=bindings/julia tests/cross/deseq.jl "$out/deseq/study" "$out/deseq/julia" &&
        [ "$(wc -l <"$out/deseq/c")" = 8892 ] && cmp "$out/deseq/c" "$out/deseq/julia"
}

# Preprocessing: the arrays of a file's steps and of matrices in memory, in C, Julia and R, and the file itself, also
# from the command line.
pp() {
    empty pp && mkdir "$out/pp/c" "$out/pp/julia" "$out/pp/R" "$out/pp/cli" &&
        gcc -std=c11 $warnings $includes -O1 tests/cross/pp.c -o "$out/pp_c" $(link) &&
        timeout 60 "$out/pp_c" "$out/in" "$out/pp/c" || return 1
    [ "$(find "$out/pp/c" -type f ! -name '*.h5ad' | wc -l)" = 16 ] || return 1
    timeout 60 "$lib/cyto" pp preprocess "$out/in/reference" -o "$out/pp/cli/fused.h5ad" --percent-top 5,20 \
        --min-cells 3 --target-sum 10000 --n-top-genes 40 --n-comps 5 --quiet &&
        cmp "$out/pp/c/fused.h5ad" "$out/pp/cli/fused.h5ad" || return 1
    told=
    if julia=${CYTO_JULIA:-$(sh tests/get_julia.sh)}; then
        CYTO_LIBRARY="$lib/libcytosol.so" JULIA_DEPOT_PATH="$root/target/julia/depot" \
            timeout 120 "$julia" --project=bindings/julia tests/cross/pp.jl "$out/in" "$out/pp/julia" &&
            cmp "$out/pp/c/fused.h5ad" "$out/pp/julia/fused.h5ad" && as_in_c julia || return 1
    else
        told="Julia cannot be had here, see julia/get"
    fi
    export R_LIBS="$root/target/r/lib${R_LIBS:+:$R_LIBS}"
    if have Rscript && Rscript --vanilla -e 'quit(status = !requireNamespace("cytosol", quietly = TRUE))'; then
        timeout 120 Rscript --vanilla tests/cross/pp.R "$out/in" "$out/pp/R" &&
            cmp "$out/pp/c/fused.h5ad" "$out/pp/R/fused.h5ad" && as_in_c R || return 1
    else
        told="${told:+$told; }the R package cytosol is not installed (tests/r/run.sh installs it)"
    fi
    [ -z "$told" ] || skip "$told"
}

as_in_c() {
    for file in "$out"/pp/c/*; do
        case $file in *.h5ad) ;; *) cmp "$file" "$out/pp/$1/${file##*/}" || return 1 ;; esac
    done
}

# Its tables have not every array; what they have must be the same.
cli() {
    empty cli && gcc -std=c11 $warnings -O1 tests/cross/csv_to_raw.c -o "$out/csv_to_raw" || return 1
    types=$(paste -s -d , "$out/in/plain/types.txt")
    for mode in full doublet multi; do
        rm -rf "$out/csv"
        timeout 120 "$lib/cyto" rctd run "$out/in/spatial" "$out/in/reference" --mode $mode --type-order "$types" \
            --csv "$out/csv" -o "$out/cli/files.$mode.h5ad" --quiet &&
            "$out/csv_to_raw" "$out/csv" $mode "$out/cli/files.$mode" || return 1
    done
    [ "$(find "$out/cli" -type f ! -name '*.h5ad' | wc -l)" = 24 ] || return 1
    for file in "$out"/cli/*; do
        # The .h5ad says also which command made it.
        case $file in *.h5ad) ;; *) cmp "$file" "$out/c/${file##*/}" || return 1 ;; esac
    done
}

# Results of the shape of spacexr's: fewer arrays. The package is where tests/r installs it, or among R's own.
R() {
    have Rscript || skip "R is missing (Debian: r-base-core)"
    export R_LIBS="$root/target/r/lib${R_LIBS:+:$R_LIBS}"
    Rscript --vanilla -e 'quit(status = !requireNamespace("cytosol", quietly = TRUE))' ||
        skip "the R package cytosol is not installed (tests/r/run.sh installs it)"
    empty R && timeout 300 Rscript --vanilla tests/cross/host.R "$out/in" "$out/R" || return 1
    [ "$(find "$out/R" -type f | wc -l)" = 62 ] || return 1
    for file in "$out"/R/*; do
        cmp "$file" "$out/c/${file##*/}" || return 1
    done
}

# Whether a host wrote the same files as C with the same bytes.
same() {
    (cd "$out/c" && find . -type f | sort) >"$out/c.list"
    (cd "$out/$1" && find . -type f | sort) >"$out/$1.list"
    diff "$out/c.list" "$out/$1.list" || return 1
    while read -r file; do
        cmp "$out/c/$file" "$out/$1/$file" || return 1
    done <"$out/c.list"
    echo "$(wc -l <"$out/c.list") files are the same"
}

every="cpp rust julia cli deseq pp"
[ -d bindings/r ] && every="$every R"
hosts=${*:-$every}
part inputs inputs
part c c
for host in $hosts; do
    case $host in
    c) ;;
    cpp | rust | julia | cli | deseq | pp | R) part "$host" "$host" ;;
    *)
        echo "unknown host $host"
        exit 2
        ;;
    esac
done
exit $failed
