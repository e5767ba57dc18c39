"""Preprocessing: ours against scanpy, growth, reading rates, and runs that are killed.

    python bench_preprocess.py ratio COUNTS.h5ad [--threads 2] [--repeats 3]
    python bench_preprocess.py dask COUNTS.h5ad
    python bench_preprocess.py growth --cells 50000 100000
    python bench_preprocess.py growth --cells 50000 --per-cell 500 1000
    python bench_preprocess.py memory COUNTS.h5ad
    python bench_preprocess.py rate GZIPPED.h5ad
    python bench_preprocess.py kill COUNTS.h5ad --kills 200
    python bench_preprocess.py large

--settle GIB touches so much memory before every run of `ratio`: where a virtual machine's host hands out memory
page by page, the first process to touch it pays for that, whichever side it is.
"""
import argparse
import ctypes
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
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
CYTO = os.environ.get("CYTO") or os.path.join(HERE, "..", "..", "target", "release", "cyto")
EXAMPLE = os.path.join(os.path.dirname(CYTO), "examples", "stream_rows")
COMMON = ["--target-sum", "10000", "--qc-vars", "mt", "--quiet"]


def finished(process, what):
    """Processor seconds, wall seconds and peak MiB of a process that was started just now."""
    start = time.time()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        sys.exit(f"{what} ended with {status}")
    return usage.ru_utime + usage.ru_stime, time.time() - start, usage.ru_maxrss / 1024


def settle(args):
    if args.settle:
        touch = f"b = bytearray({args.settle} << 30)\nfor i in range(0, len(b), 4096): b[i] = 1"
        subprocess.check_call([sys.executable, "-c", touch])
        with open(args.counts, "rb") as f:
            while f.read(1 << 24):
                pass


def ours(arguments):
    return finished(subprocess.Popen([CYTO, "pp", *arguments], stdout=subprocess.DEVNULL), f"cyto {arguments}")


def whole(counts, out, args, *more):
    return ["preprocess", counts, "-o", out, "--threads", str(args.threads), *COMMON, *more]


JOBS = {
    "to_log1p": ["--percent-top", "50", "--no-hvg", "--no-pca"],
    "to_pca": ["--percent-top", "50", "--n-top-genes", "2000", "--n-comps", "50"],
}


def script(name, *arguments):
    return [sys.executable, os.path.join(HERE, name), *arguments]


def theirs(how, job, counts, out, small, cache, threads):
    """One run of scanpy: "first" compiles all that numba compiles, "fresh" finds it compiled, "warm" has been running."""
    if how == "first":
        shutil.rmtree(cache, ignore_errors=True)
    os.makedirs(cache, exist_ok=True)
    names = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, **{name: str(threads) for name in names}}
    command = script("run_scanpy.py", job, counts, out, *(["--warm", small] if how == "warm" else []))
    return json.loads(subprocess.check_output(command, env=environment))


def ratio(args):
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        out, small, cache = (os.path.join(folder, name) for name in ("out.h5ad", "small.h5ad", "numba"))
        make(small, 500, 2000, 100)
        for job, more in JOBS.items():
            found, other = [], {"first": [], "fresh": [], "warm": []}
            for repeat in range(args.repeats):
                for how in other:
                    if how == "first" and repeat > 0:
                        continue
                    settle(args)
                    found.append(ours(whole(args.counts, out, args, *more)))
                    settle(args)
                    other[how].append(theirs(how, job, args.counts, out, small, cache, args.threads))
            cpu, wall = (statistics.median(run[i] for run in found) for i in (0, 1))
            low, high = min(run[0] for run in found), max(run[0] for run in found)
            peak = max(run[2] for run in found)
            print(f"{job}: ours {cpu:.2f} s cpu ({low:.2f} to {high:.2f}), {wall:.2f} s wall, peak {peak:.0f} MiB")
            for how, runs in other.items():
                # Of a process that was running already, only the work counts.
                key = "cpu" if how == "warm" else "process"
                their = statistics.median(run[key] for run in runs)
                most = max(run["peak_mib"] for run in runs)
                print(f"  scanpy {how}: {their:.2f} s cpu, ratio {their / cpu:.1f}, peak {most} MiB, {runs[-1]['steps']}")


def dask(args):
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        out = os.path.join(folder, "out.h5ad")
        for job, more in JOBS.items():
            cpu, wall, peak = ours(whole(args.counts, out, args, *more))
            print(f"{job}: ours {cpu:.2f} s cpu, {wall:.2f} s wall, peak {peak:.0f} MiB")
            command = script("run_scanpy.py", job, args.counts, out, "--dask", str(args.threads))
            print("  scanpy and dask:", json.loads(subprocess.check_output(command)))


def memory(args):
    """Both jobs on a large file, once."""
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        out = os.path.join(folder, "out.h5ad")
        for job, more in JOBS.items():
            cpu, wall, peak = ours(whole(args.counts, out, args, *more))
            print(f"{job}: {cpu:.2f} s cpu, {wall:.2f} s wall, peak {peak:.0f} MiB")
            os.remove(out)


def inflate_alone(path):
    """Stored bytes, decoded bytes and processor seconds to inflate all chunks of X with libdeflate, on one core."""
    import h5py

    library = ctypes.CDLL("libdeflate.so.0")
    library.libdeflate_alloc_decompressor.restype = ctypes.c_void_p
    decompressor = ctypes.c_void_p(library.libdeflate_alloc_decompressor())
    stored = decoded = 0
    seconds = 0.0
    with h5py.File(path) as f:
        for dataset in (f["X/indices"], f["X/data"]):
            if dataset.compression != "gzip" or dataset.shuffle:
                sys.exit("rate: X must be compressed by gzip without shuffle")
            room = ctypes.create_string_buffer(dataset.chunks[0] * dataset.dtype.itemsize)
            for i in range(dataset.id.get_num_chunks()):
                _, chunk = dataset.id.read_direct_chunk(dataset.id.get_chunk_info(i).chunk_offset)
                start = time.process_time()
                failed = library.libdeflate_zlib_decompress(
                    decompressor, chunk, ctypes.c_size_t(len(chunk)), room, ctypes.c_size_t(len(room)), None
                )
                seconds += time.process_time() - start
                if failed:
                    sys.exit("rate: a chunk cannot be inflated")
                stored += len(chunk)
                decoded += len(room)
    return stored, decoded, seconds


def library_alone(path):
    """Processor seconds in which the HDF5 library reads X."""
    import h5py

    start = time.process_time()
    with h5py.File(path) as f:
        for dataset in (f["X/indices"], f["X/data"]):
            step = 64 * dataset.chunks[0]
            for first in range(0, dataset.shape[0], step):
                dataset[first : first + step]
    return time.process_time() - start


def rate(args):
    """Reading and inflating alternate, since the speed of a shared machine changes from second to second."""
    library = library_alone(args.counts)
    filters = ["filter-cells", args.counts, "--min-counts", "1", "--threads", str(args.threads), "--quiet"]
    example = [EXAMPLE, args.counts, str(args.threads)]
    runs = {"rows as stored": [], "rows": [], "totals of cells and genes": []}
    alone = []
    for _ in range(args.repeats):
        stored, decoded, seconds = inflate_alone(args.counts)
        alone.append(seconds)
        for what, more in (("rows as stored", ["stored"]), ("rows", [])):
            process = subprocess.Popen(example + more, stdout=subprocess.DEVNULL)
            runs[what].append(finished(process, "stream_rows"))
        runs["totals of cells and genes"].append(ours(filters))
    alone = statistics.median(alone)
    print(f"{stored / 1e6:.0f} MB stored, {decoded / 1e6:.0f} MB decoded")
    print(f"inflate alone, one core: {alone:.2f} s cpu, {decoded / alone / 1e6:.0f} MB/s")
    print(f"HDF5 library: {library:.2f} s cpu, {decoded / library / 1e6:.0f} MB/s")
    for what, times in runs.items():
        cpu, wall = (statistics.median(run[i] for run in times) for i in (0, 1))
        print(f"ours, {what}: {cpu:.2f} s cpu, {wall:.2f} s wall, {decoded / wall / 1e6:.0f} MB/s")
        print(f"  inflation, of the processor time {alone / cpu:.2f}; of cores x wall {alone / args.threads / wall:.2f}")


def make(path, cells, genes, per_cell):
    sizes = ["--cells", str(cells), "--genes", str(genes), "--per-cell", str(per_cell)]
    subprocess.check_call(script("make_counts.py", path, *sizes), stdout=subprocess.DEVNULL)


def growth(args):
    """Doubling cells, or entries of a cell, must at most double the time (2.3 with what the machine adds)."""
    before = None
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        for cells in args.cells:
            for per_cell in args.per_cell:
                counts, out = os.path.join(folder, "counts.h5ad"), os.path.join(folder, "out.h5ad")
                make(counts, cells, args.genes, per_cell)
                cpu, wall, peak = min(ours(whole(counts, out, args, *JOBS["to_pca"])) for _ in range(args.repeats))
                print(f"{cells} cells x {per_cell}: {cpu:.2f} s cpu, {wall:.2f} s wall, peak {peak:.0f} MiB")
                entries = cells * per_cell
                if before and cpu / before[1] > 2.3 * entries / before[0] / 2:
                    sys.exit("time grew faster than the entries")
                before = (entries, cpu)


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


def make_large(path, cells, genes):
    """Every cell has every gene; one encoded chunk is stored again and again, so that the file stays small."""
    import h5py
    import numpy as np

    rows = 2000
    indices = np.tile(np.arange(genes, dtype="<i4"), rows)
    data = (np.arange(rows * genes) % 7 + 1).astype("<f4")
    options = dict(maxshape=(None,), chunks=(rows * genes,), compression="gzip", compression_opts=1)
    with h5py.File(path, "w") as f:
        f.attrs["encoding-type"], f.attrs["encoding-version"] = "anndata", "0.1.0"
        x = f.create_group("X")
        x.attrs["encoding-type"], x.attrs["encoding-version"] = "csr_matrix", "0.1.0"
        x.attrs["shape"] = np.array([cells, genes])
        for name, values in (("indices", indices), ("data", data)):
            encoded = zlib.compress(values.tobytes(), 1)
            dataset = x.create_dataset(name, (cells * genes,), values.dtype, **options)
            for first in range(0, cells * genes, len(values)):
                dataset.id.write_direct_chunk((first,), encoded)
        x.create_dataset("indptr", data=np.arange(cells + 1, dtype="<i8") * genes, maxshape=(None,), chunks=(1 << 16,))
        for table, n in (("obs", cells), ("var", genes)):
            group = f.create_group(table)
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "dataframe", "0.2.0"
            group.attrs["_index"] = "_index"
            group.attrs.create("column-order", np.array([], dtype=float))
            names = np.char.add(table[0], np.arange(n).astype(str)).astype(object)
            index = group.create_dataset("_index", data=names, dtype=h5py.string_dtype())
            index.attrs["encoding-type"], index.attrs["encoding-version"] = "string-array", "0.2.0"
        for name in ("obsm", "varm", "obsp", "varp", "layers", "uns"):
            group = f.create_group(name)
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "dict", "0.1.0"
    return indices, data


def large(args):
    """A matrix of more than 2^31 entries, read and written: pointers, some rows and every sum are looked at."""
    import h5py
    import numpy as np

    cells, genes = 4_400_000, 500
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        path, out = os.path.join(folder, "large.h5ad"), os.path.join(folder, "out.h5ad")
        indices, data = make_large(path, cells, genes)
        job = ["convert", path, "-o", out, "--compression", "gzip:1", "--threads", str(args.threads), "--quiet"]
        cpu, wall, _ = ours(job)
        print(f"convert, {cells * genes} entries: {cpu:.1f} s cpu, {wall:.1f} s wall")
        with h5py.File(out) as f:
            x = f["X"]
            assert x["indptr"].dtype == np.int64 and len(x["data"]) == len(x["indices"]) == cells * genes
            assert (x["indptr"][:] == np.arange(cells + 1, dtype=np.int64) * genes).all()
            for first in (0, 2**31 - len(data) // 2, cells * genes - len(data)):
                part = slice(first, first + len(data))
                assert (x["indices"][part] == np.roll(indices, -(first % len(data)))).all()
                assert (x["data"][part] == np.roll(data, -(first % len(data)))).all()
        cpu, wall, _ = ours(["qc", out, "--in-place", "--threads", str(args.threads), "--quiet"])
        print(f"qc of what was written: {cpu:.1f} s cpu, {wall:.1f} s wall")
        with h5py.File(out) as f:
            expected = np.tile(data.reshape(-1, genes).sum(axis=1), cells // 2000)
            assert (f["obs/total_counts"][:] == expected).all()
            assert (f["var/n_cells_by_counts"][:] == cells).all()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["ratio", "dask", "growth", "memory", "rate", "kill", "large"])
    parser.add_argument("counts", nargs="?")
    parser.add_argument("--cells", type=int, nargs="+", default=[50_000, 100_000])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--per-cell", type=int, nargs="+", default=[1000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--settle", type=int, default=0, metavar="GIB")
    parser.add_argument("--work", help="folder for temporary files")
    args = parser.parse_args()
    jobs = dict(ratio=ratio, dask=dask, growth=growth, memory=memory, rate=rate, kill=kill, large=large)
    jobs[args.what](args)


if __name__ == "__main__":
    main()
