#!/bin/sh
# Each gate of the ABI must fail on a deliberate break, and pass without it. Works on copies.
set -u
cd "$(dirname "$0")/../.."
lib=target/release
dir=target/abi/gates
rm -rf "$dir"
mkdir -p "$dir"
wrong=0

passes() {
    what=$1
    shift
    if "$@" >"$dir/log" 2>&1; then echo "passes: $what"; else
        echo "SHOULD PASS: $what"
        cat "$dir/log"
        wrong=1
    fi
}

fails() {
    what=$1
    shift
    if "$@" >"$dir/log" 2>&1; then
        echo "SHOULD FAIL: $what"
        wrong=1
    else echo "fails: $what"; fi
}

# Header: one changed argument, one comment, one line lost.
header() { "$lib/examples/gen_header" --check "$dir/$1"; }
cp include/cytosol.h "$dir/same.h"
sed 's/uint64_t start,/uint32_t start,/' include/cytosol.h >"$dir/type.h"
sed 's/Freeing/freeing/; s/NULL is allowed\./NULL is not allowed./' include/cytosol.h >"$dir/comment.h"
sed '/cyto_error_free/d' include/cytosol.h >"$dir/lost.h"
passes "header as generated" header same.h
fails "header with another type" header type.h
fails "header with another comment" header comment.h
fails "header that lacks a function" header lost.h

# Symbols: one less, one more, and a library that lets others through.
symbols() { sh tests/abi/symbols.sh "$@"; }
sed '/cyto_version/d' tests/abi/symbols.txt >"$dir/less.txt"
{ cat tests/abi/symbols.txt; echo cyto_zzz; } >"$dir/more.txt"
sed 's/.*/int &(void) { return 0; }/' tests/abi/symbols.txt >"$dir/leaky.c"
echo 'int H5open(void) { return 0; }' >>"$dir/leaky.c"
gcc -w -shared -fPIC "$dir/leaky.c" -o "$dir/leaky.so" || wrong=1
passes "the library's symbols" symbols "$lib/libcytosol.so"
fails "a symbol that is not in the list" symbols "$lib/libcytosol.so" "$dir/less.txt"
fails "a symbol of the list that is gone" symbols "$lib/libcytosol.so" "$dir/more.txt"
fails "a library that exports HDF5 as well" symbols "$dir/leaky.so"

# abidiff: the library against baselines that say something else, and two small libraries.
if command -v abidiff >/dev/null 2>&1; then
    abi() { sh tests/abi/abidiff.sh "$1" "$2"; }
    base=tests/abi/cytosol-1.abi
    sed "s/'cyto_version'/'cyto_version_before'/g" "$base" >"$dir/removed.abi"
    sed "s/\(name='cyto_rctd_results' size-in-bits='\)[0-9]*'/\11024'/" "$base" >"$dir/private.abi"
    awk '/name=.cyto_rctd_run_shard. /{ seen = 1 }
         seen && /name=.start./ { sub(/type-id-[0-9]+/, mode); seen = 0 }
         seen && /name=.mode./ { match($0, /type-id-[0-9]+/); mode = substr($0, RSTART, RLENGTH) }
         { print }' "$base" >"$dir/argument.abi"
    sed "s/\(name='cyto_dense_view' size-in-bits='\)448'/\1384'/" "$base" >"$dir/size.abi"
    cat >"$dir/one.c" <<'END'
struct view { unsigned long struct_size; int kind; double step; };
double use(const struct view *v) { return v->step + v->kind; }
END
    sed 's/int kind;/int kind; long added;/' "$dir/one.c" >"$dir/moved.c"
    sed 's/int kind;/short kind;/' "$dir/one.c" >"$dir/retyped.c"
    { cat "$dir/one.c"; echo 'int another(void) { return 1; }'; } >"$dir/grown.c"
    for variant in one moved retyped grown; do
        gcc -g -shared -fPIC "$dir/$variant.c" -o "$dir/$variant.so" || wrong=1
    done
    abidw --out-file "$dir/one.abi" "$dir/one.so" || wrong=1
    small() { abi "$dir/one.abi" "$dir/$1.so"; }
    passes "the library against its baseline" abi "$base" "$lib/libcytosol.so"
    fails "a function that is gone" abi "$dir/removed.abi" "$lib/libcytosol.so"
    passes "another size behind a handle" abi "$dir/private.abi" "$lib/libcytosol.so"
    fails "an argument of another type" abi "$dir/argument.abi" "$lib/libcytosol.so"
    fails "a struct of another size" abi "$dir/size.abi" "$lib/libcytosol.so"
    fails "a baseline that is missing" abi "$dir/none.abi" "$lib/libcytosol.so"
    fails "a field in the middle" small moved
    fails "a field of another type" small retyped
    passes "one more function" small grown
else
    echo "abidiff is missing: its gate was not tried"
    wrong=1
fi

# A wrong SONAME.
gcc -shared -fPIC -Wl,-soname,libcytosol.so.9 "$dir/leaky.c" -w -o "$dir/soname.so" || wrong=1
soname() { readelf -d "$1" | grep "SONAME.*\[libcytosol.so.$(sed -n 's/^#define CYTO_ABI_VERSION //p' include/cytosol.h)\]"; }
passes "the library's SONAME" soname "$lib/libcytosol.so"
fails "another SONAME" soname "$dir/soname.so"
exit $wrong
