#!/usr/bin/env python3
"""Write a bench data set as plain files for run_spacexr.R, which reads no .h5ad."""

import argparse
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse


def write_side(table, folder):
    folder.mkdir(parents=True, exist_ok=True)
    columns = sparse.csc_matrix(table.X.T)  # genes x cells, as R keeps it
    columns.sort_indices()
    columns.data.astype("<f8").tofile(folder / "values.f64")
    columns.indices.astype("<i4").tofile(folder / "rows.i32")
    columns.indptr.astype("<i4").tofile(folder / "starts.i32")
    (folder / "genes.txt").write_text("\n".join(table.var_names) + "\n")


def export(spatial_path, reference_path, folder):
    spatial = anndata.read_h5ad(spatial_path)
    reference = anndata.read_h5ad(reference_path)
    write_side(spatial, folder / "spatial")
    write_side(reference, folder / "reference")
    coordinates = np.asarray(spatial.obsm["spatial"])[:, :2]
    place = pd.DataFrame(coordinates, index=spatial.obs_names, columns=["x", "y"])
    place.to_csv(folder / "spatial" / "columns.csv", index_label="barcode")
    reference.obs[["cell_type"]].to_csv(
        folder / "reference" / "columns.csv", index_label="barcode"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spatial", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    export(args.spatial, args.reference, args.folder)


if __name__ == "__main__":
    main()
