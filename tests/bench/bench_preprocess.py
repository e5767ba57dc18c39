"""Preprocessing: ours against scanpy, growth, and runs that are killed.

    python bench_preprocess.py ratio COUNTS.h5ad [--threads 2] [--repeats 3]
    python bench_preprocess.py growth --cells 50000 100000
    python bench_preprocess.py kill COUNTS.h5ad --kills 200
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CYTO = os.path.join(HERE, "..", "..", "target", "release", "cyto")
COMMON = ["--target-sum", "10000", "--qc-vars", "mt", "--quiet"]


def ours(arguments):
    """Processor seconds, wall seconds, peak MiB of one run."""
    start = time.time()
    process = subprocess.Popen([CYTO, "pp", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        sys.exit(f"cyto {arguments} ended with {status}")
    cpu = usage.ru_utime + usage.ru_stime
    return cpu, time.time() - start, usage.ru_maxrss / 1024


def whole(counts, out, args, *more):
    return ["preprocess", counts, "-o", out, "--threads", str(args.threads), *COMMON, *more]


def ratio(args):
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        out = os.path.join(folder, "out.h5ad")
        small = os.path.join(folder, "small.h5ad")
        make(small, 500, 2000, 100)
        jobs = {
            "qc_normalize_log1p": ["--percent-top", "50", "--no-hvg", "--no-pca"],
            "to_pca": ["--percent-top", "50", "--n-top-genes", "2000", "--n-comps", "50"],
        }
        found = {name: [] for name in jobs}
        theirs = []
        for _ in range(args.repeats):
            for name, more in jobs.items():
                found[name].append(ours(whole(args.counts, out, args, *more)))
            command = [sys.executable, os.path.join(HERE, "run_scanpy.py"), args.counts, out]
            if args.warm:
                command += ["--warm", small]
            theirs.append(json.loads(subprocess.check_output(command)))
        for name in jobs:
            cpu = statistics.median(run[0] for run in found[name])
            wall = statistics.median(run[1] for run in found[name])
            peak = max(run[2] for run in found[name])
            other = statistics.median(run[name] for run in theirs)
            print(
                f"{name}: ours {cpu:.2f} s cpu, {wall:.2f} s wall, peak {peak:.0f} MiB; "
                f"scanpy {other:.2f} s cpu; ratio {other / cpu:.1f}"
            )
        print("scanpy:", json.dumps(theirs[0]))


def make(path, cells, genes, per_cell):
    script = os.path.join(HERE, "make_counts.py")
    sizes = ["--cells", str(cells), "--genes", str(genes), "--per-cell", str(per_cell)]
    subprocess.check_call([sys.executable, script, path, *sizes], stdout=subprocess.DEVNULL)


def growth(args):
    before = None
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        for cells in args.cells:
            counts, out = os.path.join(folder, "counts.h5ad"), os.path.join(folder, "out.h5ad")
            make(counts, cells, args.genes, args.per_cell)
            more = ["--percent-top", "50", "--n-top-genes", "2000"]
            cpu, wall, peak = ours(whole(counts, out, args, *more))
            print(f"{cells} cells: {cpu:.2f} s cpu, {wall:.2f} s wall, peak {peak:.0f} MiB")
            if before and cpu / before[1] > 2.3 * cells / before[0] / 2:
                sys.exit("time grew faster than the cells")
            before = (cells, cpu)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def kill(args):
    """Runs in place that are killed at random moments: the file is the old one or a whole new one."""
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        path = os.path.join(folder, "counts.h5ad")
        shutil.copy(args.counts, path)
        old = digest(path)
        command = [CYTO, "pp", "preprocess", path, "--in-place", "--threads", str(args.threads)]
        command += [*COMMON, "--percent-top", "50", "--n-top-genes", "200", "--n-comps", "10"]
        start = time.time()
        subprocess.check_call(command, stdout=subprocess.DEVNULL)
        length = time.time() - start
        shutil.copy(args.counts, path)
        damaged = finished = most = 0
        for _ in range(args.kills):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.random() * length)
            process.send_signal(signal.SIGKILL)
            process.wait()
            left = [n for n in os.listdir(folder) if n.endswith(".tmp")]
            most = max(most, len(left))
            for name in left:
                os.remove(os.path.join(folder, name))
            if digest(path) != old:
                # Renamed before the kill came: it must be a good file.
                check = subprocess.run([CYTO, "pp", "validate", path], stdout=subprocess.DEVNULL)
                finished += check.returncode == 0
                damaged += check.returncode != 0
                shutil.copy(args.counts, path)
        print(f"{args.kills} kills: {damaged} damaged, {finished} finished, at most {most} left behind")
        if damaged or most > 1:
            sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["ratio", "growth", "kill"])
    parser.add_argument("counts", nargs="?")
    parser.add_argument("--cells", type=int, nargs="+", default=[50_000, 100_000])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--per-cell", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--warm", action="store_true", help="scanpy without numba's compilation")
    parser.add_argument("--work", help="folder for temporary files")
    args = parser.parse_args()
    {"ratio": ratio, "growth": growth, "kill": kill}[args.what](args)


if __name__ == "__main__":
    main()
