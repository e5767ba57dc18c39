"""Simulated counts as .h5ad, written block by block: cells of several types over many genes.

    python make_counts.py OUT.h5ad --cells 100000 --genes 20000 --per-cell 1000 [--gzip 4]
"""
import argparse

import h5py
import numpy as np

BLOCK = 2000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--per-cell", type=int, default=1000, help="stored entries of a cell, about")
    parser.add_argument("--types", type=int, default=8)
    parser.add_argument("--gzip", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    base = rng.gamma(0.6, 1.0, args.genes) + 1e-3
    cumulated = []
    for _ in range(args.types):
        own = base * np.exp(rng.normal(0, 1.0, args.genes) * (rng.random(args.genes) < 0.1))
        cumulated.append(np.cumsum(own / own.sum()))
    options = dict(maxshape=(None,), chunks=(1 << 16,))
    if args.gzip:
        options.update(compression="gzip", compression_opts=args.gzip)
    with h5py.File(args.out, "w") as f:
        f.attrs["encoding-type"], f.attrs["encoding-version"] = "anndata", "0.1.0"
        x = f.create_group("X")
        x.attrs["encoding-type"], x.attrs["encoding-version"] = "csr_matrix", "0.1.0"
        x.attrs["shape"] = np.array([args.cells, args.genes])
        data = x.create_dataset("data", (0,), "f4", **options)
        indices = x.create_dataset("indices", (0,), "i4", **options)
        indptr = [np.zeros(1, np.int64)]
        end = 0
        for start in range(0, args.cells, BLOCK):
            n = min(BLOCK, args.cells - start)
            depth = (args.per_cell * 1.25 * np.exp(rng.normal(0, 0.3, n))).astype(int) + 1
            rows = np.repeat(np.arange(n), depth)
            kind = np.repeat(rng.integers(0, args.types, n), depth)
            genes = np.empty(len(rows), np.int64)
            draw = rng.random(len(rows))
            for t in range(args.types):
                own = kind == t
                genes[own] = np.searchsorted(cumulated[t], draw[own])
            codes, counts = np.unique(
                rows * args.genes + np.minimum(genes, args.genes - 1), return_counts=True
            )
            size = end + len(codes)
            for dataset, values in ((data, counts), (indices, codes % args.genes)):
                dataset.resize((size,))
                dataset[end:] = values
            per_row = np.bincount(codes // args.genes, minlength=n)
            indptr.append(end + np.cumsum(per_row))
            end = size
        # As scipy would have it: one width for both, 64 bits only where they are needed.
        width = np.int32 if end < 2**31 else np.int64
        pointers = np.concatenate(indptr).astype(width)
        x.create_dataset("indptr", data=pointers, maxshape=(None,), chunks=True)
        for name, n, word in (("obs", args.cells, "cell"), ("var", args.genes, "gene")):
            table = f.create_group(name)
            table.attrs["encoding-type"], table.attrs["encoding-version"] = "dataframe", "0.2.0"
            table.attrs["_index"] = "_index"
            is_var = name == "var"
            table.attrs.create("column-order", ["mt"] if is_var else [], dtype=h5py.string_dtype())
            index = table.create_dataset(
                "_index", data=[f"{word}{i}" for i in range(n)], dtype=h5py.string_dtype()
            )
            index.attrs["encoding-type"], index.attrs["encoding-version"] = "string-array", "0.2.0"
            if is_var:
                mt = table.create_dataset("mt", data=np.arange(n) % 1000 == 0)
                mt.attrs["encoding-type"], mt.attrs["encoding-version"] = "array", "0.2.0"
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            group = f.create_group(name)
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "dict", "0.1.0"
    print(f"{args.cells} x {args.genes}, {end} entries")


if __name__ == "__main__":
    main()
