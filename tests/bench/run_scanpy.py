"""One run of scanpy's preprocessing: .h5ad in, .h5ad out; processor seconds per step and peak memory as JSON.

    python run_scanpy.py to_log1p|to_pca IN.h5ad OUT.h5ad [--warm SMALL.h5ad] [--dask THREADS]
"""
import argparse
import json
import resource
import warnings

warnings.simplefilter("ignore")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def open_lazily(path):
    """X as a dask array of sparse blocks of rows; tables in memory."""
    import anndata as ad
    import h5py

    with h5py.File(path) as f:
        tables = {name: ad.io.read_elem(f[name]) for name in ("obs", "var")}
    x = ad.experimental.read_elem_lazy(h5py.File(path)["X"], chunks=(4000, len(tables["var"])))
    return ad.AnnData(X=x, **tables)


def run(job, path, out, is_lazy=False):
    import anndata as ad
    import scanpy as sc

    steps, last = {}, cpu()

    def step(name):
        nonlocal last
        now = cpu()
        steps[name] = round(now - last, 2)
        last = now

    data = open_lazily(path) if is_lazy else ad.read_h5ad(path)
    step("read")
    sc.pp.calculate_qc_metrics(data, qc_vars=["mt"], percent_top=[50], inplace=True)
    step("qc")
    sc.pp.normalize_total(data, target_sum=1e4)
    step("normalize")
    sc.pp.log1p(data)
    step("log1p")
    if job == "to_pca":
        sc.pp.highly_variable_genes(data, n_top_genes=min(2000, data.n_vars // 2))
        step("hvg")
        sc.pp.pca(data, n_comps=50)
        step("pca")
    data.write_h5ad(out)
    step("write")
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["to_log1p", "to_pca"])
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--warm", help="run on this file first, so that everything is imported and compiled")
    parser.add_argument("--dask", type=int, metavar="THREADS", help="out of core, by this many threads")
    args = parser.parse_args()
    if args.dask:
        import dask

        dask.config.set(scheduler="threads", num_workers=args.dask)
    if args.warm:
        run(args.job, args.warm, args.output)
    before = cpu()
    steps = run(args.job, args.input, args.output, bool(args.dask))
    print(
        json.dumps(
            {
                "steps": steps,
                "cpu": round(cpu() - before, 2),
                "process": round(cpu(), 2),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
