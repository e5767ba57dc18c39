#!/bin/sh
# The jobs of README.md, taken out of it and run on a simulated tissue: command line, C, C++ and Julia. All
# write out.h5ad; what the languages wrote must be the same bytes. Prints one line per part; ends with 1 when
# one failed. Usage: tests/readme.sh [PART...]; without PART all. (Rust's job is core/examples/rctd.rs.)
set -u
cd "$(dirname "$0")/.."
root=$PWD
out=$root/target/readme
lib=$root/target/release
warnings="-Wall -Wextra -Wpedantic -Werror"
mkdir -p "$out"
suite=readme
. tests/parts.sh

# The fenced block of a language.
block() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" README.md | sed '/^```/d'
}

# A folder with the inputs, where a job runs.
folder() {
    rm -rf "${out:?}/$1" && mkdir -p "$out/$1" && cp "$out"/tissue/*.h5ad "$out/$1" && cd "$out/$1"
}

# A host's out.h5ad against that of C, and whether it holds results.
same() {
    "$lib/cyto" info out.h5ad | grep -q rctd_spot_class && cmp out.h5ad "$out/c/out.h5ad"
}

link() {
    ln -sf "$lib/libcytosol.so" "$out/libcytosol.so.1" && echo "-I$root/include -L$lib -lcytosol -Wl,-rpath,$out"
}

tissue() {
    "$lib/cyto" demo --simulate-only --quiet --pixels 200 --out "$out/tissue"
}

# A folder as 10x wrote them: 600 genes x 80 cells, a third of the counts above zero.
tenx() {
    mkdir "$1" && awk -v folder="$1" 'BEGIN {
        for (cell = 1; cell <= 80; cell++) {
            print "cell" cell > (folder "/barcodes.tsv")
            for (gene = cell % 3 + 1; gene <= 600; gene += 3) entries[++n] = gene " " cell " " (gene * cell) % 7 + 1
        }
        for (gene = 1; gene <= 600; gene++) print "id" gene "\tgene" gene > (folder "/genes.tsv")
        print "%%MatrixMarket matrix coordinate integer general\n600 80 " n > (folder "/matrix.mtx")
        for (i = 1; i <= n; i++) print entries[i] > (folder "/matrix.mtx")
    }'
}

# The indented lines of "Jobs in five lines" about RCTD and preprocessing.
cli() {
    sed -n '/^## Jobs in five lines/,/^\*\*Rust/s/^    \(cyto \(info\|rctd\|pp\) .*\)/\1/p' README.md >"$out/cli.sh"
    [ "$(wc -l <"$out/cli.sh")" = 9 ] && folder cli && cp reference.h5ad counts.h5ad && tenx 10x_folder &&
        PATH="$lib:$PATH" sh -eux "$out/cli.sh" && test -s tissue.png && "$lib/cyto" info out.h5ad | grep -q X_pca &&
        "$lib/cyto" info counts.h5ad | grep -q pct_counts_mt
}

# The lines about DESeq2's model, on a table of counts and the same counts as cells.
deseq() {
    sed -n 's/^    \(cyto deseq .*\)/\1/p' README.md >"$out/deseq.sh"
    cat >"$out/cells.c" <<'C'
#include "cytosol.h"
int main(int argc, char **argv) {
    cyto_context *ctx = NULL; cyto_dataset *data = NULL; cyto_error *err = NULL;
    return argc != 3 || cyto_context_new(NULL, &ctx, &err) != CYTO_OK ||
        cyto_dataset_open(ctx, argv[1], NULL, &data, &err) != CYTO_OK ||
        cyto_dataset_write_h5ad(ctx, data, argv[2], NULL, &err) != CYTO_OK;
}
C
    [ "$(wc -l <"$out/deseq.sh")" = 4 ] && gcc -std=c11 $warnings "$out/cells.c" -o "$out/cells" $(link) &&
        rm -rf "$out/deseq" && mkdir -p "$out/deseq/folder" && cd "$out/deseq" && awk 'BEGIN {
            print "gene,s1,s2,s3,s4,s5,s6" >"counts.csv"; print "sample,batch,condition" >"samples.csv"
            print "barcode,donor,condition" >"folder/cells.csv"
            for (j = 1; j <= 6; j++) {
                batch = j % 2 ? "u" : "v"; condition = j > 3 ? "b" : "a"
                print "s" j "," batch "," condition >"samples.csv"
                print "cell" j ",d" j "," condition >"folder/cells.csv"; print "cell" j >"folder/barcodes.tsv"
            }
            print "%%MatrixMarket matrix coordinate integer general\n200 6 1200" >"folder/matrix.mtx"
            for (i = 1; i <= 200; i++) {
                line = "g" i; print "g" i >"folder/genes.tsv"
                for (j = 1; j <= 6; j++) {
                    k = int(5 + i % 90 + 20 * (1 + sin(i * 12.9898 + j * 78.233)) + (i % 10 == 3 && j > 3) * 200)
                    line = line "," k; print i, j, k >"folder/matrix.mtx"
                }
                print line >"counts.csv"
            }
        }' && "$out/cells" folder cells.h5ad && PATH="$lib:$PATH" sh -eux "$out/deseq.sh" &&
        test -s ma.png && grep -q '^g13,' results.csv && [ "$(wc -l <by_donor.csv)" = 201 ]
}

c() {
    { # What the text takes for granted: a context, the variables, an error that is looked at.
        echo '#include <stdio.h>'
        echo '#include "cytosol.h"'
        echo 'int main(void) {'
        echo 'cyto_context *ctx = NULL; cyto_rctd_results *results = NULL; cyto_error *err = NULL;'
        echo 'if (cyto_context_new(NULL, &ctx, &err) != CYTO_OK) return 1;'
        block c
        echo 'if (err != NULL) { puts(cyto_error_message(err)); return 1; }'
        echo 'cyto_rctd_results_free(results); cyto_context_free(ctx); return 0; }'
    } >"$out/job.c"
    block c | grep -q cyto_rctd_run_files && folder c && gcc -std=c11 $warnings "$out/job.c" -o job $(link) && ./job && same
}

cpp() {
    {
        echo '#include "cytosol.hpp"'
        echo 'int main() {'
        block cpp
        echo '}'
    } >"$out/job.cpp"
    block cpp | grep -q run_rctd && folder cpp && g++ -std=c++17 $warnings "$out/job.cpp" -o job $(link) && ./job && same
}

julia() {
    julia=${CYTO_JULIA:-$(sh tests/get_julia.sh)} || skip "Julia cannot be had here, see julia/get"
    block julia >"$out/job.jl"
    grep -q run_rctd "$out/job.jl" && folder julia && CYTO_LIBRARY="$lib/libcytosol.so" \
        JULIA_DEPOT_PATH="$root/target/julia/depot" "$julia" --project="$root/bindings/julia" "$out/job.jl" && same
}

part tissue tissue
for chosen in ${*:-cli deseq c cpp julia}; do
    case $chosen in
    cli | deseq | c | cpp | julia) part "$chosen" "$chosen" ;;
    *)
        echo "unknown part $chosen"
        exit 2
        ;;
    esac
done
exit $failed
