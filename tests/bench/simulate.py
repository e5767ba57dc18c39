#!/usr/bin/env python3
"""Simulate a spatial experiment and its single-cell reference for the RCTD benches.

Writes FOLDER/reference.h5ad (cells x genes, obs `cell_type`) and FOLDER/spatial.h5ad
(pixels x genes, obsm `spatial`), both with integer counts as float32 CSR. A pixel mixes
one to three types; its counts are Poisson with a gene-wise platform effect and
log-normal noise, as the RCTD model has it. Pixels are drawn in blocks with a seed per
block: memory does not grow with their number, and the first pixels of a large data
set are those of a small one.
"""

import argparse
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from scipy import sparse

BLOCK = 1000
SMALLEST_DEPTH = 450


def generator(seed, *path):
    return np.random.default_rng([seed, *path])


def marker_profiles(rng, genes, types):
    """Levels of the genes that tell types apart: high in one or two types, low elsewhere."""
    high = np.maximum(rng.lognormal(np.log(6e-4), 0.6, genes), 3e-4)
    low = high / np.exp(rng.uniform(1.1, 3.0, genes))
    levels = low[:, None] * rng.lognormal(0, 0.2, (genes, types))
    levels[np.arange(genes), np.arange(genes) % types] = high
    if types >= 10:
        shared = np.flatnonzero(rng.random(genes) < 0.3)
        levels[shared, rng.integers(types, size=shared.size)] = high[shared]
    return levels


def simulate_profiles(seed, marker_genes, genes, types):
    """Expression of every gene in every type; each column sums to one."""
    rng = generator(seed, 0)
    markers = marker_profiles(rng, marker_genes, types)
    rest = rng.lognormal(0, 1.2, genes - marker_genes)[:, None]
    rest = rest * rng.lognormal(0, 0.1, (genes - marker_genes, types))
    room = 1 - markers.sum(axis=0)
    if room.min() <= 0:
        raise SystemExit("the marker genes alone exceed all expression: ask for fewer")
    profiles = np.concatenate([markers, rest * room / rest.sum(axis=0)])
    return profiles[rng.permutation(genes)]


def names(prefix, count):
    width = len(str(count))
    return [f"{prefix}_{i:0{width}d}" for i in range(1, count + 1)]


def simulate_reference(seed, profiles, cells_per_type):
    rng = generator(seed, 1)
    genes, types = profiles.shape
    kind = np.repeat(np.arange(types), cells_per_type)
    depth = np.maximum(rng.lognormal(np.log(4000), 0.3, kind.size), 500)
    rate = profiles.T[kind] * rng.lognormal(0, 0.2, (kind.size, genes))
    counts = sparse.csr_matrix(rng.poisson(rate * depth[:, None]).astype(np.float32))
    labels = pd.Categorical.from_codes(kind, names("type", types))
    obs = pd.DataFrame({"cell_type": labels}, index=names("cell", kind.size))
    return anndata.AnnData(counts, obs=obs, var=gene_frame(genes))


def gene_frame(genes):
    return pd.DataFrame(index=names("gene", genes))


def simulate_mixtures(rng, pixels, abundance):
    """Weights of one to three types per pixel; rows sum to one."""
    types = abundance.size
    weights = np.zeros((pixels, types))
    for row, count in enumerate(rng.choice([1, 2, 3], size=pixels, p=[0.4, 0.4, 0.2])):
        chosen = rng.choice(types, size=min(count, types), replace=False, p=abundance)
        weights[row, chosen] = rng.dirichlet(np.full(chosen.size, 3.0))
    return weights


def simulate_pixels(rng, pixels, profiles, abundance, noise):
    """Counts of a block of pixels as CSR; `profiles` hold the platform effect."""
    weights = simulate_mixtures(rng, pixels, abundance)
    depth = np.maximum(rng.lognormal(np.log(2000), 0.35, pixels), SMALLEST_DEPTH)
    rate = weights @ profiles.T * depth[:, None]
    rate *= np.exp(rng.normal(0, noise, rate.shape))
    return sparse.csr_matrix(rng.poisson(rate).astype(np.float32))


def spatial_blocks(seed, pixels, profiles, platform, noise):
    rng = generator(seed, 2)
    effect = rng.lognormal(0, platform, profiles.shape[0])
    shifted = profiles * effect[:, None]
    shifted /= shifted.sum(axis=0)
    abundance = rng.dirichlet(np.full(profiles.shape[1], 5.0))
    for block, start in enumerate(range(0, pixels, BLOCK)):
        counts = simulate_pixels(generator(seed, 3, block), BLOCK, shifted, abundance, noise)
        yield counts[: pixels - start]


class GrowingCsr:
    """The `X` group of an .h5ad file that receives rows block by block."""

    def __init__(self, file, genes):
        self.group = file.create_group("X")
        self.group.attrs["encoding-type"] = "csr_matrix"
        self.group.attrs["encoding-version"] = "0.1.0"
        self.genes = genes
        self.ends = [np.zeros(1, np.int64)]
        for name, kind in (("data", np.float32), ("indices", np.int32)):
            self.group.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(1 << 16,))

    def append(self, rows):
        start = self.ends[-1][-1]
        for name, values in (("data", rows.data), ("indices", rows.indices)):
            self.group[name].resize(start + values.size, axis=0)
            self.group[name][start:] = values
        self.ends.append(start + rows.indptr[1:].astype(np.int64))

    def finish(self):
        ends = np.concatenate(self.ends)
        self.group.create_dataset("indptr", data=ends)
        self.group.attrs["shape"] = (ends.size - 1, self.genes)


def square_coordinates(pixels):
    side = int(np.ceil(np.sqrt(pixels)))
    place = np.arange(pixels)
    return np.stack([place % side, place // side], axis=1).astype(float)


def write_spatial(path, blocks, pixels, genes):
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"] = "anndata"
        file.attrs["encoding-version"] = "0.1.0"
        matrix = GrowingCsr(file, genes)
        for rows in blocks:
            matrix.append(rows)
        matrix.finish()
        write_elem(file, "obs", pd.DataFrame(index=names("pixel", pixels)))
        write_elem(file, "var", gene_frame(genes))
        write_elem(file, "obsm", {"spatial": square_coordinates(pixels)})
        for empty in ("varm", "obsp", "varp", "layers", "uns"):
            write_elem(file, empty, {})


def simulate(folder, *, pixels, marker_genes, genes, types, cells_per_type, seed, platform, noise):
    folder.mkdir(parents=True, exist_ok=True)
    profiles = simulate_profiles(seed, marker_genes, genes, types)
    simulate_reference(seed, profiles, cells_per_type).write_h5ad(folder / "reference.h5ad")
    blocks = spatial_blocks(seed, pixels, profiles, platform, noise)
    write_spatial(folder / "spatial.h5ad", blocks, pixels, genes)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pixels", type=int, default=1000)
    parser.add_argument("--genes", type=int, default=1100, help="genes that tell types apart")
    parser.add_argument("--total-genes", type=int, help="default: 2.7 times --genes")
    parser.add_argument("--types", type=int, default=20)
    parser.add_argument("--cells-per-type", type=int, default=50)
    parser.add_argument("--platform", type=float, default=0.3, help="spread of gene effects")
    parser.add_argument("--noise", type=float, default=0.5, help="spread of pixel-gene noise")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    simulate(
        args.folder,
        pixels=args.pixels,
        marker_genes=args.genes,
        genes=args.total_genes or round(2.7 * args.genes),
        types=args.types,
        cells_per_type=args.cells_per_type,
        seed=args.seed,
        platform=args.platform,
        noise=args.noise,
    )


if __name__ == "__main__":
    main()
