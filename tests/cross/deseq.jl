# DESeq2's analysis in Julia; see README.md. Usage: julia deseq.jl STUDY OUTPUT
using Cytosol

function main(study, output)
    lines = open(study) do file
        [readline(file) for _ in 1:3]
    end
    n, m, _ = parse.(Int, split(lines[1]))
    codes = [parse.(Int, split(line)) for line in lines[2:3]]
    columns = (f1 = ["L$(c + 1)" for c in codes[1][2:end]], f2 = ["L$(c + 1)" for c in codes[2][2:end]])
    values = reinterpret(Int32, read(study)[(end - 4 * n * m + 1):end])
    x = reshape(values, m, n)' # genes x samples
    ctx = Context(threads = 2)
    d = Deseq(ctx, collect(x), columns; design = "~ f1 + f2", genes = ["g$i" for i in 1:n], names = ["s$i" for i in 1:m])
    run_deseq!(ctx, d)
    open(output, "w") do file
        put(list) = foreach(v -> println(file, string(reinterpret(UInt64, Float64(v)); base = 16)), list)
        for name in (:size_factors, :baseMean, :dispGeneEst, :dispFit, :dispMAP, :dispersion)
            put(array(d, name))
        end
        shrunken = lfc_shrink(ctx, d; type = "apeglm", name = array(d, :results_names)[end])
        for results in (deseq_results(ctx, d), shrunken), name in (:log2FoldChange, :lfcSE, :pvalue, :padj)
            put(array(results, name))
        end
        for transformed in (vst(ctx, d; nsub = 0), rlog(ctx, d))
            put(vec(permutedims(array(transformed, :values))))
        end
    end
end

main(ARGS...)
