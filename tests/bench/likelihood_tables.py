#!/usr/bin/env python3
"""Compute the likelihood tables that rctd-py (and spacexr) would download or ship.

The reference packages read log p(count | lambda, sigma) from a file of several
hundred megabytes. The benches never download it: this script integrates the
model's definition and writes the .npz layout that rctd-py reads (arrays `X_vals`
and `Q_<100 sigma>`), about 440 MB, into the cache folder of the benches.

    p(k | x, sigma) = sum_j 0.004 * Poisson(k | x exp(u_j)) * h_sigma(u_j),
    u_j = 0.004 j for |j| <= 5000.

The Poisson factor does not depend on sigma, so one row of all 126 tables is a
matrix product of it with the 126 noise densities.
"""

import argparse
from math import erfc, exp, lgamma, pi, sqrt
from pathlib import Path

import numpy as np

from cache import cache_folder

STEP = 0.004
HALF_POINTS = 5000
ROWS = 1003
DELTA = 1e-6
LARGEST_ROOT = 40000
COLUMNS_AT_ONCE = 16
NEGLIGIBLE = 60.0  # nats below the mode
SIGMA_KEYS = [*range(10, 71), *range(72, 201, 2)]


def default_path():
    return cache_folder() / "q_matrices.npz"


def lambda_grid():
    """The 439 knots: squares of integers, one by one up to 50, then ever wider apart."""
    roots = np.arange(10, LARGEST_ROOT + 1)
    wide = np.ceil(np.sqrt(4 * np.maximum(roots - 48.7499, 0))) - 2
    cell = np.minimum(roots - 9, 40) + np.maximum(wide, 0).astype(int)
    first = np.unique(cell, return_index=True)[1]
    root = np.append(roots[first], LARGEST_ROOT).astype(float)
    return root * root * DELTA


def noise_density(u, sigma):
    """Normal body, inverse-square tails from three sigma on, joined smoothly."""
    edge = 4 / 9 * exp(-4.5) / sqrt(2 * pi)
    shift = 7 / 3
    below_minus_3 = erfc(3 / sqrt(2)) / 2
    scale = 1 / (2 * (edge / (3 - shift) - below_minus_3) + 1)
    z = np.abs(u / sigma)
    body = scale / sqrt(2 * pi) * np.exp(-z * z / 2)
    tail = scale * edge / np.where(z < 3, 1, z - shift) ** 2
    return np.where(z < 3, body, tail) / sigma


def window(k, low, high):
    """The range of j outside which the Poisson factor is negligible for x in [low, high]."""
    if k == 0:
        return 0, index_above(np.log(NEGLIGIBLE / low))
    v = np.arange(-70, 10, STEP)
    near = v[k * (v - np.exp(v) + 1) > -NEGLIGIBLE]
    return index_below(np.log(k / high) + near[0]), index_above(np.log(k / low) + near[-1])


def index_below(u):
    return max(int(np.floor(u / STEP)) + HALF_POINTS, 0)


def index_above(u):
    return min(int(np.ceil(u / STEP)) + HALF_POINTS + 1, 2 * HALF_POINTS + 1)


def row_of_all_tables(k, x, u, exp_u, density):
    """log p(k | x) for every x and sigma: an array (columns, sigmas)."""
    row = np.empty((x.size, density.shape[1]))
    constant = k * np.log(x) - lgamma(k + 1)
    for start in range(0, x.size, COLUMNS_AT_ONCE):
        part = slice(start, min(start + COLUMNS_AT_ONCE, x.size))
        a, b = window(k, x[part][0], x[part][-1])
        exponent = constant[part, None] + k * u[a:b] - x[part, None] * exp_u[a:b]
        row[part] = np.log(STEP * (np.exp(exponent) @ density[a:b]))
    return row


def all_tables():
    x = lambda_grid()
    u = STEP * np.arange(-HALF_POINTS, HALF_POINTS + 1)
    density = np.stack([noise_density(u, key / 100) for key in SIGMA_KEYS], axis=1)
    tables = np.empty((len(SIGMA_KEYS), ROWS, x.size))
    for k in range(ROWS):
        tables[:, k, :] = row_of_all_tables(k, x, u, np.exp(u), density).T
    return x, tables


def write_tables(path):
    x, tables = all_tables()
    if not np.isfinite(tables).all():
        raise SystemExit("a table entry is not finite")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, X_vals=x, **{f"Q_{key}": t for key, t in zip(SIGMA_KEYS, tables)})
    partial.rename(path)


def ensure_tables(path=None):
    """The path of the tables; they are computed when absent."""
    path = Path(path or default_path())
    if not path.exists():
        write_tables(path)
    return path


def write_raw(path, folder):
    """Plain little-endian doubles, for readers that know no .npz."""
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(path) as data:
        for name in data.files:
            data[name].astype("<f8").tofile(folder / f"{name}.f64")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=default_path())
    parser.add_argument("--raw", type=Path, help="also write each array as raw doubles here")
    args = parser.parse_args()
    print(ensure_tables(args.output))
    if args.raw:
        write_raw(args.output, args.raw)


if __name__ == "__main__":
    main()
