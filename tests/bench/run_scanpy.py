"""One run of scanpy's preprocessing in memory: processor seconds per step, peak memory, as JSON.

    python run_scanpy.py IN.h5ad OUT.h5ad [--warm SMALL.h5ad]
"""
import argparse
import json
import resource
import warnings

warnings.simplefilter("ignore")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(sc, ad, path, out):
    steps, last = {}, cpu()

    def step(name):
        nonlocal last
        now = cpu()
        steps[name] = round(now - last, 2)
        last = now

    data = ad.read_h5ad(path)
    step("read")
    sc.pp.calculate_qc_metrics(data, qc_vars=["mt"], percent_top=[50], inplace=True)
    step("qc")
    sc.pp.normalize_total(data, target_sum=1e4)
    step("normalize")
    sc.pp.log1p(data)
    step("log1p")
    data.write_h5ad(out)
    step("write")
    sc.pp.highly_variable_genes(data, n_top_genes=min(2000, data.n_vars // 2))
    step("hvg")
    sc.pp.pca(data, n_comps=50)
    step("pca")
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--warm", help="run on this file first, so that numba has compiled")
    args = parser.parse_args()
    import anndata as ad
    import scanpy as sc

    imports = round(cpu(), 2)
    if args.warm:
        run(sc, ad, args.warm, args.output)
    steps = run(sc, ad, args.input, args.output)
    first = sum(steps[s] for s in ("read", "qc", "normalize", "log1p", "write"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps(
            {
                "imports": imports,
                "steps": steps,
                "qc_normalize_log1p": round(first, 2),
                "to_pca": round(sum(steps.values()), 2),
                "peak_mib": peak,
            }
        )
    )


if __name__ == "__main__":
    main()
