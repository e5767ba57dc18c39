#!/usr/bin/env python3
"""Compare two RCTD answers on the same pixels; print the differences as JSON.

OURS is the .h5ad written by `cyto rctd run`. THEIRS is the .npz of run_rctd_py.py or the
folder of run_spacexr.R. Weights in the .h5ad are float32, which limits the agreement of
weights that can be seen to about 1e-7.
"""

import argparse
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

CLASSES = np.array(["reject", "singlet", "doublet_certain", "doublet_uncertain"])


def read_ours(path, mode):
    table = anndata.read_h5ad(path)
    names = np.array(table.uns["rctd_cell_type_names"]).astype(str)
    answer = {"weights": frame(table.obsm["rctd_weights"], table.obs_names, names)}
    answer["weights"] = answer["weights"].dropna(how="all")
    kept = answer["weights"].index
    obs = table.obs.loc[kept]
    if mode == "doublet":
        for name in ("spot_class", "first_type", "second_type"):
            answer[name] = obs[f"rctd_{name}"].astype(str)
        pair = frame(table.obsm["rctd_weights_doublet"], table.obs_names, ["first", "second"])
        answer["pair"] = pair.loc[kept]
    if mode == "multi":
        chosen = frame(table.obsm["rctd_cell_type_indices"], table.obs_names).loc[kept]
        weight = frame(table.obsm["rctd_sub_weights"], table.obs_names).loc[kept]
        answer["multi"] = chosen_types(kept, names, chosen.to_numpy(), weight.to_numpy())
    return answer


def read_rctd_py(path, mode, barcodes):
    data = np.load(path)
    names = data["cell_type_names"].astype(str)
    kept = barcodes[data["pixel_mask"]]
    answer = {"weights": frame(data["weights"], kept, names)}
    if mode == "doublet":
        answer["spot_class"] = pd.Series(CLASSES[data["spot_class"]], kept)
        for name in ("first_type", "second_type"):
            answer[name] = pd.Series(names[data[name]], kept)
        answer["pair"] = frame(data["weights_doublet"], kept, ["first", "second"])
    if mode == "multi":
        answer["multi"] = chosen_types(kept, names, data["cell_type_indices"], data["sub_weights"])
    return answer


def read_spacexr(folder, mode):
    answer = {"weights": pd.read_csv(folder / "weights.csv", index_col=0)}
    kept = answer["weights"].index
    if mode == "doublet":
        results = pd.read_csv(folder / "results.csv", index_col=0).loc[kept]
        for name in ("spot_class", "first_type", "second_type"):
            answer[name] = results[name].astype(str)
        pair = pd.read_csv(folder / "weights_doublet.csv", index_col=0)
        answer["pair"] = pair.set_axis(["first", "second"], axis=1)
    if mode == "multi":
        rows = pd.read_csv(folder / "multi.csv").groupby("barcode", sort=False)
        answer["multi"] = {
            barcode: dict(zip(part["type"], part["weight"])) for barcode, part in rows
        }
    return answer


def frame(values, index, columns=None):
    return pd.DataFrame(np.asarray(values, dtype=float), index=index, columns=columns)


def chosen_types(barcodes, names, indices, weights):
    """Per barcode the chosen types with their weights, in order of choice."""
    return {
        barcode: {names[int(t)]: w for t, w in zip(row, weight) if t >= 0}
        for barcode, row, weight in zip(barcodes, indices, weights)
    }


def compare(ours, theirs):
    pixels = ours["weights"].index.intersection(theirs["weights"].index)
    report = {
        "pixels_ours": len(ours["weights"]),
        "pixels_theirs": len(theirs["weights"]),
        "pixels_both": len(pixels),
    }
    types = theirs["weights"].columns
    apart = ours["weights"].loc[pixels, types] - theirs["weights"].loc[pixels]
    report.update(difference("weights", apart.abs().max(axis=1)))
    for name in ("spot_class", "first_type", "second_type"):
        if name in ours:
            same = ours[name].loc[pixels] == theirs[name].loc[pixels]
            report[f"{name}_agreement"] = float(same.mean())
    if "pair" in ours:
        report.update(difference("pair_weights", pair_difference(ours, theirs, pixels)))
    if "multi" in ours:
        report.update(compare_multi(ours["multi"], theirs["multi"], pixels))
    return report


def pair_difference(ours, theirs, pixels):
    """Only where both chose the same two types in the same order."""
    same = np.ones(len(pixels), dtype=bool)
    for name in ("first_type", "second_type"):
        same &= (ours[name].loc[pixels] == theirs[name].loc[pixels]).to_numpy()
    pixels = pixels[same]
    return (ours["pair"].loc[pixels] - theirs["pair"].loc[pixels]).abs().max(axis=1)


def compare_multi(ours, theirs, pixels):
    same = [p for p in pixels if list(ours[p]) == list(theirs[p])]
    apart = [max(abs(ours[p][t] - theirs[p][t]) for t in theirs[p]) for p in same]
    report = {"type_list_agreement": len(same) / max(len(pixels), 1)}
    return report | difference("sub_weights", pd.Series(apart, dtype=float))


def difference(name, per_pixel):
    if per_pixel.empty:
        return {f"{name}_max_abs": None}
    return {
        f"{name}_max_abs": float(per_pixel.max()),
        f"{name}_median_abs": float(per_pixel.median()),
        f"{name}_pixels_above_1e-6": int((per_pixel > 1e-6).sum()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=Path)
    parser.add_argument("theirs", type=Path)
    parser.add_argument("--mode", choices=("doublet", "full", "multi"), required=True)
    args = parser.parse_args()
    ours = read_ours(args.ours, args.mode)
    if args.theirs.is_dir():
        theirs = read_spacexr(args.theirs, args.mode)
    else:
        barcodes = anndata.read_h5ad(args.ours, backed="r").obs_names
        theirs = read_rctd_py(args.theirs, args.mode, barcodes)
    print(json.dumps(compare(ours, theirs)))


if __name__ == "__main__":
    main()
