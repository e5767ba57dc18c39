#!/bin/sh
# Everything that is promised about the C ABI. Prints one line per part; ends with 1 when one failed.
# Usage: tests/abi/run.sh [PART...]; without PART all; "plain": those with the library as it is; "hardened": those
# with the one that the part "instrumented" builds. FUZZ_SECONDS: time of the fuzz targets, which run at once (default 25).
set -u
cd "$(dirname "$0")/../.."
out=target/abi
lib=target/release
warnings="-Wall -Wextra -Wpedantic -Werror"
includes="-Iinclude -Itests/abi"
# libdeflate has one table in two of its files, which is no fault but looks like one.
asan=allocator_may_return_null=1:detect_odr_violation=0
mkdir -p "$out"
failed=0

have() { command -v "$1" >/dev/null 2>&1; }

# part NAME COMMAND...: runs it with its output in a log; status 77 is a skip whose reason is the last line.
part() {
    label=$1
    shift
    log="$out/$label.log"
    ("$@") >"$log" 2>&1 </dev/null
    case $? in
    0) echo "ok   abi/$label" ;;
    77) echo "SKIP abi/$label: $(tail -n 1 "$log")" ;;
    *)
        echo "FAIL abi/$label: $log"
        tail -n 15 "$log" | sed 's/^/     /'
        failed=1
        ;;
    esac
}

skip() {
    echo "$*"
    exit 77
}

# What a program needs beside libcytosol.a: what rustc says of its standard library, and the system's HDF5.
static_libs() {
    hdf5=$(pkg-config --libs hdf5 2>/dev/null || pkg-config --libs hdf5-serial) || return 1
    std=$(echo '' | rustc --crate-type staticlib --print native-static-libs -o "$out/empty.a" - 2>&1 |
        sed -n 's/.*native-static-libs: //p')
    echo "$hdf5 -lz $std"
}

build() {
    cargo build --release --locked --workspace --lib --examples &&
        ln -sf "../release/libcytosol.so" "$out/libcytosol.so.1"
}

header() { "$lib/examples/gen_header" --check; }

symbols() { sh tests/abi/symbols.sh "$lib/libcytosol.so"; }

soname() {
    number=$(sed -n 's/^#define CYTO_ABI_VERSION //p' include/cytosol.h)
    readelf -d "$lib/libcytosol.so" | grep "SONAME.*\[libcytosol.so.$number\]"
}

abidiff_part() {
    have abidiff || skip "abidiff is missing (Debian: abigail-tools)"
    sh tests/abi/abidiff.sh tests/abi/cytosol-1.abi "$lib/libcytosol.so"
}

# The header alone, from two files, twice, as every language it is promised for.
languages() {
    for cc in gcc clang; do
        have $cc || { [ $cc = clang ] && continue; skip "gcc is missing"; }
        for std in c11 c17 c2x; do
            $cc -std=$std $warnings $includes tests/abi/twice_a.c tests/abi/twice_b.c \
                -o "$out/twice" -L"$lib" -lcytosol -Wl,-rpath,"$PWD/$out" && "$out/twice" || return 1
        done
        for std in c++17 c++20; do
            $cc -x c++ -std=$std $warnings $includes tests/abi/twice_a.c tests/abi/twice_b.c \
                -x none -o "$out/twice" -L"$lib" -lcytosol -lstdc++ -Wl,-rpath,"$PWD/$out" &&
                "$out/twice" || return 1
        done
    done
}

# host NAME STANDARD ARGUMENTS...: compiled against the shared library and run.
host() {
    name=$1 std=$2
    shift 2
    gcc -std="$std" -D_GNU_SOURCE $warnings $includes -O1 -g "tests/abi/$name.c" tests/abi/simulate.c \
        -o "$out/$name" -L"$lib" -lcytosol -Wl,-rpath,"$PWD/$out" -pthread -lm &&
        timeout 300 "$out/$name" "$@"
}

files() {
    rm -rf "$out/files_in"
    mkdir -p "$out/files_in"
    host files c11 "$out/files_in"
}

preprocess() {
    rm -rf "$out/preprocess_in"
    mkdir -p "$out/preprocess_in"
    host preprocess c11 "$out/preprocess_in"
}

values() {
    rm -rf "$out/values_in"
    mkdir -p "$out/values_in"
    host values c11 "$out/values_in"
}

panics() {
    gcc -std=c11 -D_GNU_SOURCE $warnings $includes -O1 -g tests/abi/panic_host.c tests/abi/simulate.c \
        "$lib/examples/libinject.a" $(static_libs) -o "$out/panic_host" && timeout 120 "$out/panic_host"
}

# at_once COMMAND NAME...: COMMAND with each name, all at the same time; what they print in order. Ends with 1
# when one failed.
at_once() {
    command=$1 broken=0 running=
    shift
    for each in "$@"; do
        "$command" "$each" >"$out/$command.$each" 2>&1 &
        running="$running $each:$!"
    done
    for each in $running; do
        wait "${each#*:}" || { echo "${each%:*}: $?"; broken=1; }
        cat "$out/$command.${each%:*}"
    done
    return $broken
}

# A host linked with the static library.
under_valgrind() {
    archive="$lib/libcytosol.a"
    [ "$1" = panic_host ] && archive="$lib/examples/libinject.a"
    gcc -std=c11 -D_GNU_SOURCE $warnings $includes -O1 -g "tests/abi/$1.c" tests/abi/simulate.c \
        "$archive" $libs -o "$out/static_$1" || return 1
    arguments=
    case $1 in files | preprocess | values) arguments="$out/$1_in" ;; esac
    timeout 1200 valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
        --suppressions=tests/abi/valgrind.supp --error-exitcode=9 "$out/static_$1" $arguments && echo "$1: clean"
}

# The hosts that end soon.
valgrind_part() {
    have valgrind || skip "valgrind is missing (Debian: valgrind)"
    libs=$(static_libs) || return 1
    rm -rf "$out/files_in" "$out/preprocess_in" "$out/values_in"
    mkdir -p "$out/files_in" "$out/preprocess_in" "$out/values_in"
    at_once under_valgrind files preprocess values deseq arrow edge panic_host
}

instrumented() {
    have clang || skip "clang is missing (Debian: clang)"
    sh tests/abi/instrumented.sh >"$out/instrumented.path"
}

under_sanitizer() {
    clang -std=c11 -D_GNU_SOURCE $warnings $includes -O1 -g -fsanitize=address "tests/abi/$1.c" \
        tests/abi/simulate.c "$built/libcytosol.a" $libs -o "$out/asan_$1" || return 1
    arguments=
    case $1 in files | preprocess | values) arguments="$out/$1_in" ;; esac
    ASAN_OPTIONS=$asan:detect_leaks=1 timeout 600 "$out/asan_$1" $arguments && echo "$1: clean"
}

sanitizers() {
    have clang || skip "clang is missing (Debian: clang)"
    built=$(cat "$out/instrumented.path") && libs=$(static_libs) || return 1
    rm -rf "$out/files_in" "$out/preprocess_in" "$out/values_in"
    mkdir -p "$out/files_in" "$out/preprocess_in" "$out/values_in"
    at_once under_sanitizer arrow edge files preprocess values fork deseq && at_once under_sanitizer rctd_host
}

# A short run; what broke it is kept.
fuzz() {
    mkdir -p "$out/corpus/$1" "$out/artifacts"
    seeds=
    [ -d "tests/fuzz/seeds/$1" ] && seeds="tests/fuzz/seeds/$1"
    ASAN_OPTIONS=$asan:detect_leaks=0 timeout 300 "$built/fuzz_$1" \
        -max_total_time="${FUZZ_SECONDS:-25}" -rss_limit_mb=4096 -malloc_limit_mb=65536 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="$out/artifacts/$1-" "$out/corpus/$1" $seeds && return 0
    # The system's HDF5 library (1.10) does not withstand every damaged file; our code must.
    if grep -q 'SUMMARY: AddressSanitizer: .*/libhdf5' "$out/fuzz.$1"; then
        echo "note: the HDF5 library itself broke on a damaged file; kept in $out/artifacts"
        return 0
    fi
    return 1
}

fuzzing() {
    have clang || skip "clang is missing (Debian: clang)"
    built=$(cat "$out/instrumented.path") || return 1
    at_once fuzz view h5ad params partial filters
}

plain="build header symbols soname abidiff languages rctd_host deseq edge arrow files preprocess values fork panic gates
valgrind"
hardened="sanitizers fuzzing"
case ${*:-all} in
all) parts="$plain instrumented $hardened" ;;
plain) parts=$plain ;;
hardened) parts=$hardened ;;
*) parts=$* ;;
esac
for chosen in $parts; do
    case $chosen in
    abidiff) part abidiff abidiff_part ;;
    rctd_host) part rctd_host host rctd_host c11 && grep -h "^cancel\|^truth" "$out/rctd_host.log" | sed 's/^/     /' ;;
    deseq) part deseq host deseq c11 && grep -h "^cancel\|^truth" "$out/deseq.log" | sed 's/^/     /' ;;
    edge | fork) part "$chosen" host "$chosen" c11 ;;
    arrow) part arrow host arrow c17 ;;
    preprocess) part preprocess preprocess && grep -h "^cancelled" "$out/preprocess.log" | sed 's/^/     /' ;;
    panic) part panic panics ;;
    gates) part gates sh tests/abi/gates_fail.sh ;;
    valgrind) part valgrind valgrind_part ;;
    fuzzing) part fuzzing fuzzing && grep -h "^note:" "$out/fuzzing.log" | sed 's/^/     /' ;;
    build | header | symbols | soname | languages | files | values | instrumented | sanitizers) part "$chosen" "$chosen" ;;
    *)
        echo "unknown part $chosen; parts: $plain instrumented $hardened"
        exit 2
        ;;
    esac
done
exit $failed
