#!/bin/sh
# C++: headers, CMake package, pkg-config, hosts, MPI. Prints one line per part; ends with 1 when one failed.
# Usage: tests/cpp/run.sh [PART...]; without PART all.
set -u
cd "$(dirname "$0")/../.."
out=$PWD/target/cpp
warnings="-Wall -Wextra -Wpedantic -Werror"
includes="-Iinclude -Itests/abi"
mkdir -p "$out"
suite=cpp
. tests/parts.sh

# Every header alone and the longest host, in every language the header is promised for.
languages() {
    ran=0
    for cxx in g++ clang++; do
        have $cxx || continue
        ran=$((ran + 1))
        for header in include/cytosol/*.hpp; do
            echo "#include \"${header#include/}\"" | $cxx -std=c++17 $warnings -Wshadow -Wconversion $includes \
                -x c++ -fsyntax-only - || return 1
        done
        for std in c++17 c++20; do
            $cxx -std=$std $warnings $includes -fsyntax-only tests/cpp/edge.cpp tests/cpp/preprocess.cpp || return 1
        done
    done
    [ $ran = 2 ] || skip "g++ or clang++ is missing (Debian: g++ clang)"
}

cmake_part() {
    have cmake || skip "cmake is missing (Debian: cmake)"
    generator=
    have ninja && generator="-G Ninja"
    rm -rf "$out/prefix"
    cmake -S . -B "$out/build" $generator -DCMAKE_INSTALL_PREFIX="$out/prefix" -DCMAKE_INSTALL_LIBDIR=lib &&
        cmake --build "$out/build" && cmake --install "$out/build" &&
        readelf -d "$out/prefix/lib/libcytosol.so" | grep "SONAME.*\[libcytosol.so.1\]"
}

hosts() {
    have ctest || skip "cmake is missing (Debian: cmake)"
    (cd "$out/build" && ctest --verbose --timeout 300)
}

# The application of another project against the installed package: shared, static, and without CMake.
consumers() {
    have cmake || skip "cmake is missing (Debian: cmake)"
    target/release/cyto demo --simulate-only --quiet --pixels 150 --out "$out/tissue" || return 1
    data="$out/tissue/spatial.h5ad $out/tissue/reference.h5ad"
    # Moved, to show that nothing holds the path it was installed to.
    rm -rf "$out/moved" "$out/consumer" && cp -a "$out/prefix" "$out/moved" || return 1
    cmake -S tests/cpp/consumer -B "$out/consumer" -DCMAKE_PREFIX_PATH="$out/moved" &&
        cmake --build "$out/consumer" || return 1
    export PKG_CONFIG_PATH="$out/moved/lib/pkgconfig"
    flags=$(pkg-config --cflags --libs "cytosol >= 0.1") || return 1
    g++ -std=c++17 tests/cpp/consumer/app.cpp $flags -Wl,-rpath,"$out/moved/lib" -o "$out/app_pkgconfig" || return 1
    # The same with libcytosol.a in place of the shared library.
    flags=$(pkg-config --static --cflags --libs cytosol | sed 's/-lcytosol/-l:libcytosol.a/')
    g++ -std=c++17 tests/cpp/consumer/app.cpp $flags -o "$out/app_pkgconfig_static" || return 1
    rm -f "$out/first.txt"
    for app in "$out/consumer/app_cytosol" "$out/consumer/app_static" "$out/app_pkgconfig" \
        "$out/app_pkgconfig_static"; do
        timeout 120 "$app" $data >"$out/app.txt" || return 1
        [ -f "$out/first.txt" ] || cp "$out/app.txt" "$out/first.txt"
        cmp "$out/app.txt" "$out/first.txt" || return 1
    done
    [ "$(wc -l <"$out/first.txt")" -gt 100 ] || return 1
    ! ldd "$out/consumer/app_static" | grep libcytosol && ldd "$out/app_pkgconfig" | grep "moved/lib/libcytosol.so.1"
}

mpi() {
    have mpicxx && have mpirun || skip "MPI is missing (Debian: libopenmpi-dev openmpi-bin)"
    gcc -std=c11 -D_GNU_SOURCE $includes -c tests/abi/simulate.c -o "$out/simulate.o" &&
        mpicxx -std=c++17 $warnings $includes -O1 tests/cpp/mpi.cpp "$out/simulate.o" -o "$out/mpi" \
            -L"$out/build/lib" -lcytosol -Wl,-rpath,"$out/build/lib" || return 1
    # Two ranks on a machine that may have one core, and as root in containers.
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        timeout 120 mpirun --oversubscribe -np 2 "$out/mpi"
}

for chosen in ${*:-languages cmake hosts consumers mpi}; do
    case $chosen in
    cmake) part cmake cmake_part ;;
    hosts) part hosts hosts && note hosts "^.*cancel:" ;;
    languages | consumers | mpi) part "$chosen" "$chosen" ;;
    *)
        echo "unknown part $chosen"
        exit 2
        ;;
    esac
done
exit $failed
