#!/usr/bin/env python3
"""RCTD on simulated tissue: our speed against a reference tool, growth, and memory.

    bench_rctd.py ratio  [--against rctd-py|spacexr] [--pixels N] [--modes ...]
    bench_rctd.py growth pixels|genes|types
    bench_rctd.py memory

Every run is a fresh process pinned to one core. `ratio` alternates ours and theirs. This
driver needs the standard library only and stays small, because the peak memory that the
kernel reports for a child is never below that of the process that started it.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cache import cache_folder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODES = ("doublet", "full", "multi")
STAGES = ("load", "profiles", "create", "tables", "bulk", "sigma", "pixels", "write")
DOUBLING_LIMIT = 2.3
# The Hessian of a full fit has types x types entries, so doubling the types may take four times.
TYPES_LIMIT = 4.6


class Failed(Exception):
    """A benchmarked process did not succeed."""


def pinned(cpu, command):
    return ["taskset", "-c", str(cpu), *map(str, command)]


def run_process(command):
    """Run to the end: (standard output, wall seconds, peak bytes)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=HERE)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, errors = out.read().decode(), err.read().decode(errors="replace")
    if process.returncode:
        raise Failed(f"{' '.join(command)}\n{text[-2000:]}{errors[-2000:]}")
    return text, wall, usage.ru_maxrss * 1024


def run_ours(args, data, mode, output, sigma=None):
    command = [args.cyto, "rctd", "run", data / "spatial.h5ad", data / "reference.h5ad"]
    command += ["--mode", mode, "--threads", 1, "--json", "-q", "-o", output]
    if sigma is not None:
        command += ["--sigma-override", sigma]
    text, wall, peak = run_process(pinned(args.cpu, command))
    report = json.loads(text)
    results = report["results"]
    return {
        "sigma": results["sigma"],
        "pixels": report["input"]["n_pixels_after_filter"],
        "elapsed_seconds": results["elapsed_seconds"],
        "stage_seconds": results.get("stage_seconds") or {},
        "process_seconds": wall,
        "peak_bytes": peak,
        "version": report["version"],
    }


def run_rctd_py(args, data, mode, answer):
    command = [args.python, HERE / "run_rctd_py.py", data / "spatial.h5ad"]
    command += [data / "reference.h5ad", "--mode", mode, "--answer", answer]
    command += ["--h5ad", answer.with_suffix(".h5ad")]
    command += ["--batch-size", args.batch_size, "--compile", args.compile]
    text, wall, peak = run_process(pinned(args.cpu, command))
    return json.loads(text) | {"process_seconds": wall, "peak_bytes": peak}


def run_spacexr(args, data, mode, folder):
    plain = data / "plain"
    if not plain.exists():
        sides = [data / "spatial.h5ad", data / "reference.h5ad"]
        run_process([args.python, str(HERE / "export_plain.py"), *map(str, sides), str(plain)])
    command = [args.rscript, HERE / "run_spacexr.R", plain, mode, folder]
    _, wall, peak = run_process(pinned(args.cpu, command))
    report = json.loads((folder / "report.json").read_text())
    return report | {"process_seconds": wall, "peak_bytes": peak}


def why_no_spacexr(args):
    """A reason to skip, or None."""
    if shutil.which(args.rscript) is None:
        return f"{args.rscript} is not installed"
    asks = 'quit(status = !requireNamespace("spacexr", quietly = TRUE))'
    if subprocess.run([args.rscript, "-e", asks], capture_output=True).returncode:
        return "the R package is not installed"
    return None


def simulate(args, *, pixels, genes=1100, types=20):
    """The folder of a data set, made when absent."""
    name = f"p{pixels}_g{genes}_t{types}_s{args.seed}"
    folder = args.work / "data" / name
    if not folder.exists():
        partial = folder.with_name(name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = [args.python, HERE / "simulate.py", partial, "--pixels", pixels]
        command += ["--genes", genes, "--types", types, "--seed", args.seed]
        run_process(list(map(str, command)))
        partial.rename(folder)
    return folder


def seconds_of(run, stage):
    if stage == "process":
        return run["process_seconds"]
    if stage == "whole":
        return run["elapsed_seconds"]
    return run["stage_seconds"].get(stage)


def stage_values(runs, stage):
    values = [seconds_of(run, stage) for run in runs]
    return values if values and None not in values else None


def show(values):
    if values is None:
        return "-"
    middle = statistics.median(values)
    return f"{middle:.3f} ({min(values):.3f}-{max(values):.3f})"


def per_pixel(values, pixels):
    return "-" if values is None else f"{1000 * statistics.median(values) / pixels:.3f}"


def ratio_of(ours, theirs):
    if ours is None or theirs is None or statistics.median(ours) == 0:
        return "-"
    return f"{statistics.median(theirs) / statistics.median(ours):.1f}"


def print_row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def print_head(*cells):
    print_row(*cells)
    print("|" + "---|" * len(cells))


def ratio(args):
    """Alternate ours and theirs; print medians, spreads, ratios, memory and agreement."""
    if args.against == "spacexr" and (reason := why_no_spacexr(args)):
        print(f"SKIP spacexr: {reason}")
        return
    data = simulate(args, pixels=args.pixels)
    run_theirs = {"rctd-py": run_rctd_py, "spacexr": run_spacexr}[args.against]
    for mode in args.modes:
        ours, theirs = [], []
        output = args.work / f"ours_{mode}.h5ad"
        suffix = ".npz" if args.against == "rctd-py" else ""
        answer = args.work / f"{args.against}_{mode}{suffix}"
        for _ in range(args.repeats):
            ours.append(run_ours(args, data, mode, output))
            theirs.append(run_theirs(args, data, mode, answer))
        print_ratio(args, mode, ours, theirs)
        print_agreement(args, data, mode, ours[-1], theirs[-1], output, answer)


def print_ratio(args, mode, ours, theirs):
    pixels = theirs[0]["pixels"]
    detail = f"{pixels} pixels, {theirs[0]['genes_reg']} genes, {theirs[0]['types']} types"
    print(f"\n## {mode}: {detail}; {args.repeats} repeats, one core")
    print(f"ours {ours[0]['version']}; {args.against} {json.dumps(theirs[0]['versions'])}\n")
    columns = ("stage", "ours s", "theirs s", "ours ms/pixel", "theirs ms/pixel", "ratio")
    print_head(*columns)
    for stage in ("process", "whole", *STAGES):
        a, b = stage_values(ours, stage), stage_values(theirs, stage)
        if a or b:
            times = (show(a), show(b), per_pixel(a, pixels), per_pixel(b, pixels))
            print_row(stage, *times, ratio_of(a, b))
    print(f"\npeak memory: ours {megabytes(ours)}, theirs {megabytes(theirs)}", end="")
    print(f" ({megabytes(theirs, 'peak_bytes_after_imports')} of it after imports)")


def megabytes(runs, field="peak_bytes"):
    return f"{statistics.median(run[field] for run in runs) / 2**20:.0f} MiB"


def print_agreement(args, data, mode, ours, theirs, output, answer):
    print(f"sigma: ours {ours['sigma']}, theirs {theirs['sigma']}")
    if ours["sigma"] != theirs["sigma"]:
        print("sigma differs; ours is run again with theirs for the comparison")
        run_ours(args, data, mode, output, sigma=theirs["sigma"])
    command = [args.python, HERE / "agree.py", output, answer, "--mode", mode]
    text, _, _ = run_process(list(map(str, command)))
    for name, value in json.loads(text).items():
        print(f"- {name}: {value}")


def growth_sizes(args):
    sizes = {
        "pixels": [dict(pixels=args.smallest * 2**i) for i in range(args.doublings + 1)],
        "genes": [dict(pixels=1000, genes=550 * 2**i) for i in range(4)],
        "types": [dict(pixels=1000, types=10 * 2**i) for i in range(3)],
    }
    return sizes[args.axis]


def growth(args):
    """Ours alone on doubled sizes; a failure exit when a doubling costs too much."""
    limit = TYPES_LIMIT if args.axis == "types" else DOUBLING_LIMIT
    print(f"\n## growth in {args.axis}, {args.mode} mode, limit {limit} per doubling\n")
    print_head(args.axis, "whole s", "sigma s", "pixels s", "peak MiB", "whole x", "pixels x")
    previous, broken = None, False
    for size in growth_sizes(args):
        data = simulate(args, **size)
        output = args.work / "growth.h5ad"
        runs = [run_ours(args, data, args.mode, output) for _ in range(args.repeats)]
        factors = [growth_factor(previous, runs, stage) for stage in ("whole", "pixels")]
        broken |= any(factor is not None and factor > limit for factor in factors)
        times = [show(stage_values(runs, stage)) for stage in ("whole", "sigma", "pixels")]
        shown = ["-" if factor is None else f"{factor:.2f}" for factor in factors]
        print_row(size[args.axis], *times, megabytes(runs), *shown)
        previous = runs
    if broken:
        sys.exit(f"a doubling took more than {limit} times as long")


def growth_factor(before, after, stage):
    a = stage_values(before or [], stage)
    b = stage_values(after, stage)
    if a is None or b is None or statistics.median(a) == 0:
        return None
    return statistics.median(b) / statistics.median(a)


def memory(args):
    """Peak memory of ours by number of pixels, and of rctd-py for the smallest."""
    print(f"\n## peak memory, {args.mode} mode\n")
    print_head("tool", "pixels", "peak MiB", "after imports MiB", "bytes/pixel added")
    before = None
    for pixels in args.sizes:
        data = simulate(args, pixels=pixels)
        run = run_ours(args, data, args.mode, args.work / "memory.h5ad")
        print_row("cyto", pixels, megabytes([run]), "-", added_bytes(before, pixels, run))
        before = (pixels, run["peak_bytes"])
    if args.theirs:
        data = simulate(args, pixels=args.sizes[0])
        run = run_rctd_py(args, data, args.mode, args.work / "memory.npz")
        own = megabytes([run], "peak_bytes_after_imports")
        print_row("rctd-py", args.sizes[0], megabytes([run]), own, "-")


def added_bytes(before, pixels, run):
    if before is None or before[0] == pixels:
        return "-"
    return round((run["peak_bytes"] - before[1]) / (pixels - before[0]))


def arguments():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--cyto", type=Path, default=ROOT / "target" / "release" / "cyto")
    common.add_argument("--python", default=sys.executable, help="one that has rctd-py")
    common.add_argument("--rscript", default="Rscript")
    common.add_argument("--work", type=Path, default=cache_folder())
    common.add_argument("--cpu", type=int, default=0, help="the core to pin to")
    common.add_argument("--seed", type=int, default=1)
    common.add_argument("--repeats", type=int, default=5)
    common.add_argument("--batch-size", type=int, default=10000, help="of rctd-py")
    common.add_argument("--compile", default="none", help="none, likelihood or all, of rctd-py")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("ratio", parents=[common], help=ratio.__doc__)
    one.add_argument("--against", choices=("rctd-py", "spacexr"), default="rctd-py")
    one.add_argument("--pixels", type=int, default=1000)
    one.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    one.set_defaults(action=ratio)
    two = commands.add_parser("growth", parents=[common], help=growth.__doc__)
    two.add_argument("axis", choices=("pixels", "genes", "types"))
    two.add_argument("--mode", choices=MODES, default="doublet")
    two.add_argument("--smallest", type=int, default=1000, help="pixels to start from")
    two.add_argument("--doublings", type=int, default=4, help="of the number of pixels")
    two.set_defaults(action=growth)
    three = commands.add_parser("memory", parents=[common], help=memory.__doc__)
    three.add_argument("--mode", choices=MODES, default="doublet")
    three.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000])
    three.add_argument("--theirs", action="store_true", help="rctd-py too")
    three.set_defaults(action=memory)
    return parser.parse_args()


def main():
    args = arguments()
    args.work = args.work.resolve()
    args.cyto = args.cyto.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    try:
        args.action(args)
    except Failed as error:
        sys.exit(f"failed: {error}")


if __name__ == "__main__":
    main()
