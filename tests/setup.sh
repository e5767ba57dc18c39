#!/bin/sh
# Finds what building (setup.sh build) or testing (setup.sh test) needs, and gets what is missing:
# Debian packages when root, otherwise one line to paste; Rust through rustup.
set -eu
want=${1:-build}
cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$HOME/.cargo/bin:$PATH"

missing=""
need() { # need PACKAGE COMMAND...: a package, and commands or files that show it is there
    package=$1
    shift
    for thing in "$@"; do
        case $thing in
            */* | *.a) [ -e "$thing" ] || { missing="$missing $package"; return 0; } ;;
            *) command -v "$thing" >/dev/null 2>&1 || { missing="$missing $package"; return 0; } ;;
        esac
    done
}

need build-essential cc make
need ca-certificates /etc/ssl/certs/ca-certificates.crt
need pkg-config pkg-config
if ! command -v cargo >/dev/null 2>&1; then
    need curl curl
fi
if ! { command -v pkg-config >/dev/null 2>&1 && pkg-config --exists hdf5 2>/dev/null; } \
    && ! pkg-config --exists hdf5-serial 2>/dev/null; then
    missing="$missing libhdf5-dev"
fi
if [ "$want" = test ]; then
    need clang clang
    # The address sanitizer's library, which Debian packs apart.
    asan=$(clang -print-file-name="libclang_rt.asan-$(uname -m).a" 2>/dev/null || true)
    need libclang-rt-dev "${asan:-/usr/lib/libclang_rt}"
    need valgrind valgrind
    need abigail-tools abidiff
    need g++ g++
    need cmake cmake ctest
    need ninja-build ninja
    need libopenmpi-dev mpicxx
    need openmpi-bin mpirun
    # What Julia 1.5.3 (tests/get_julia.sh) takes from the system.
    for library in libgfortran.so.5:libgfortran5 libgmp.so.10:libgmp10 libedit.so.2:libedit2 \
        libcurl-gnutls.so.4:libcurl3-gnutls; do
        ldconfig -p 2>/dev/null | grep -q "${library%:*}" || missing="$missing ${library#*:}"
    done
    # R, and the packages that the R package and its tests use.
    need r-base-dev R
    library=/usr/lib/R/site-library
    need r-cran-matrix /usr/lib/R/library/Matrix/DESCRIPTION
    for package in ggplot2 testthat knitr rmarkdown; do
        need r-cran-$package $library/$package/DESCRIPTION
    done
    need r-bioc-biocparallel $library/BiocParallel/DESCRIPTION
    need r-bioc-deseq2 $library/DESeq2/DESCRIPTION
    need r-bioc-summarizedexperiment $library/SummarizedExperiment/DESCRIPTION
    need pandoc pandoc
    need xz-utils xz
    need iproute2 ip
fi

if [ -n "$missing" ]; then
    install="apt-get update && apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "setup: installing$missing"
        log=$(mktemp)
        if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            echo "setup: apt-get failed; the lines above say why" >&2
            exit 1
        fi
        rm -f "$log"
    elif [ "$want" = test ] && command -v cc >/dev/null 2>&1; then
        # Tests that need an absent tool say so and are skipped.
        echo "setup: not here:$missing; to install: sudo sh -c '$install'"
    else
        echo "setup: these Debian packages are missing:$missing" >&2
        echo "setup: install them with: sudo sh -c '$install'" >&2
        exit 1
    fi
fi

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_is_new_enough() {
    command -v cargo >/dev/null 2>&1 || return 1
    have=$(rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
    [ -n "$have" ] || return 1
    [ "$(printf '%s\n%s\n' "$oldest" "$have" | sort -V | head -n 1)" = "$oldest" ]
}
if ! rust_is_new_enough; then
    if command -v rustup >/dev/null 2>&1; then
        echo "setup: updating Rust (at least $oldest is needed)"
        rustup toolchain install stable --profile minimal --component clippy,rustfmt
        rustup default stable
    elif command -v curl >/dev/null 2>&1; then
        echo "setup: installing Rust (at least $oldest is needed) into $HOME/.cargo"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs \
            | sh -s -- -y --profile minimal --component clippy,rustfmt
    else
        echo "setup: Rust $oldest or later is missing; see https://rustup.rs" >&2
        exit 1
    fi
fi
