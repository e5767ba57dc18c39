#!/usr/bin/env python3
"""Run rctd-py once on one CPU thread; print seconds and memory as JSON, save the answer.

The stages are timed by wrapping the functions that rctd-py calls for them; its own code
runs unchanged. `tables` (reading the 440 MB likelihood file and its splines) is listed
apart from `bulk` and `sigma`.
"""

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import contextlib
import json
import resource
import sys
import time
from importlib.metadata import version

import anndata
import numpy as np
import torch
from rctd import RCTD, Reference, RCTDConfig, _irwls, _rctd
from rctd.cli import _write_results_to_adata

from likelihood_tables import ensure_tables

ANSWER_FIELDS = {
    "full": ("converged",),
    "doublet": (
        "weights_doublet",
        "spot_class",
        "first_type",
        "second_type",
        "min_score",
        "singlet_score",
    ),
    "multi": ("sub_weights", "cell_type_indices", "n_types", "conf_list", "min_score"),
}
COMPILE = ("none", "likelihood", "all")
PIXEL_FITS = {
    "full": _rctd.run_full_mode,
    "doublet": _rctd.run_doublet_mode,
    "multi": _rctd.run_multi_mode,
}


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Stopwatch:
    """Seconds per stage, added up over calls."""

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def stage(self, name):
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def wrap(self, module, function, stage):
        original = getattr(module, function)

        def timed(*args, **kwargs):
            with self.stage(stage):
                return original(*args, **kwargs)

        setattr(module, function, timed)


def time_inner_stages(watch):
    watch.wrap(_rctd, "fit_bulk", "bulk")
    watch.wrap(_rctd, "load_cached_q_matrices", "tables")
    watch.wrap(_rctd, "compute_spline_coefficients", "tables")
    watch.wrap(_rctd, "choose_sigma", "sigma")


def fit_pixels(model, mode, batch_size):
    options = {} if mode == "full" else {"config": model.config}
    return PIXEL_FITS[mode](
        spatial_counts=model.counts,
        spatial_numi=model.nUMI,
        norm_profiles=model.norm_profiles,
        cell_type_names=model.reference.cell_type_names,
        q_mat=model.q_mat,
        sq_mat=model.sq_mat,
        x_vals=model.x_vals,
        batch_size=batch_size,
        device="cpu",
        pixel_mask=model._pixel_mask,
        **options,
    )


def run(args, watch):
    """The steps of `rctd run`, in its order."""
    config = RCTDConfig(device="cpu", compile=args.compile != "none")
    if args.compile == "likelihood":
        _irwls._USE_COMPILE = False  # the quadratic programs stay in TorchScript
    with watch.stage("load"):
        spatial = anndata.read_h5ad(args.spatial)
        reference = anndata.read_h5ad(args.reference)
    with watch.stage("profiles"):
        profiles = Reference(reference)
    with watch.stage("create"):
        model = RCTD(spatial, profiles, config)
    with watch.stage("platform"):
        model.fit_platform_effects(sigma_override=args.sigma)
    with watch.stage("pixels"):
        result = fit_pixels(model, args.mode, args.batch_size)
    if args.h5ad:
        with watch.stage("write"):
            write_h5ad(args, spatial, model, result)
    return model, result


def write_h5ad(args, spatial, model, result):
    table = _write_results_to_adata(
        spatial,
        result,
        args.mode,
        result.pixel_mask,
        model.config._asdict(),
        result.cell_type_names,
        version("rctd-py"),
    )
    table.write_h5ad(args.h5ad)


def save_answer(path, mode, model, result):
    arrays = {name: getattr(result, name) for name in ("weights", *ANSWER_FIELDS[mode])}
    np.savez(
        path,
        mode=mode,
        sigma=model.sigma,
        pixel_mask=result.pixel_mask,
        cell_type_names=np.array(result.cell_type_names),
        genes_bulk=np.array(model._gene_list_bulk),
        genes_reg=np.array(model._gene_list_reg),
        **arrays,
    )


def split_platform_stage(seconds):
    """Charge gene selection to `create`; bulk, tables and sigma have their own clocks."""
    platform = seconds.pop("platform")
    inner = sum(seconds.get(name, 0.0) for name in ("bulk", "tables", "sigma"))
    seconds["create"] += platform - inner
    return seconds


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spatial")
    parser.add_argument("reference")
    parser.add_argument("--mode", choices=sorted(PIXEL_FITS), default="doublet")
    parser.add_argument("--sigma", type=int, help="100 sigma; default: let it choose")
    parser.add_argument("--batch-size", type=int, default=10000)
    parser.add_argument("--compile", choices=COMPILE, default="none", help="torch.compile for")
    parser.add_argument("--tables", help="likelihood tables; computed when absent")
    parser.add_argument("--answer", help="save the result here (.npz)")
    parser.add_argument("--h5ad", help="write the result as its command line does")
    return parser.parse_args()


def main():
    args = arguments()
    after_imports = peak_bytes()
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    os.environ["RCTD_Q_MATRICES"] = str(ensure_tables(args.tables))
    watch = Stopwatch()
    time_inner_stages(watch)
    with contextlib.redirect_stdout(sys.stderr), watch.stage("whole"):
        model, result = run(args, watch)
    whole = watch.seconds.pop("whole")
    if args.answer:
        save_answer(args.answer, args.mode, model, result)
    report = {
        "tool": "rctd-py",
        "versions": {name: version(name) for name in ("rctd-py", "torch", "numpy")},
        "mode": args.mode,
        "sigma": int(model.sigma),
        "pixels": int(result.weights.shape[0]),
        "types": int(result.weights.shape[1]),
        "genes_bulk": len(model._gene_list_bulk),
        "genes_reg": len(model._gene_list_reg),
        "elapsed_seconds": whole,
        "stage_seconds": split_platform_stage(watch.seconds),
        "peak_bytes_after_imports": after_imports,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
