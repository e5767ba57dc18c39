#!/usr/bin/env python3
"""Both ways between anndata and the engine.

1. Writes the 5 x 6 matrix of the reference formats in every storage that h5py and hdf5plugin
   have (types, chunks, filters, byte orders, user block) and lets the engine's tests read it.
2. Lets the engine's tests annotate files and opens the results with anndata.

    python tests/parity/formats/check_with_anndata.py            (CYTO_SHARED as for the tests)

Needs anndata, h5py, numpy, scipy; hdf5plugin if the plugin filters are to be checked.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import anndata
import h5py
import numpy as np
import scipy.sparse as sp

try:
    import hdf5plugin
except ImportError:
    hdf5plugin = None

ROOT = pathlib.Path(__file__).resolve().parents[3]
MATRIX = np.array(
    [[3, 0, 0, 6, 1, 0], [0] * 6, [1, 22, 0, 2, 2, 0], [0, 5, 0, 0, 7, 4], [1] * 6]
)
GENES = ["MT-A", "B", "C", "D", "MT-E", "F"]


def text(group, name, values):
    group.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())
    group[name].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def frame(file, name, index):
    group = file.create_group(name)
    group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array([], dtype=float)
    text(group, "_index", index)


def write(path, layout, dtype, index_dtype="i4", userblock=0, libver=None, **storage):
    """One file; `storage` goes to create_dataset."""
    with h5py.File(path, "w", userblock_size=userblock, libver=libver) as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        frame(file, "obs", [f"c{i}" for i in range(5)])
        frame(file, "var", GENES)
        if layout == "dense":
            if "chunks" in storage:
                storage["chunks"] = (3, 4)
            x = file.create_dataset("X", data=MATRIX.astype(dtype), **storage)
            x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            return
        sparse = getattr(sp, f"{layout}_matrix")(MATRIX)
        if "chunks" in storage:
            storage["maxshape"] = (None,)
        group = file.create_group("X")
        group.attrs.update({"encoding-type": f"{layout}_matrix", "encoding-version": "0.1.0"})
        group.attrs["shape"] = np.array(MATRIX.shape)
        group.create_dataset("data", data=sparse.data.astype(dtype), **storage)
        group.create_dataset("indices", data=sparse.indices.astype(index_dtype), **storage)
        group.create_dataset("indptr", data=sparse.indptr.astype(index_dtype), **storage)


def storages():
    """Name and create_dataset arguments of every storage."""
    yield "contiguous", {}
    yield "chunk5", dict(chunks=(5,))
    yield "gzip", dict(chunks=(5,), compression="gzip")
    yield "lzf_shuffle", dict(chunks=(7,), compression="lzf", shuffle=True)
    yield "fletcher", dict(chunks=(4,), compression="gzip", shuffle=True, fletcher32=True)
    yield "scaleoffset_slow", dict(chunks=(6,), scaleoffset=0)
    plugin = hdf5plugin
    if plugin is None:
        print("SKIP: hdf5plugin is absent, its filters are not checked")
        return
    chunk = dict(chunks=(16,))
    yield "zstd", dict(chunk, **plugin.Zstd(clevel=3))
    yield "lz4", dict(chunk, **plugin.LZ4(nbytes=16))
    for codec in ("none", "lz4", "zstd"):
        yield f"bitshuffle_{codec}", dict(chunk, **plugin.Bitshuffle(cname=codec))
    for codec in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
        for shuffle in (0, 1, 2):
            arguments = plugin.Blosc(cname=codec, clevel=9, shuffle=shuffle)
            yield f"blosc_{codec}_{shuffle}", dict(chunk, **arguments)


def make_formats(folder):
    """Fills a folder with files that all hold MATRIX; returns how many."""
    dtypes = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">f8", ">u2"]
    for dtype in dtypes:
        for layout in ("csr", "csc", "dense"):
            name = f"{layout}_{dtype.replace('>', 'big_')}"
            write(folder / f"{name}.h5ad", layout, dtype)
            write(folder / f"{name}_gzip.h5ad", layout, dtype, chunks=(5,), compression="gzip")
    for index in ("i8", "u1", "u2", "u4", "u8", ">i4", ">i8"):
        name = f"csr_index_{index.replace('>', 'big_')}"
        write(folder / f"{name}.h5ad", "csr", "f4", index_dtype=index)
    for name, storage in storages():
        # Scale-offset of floats is lossy; of integers it is not.
        dtype = "i4" if "scaleoffset" in name else "f4"
        write(folder / f"csr_{name}.h5ad", "csr", dtype, **storage)
        write(folder / f"dense_{name}.h5ad", "dense", dtype, **storage)
    for block in (512, 4096):
        write(folder / f"user_block_{block}.h5ad", "csr", "f4", userblock=block)
        arguments = dict(chunks=(5,), compression="gzip")
        write(folder / f"user_block_{block}_gzip.h5ad", "csr", "f4", userblock=block, **arguments)
    for version in ("earliest", "v108", "v110"):
        path = folder / f"libver_{version}.h5ad"
        write(path, "csr", "f4", libver=version, chunks=(5,), compression="gzip")
    return len(list(folder.iterdir()))


def run_tests(environment):
    command = ["cargo", "test", "--release", "-p", "cytosol", "--test", "io_h5ad"]
    command += ["--test", "io_h5ad_write"]
    subprocess.run(command, cwd=ROOT, env=dict(os.environ, **environment), check=True)


def check_annotated(path):
    """What annotations() of core/tests/io_h5ad_write.rs adds."""
    data = anndata.read_h5ad(path)
    n = data.n_obs
    i = np.arange(n)
    obs = data.obs
    assert np.array_equal(obs["new_f64"], i / 3) and obs["new_f64"].dtype == "f8", path
    assert np.array_equal(obs["new_f32"], (i.astype("f4") / np.float32(7))), path
    assert np.array_equal(obs["new_i64"], i - (1 << 40)) and obs["new_i64"].dtype == "i8"
    assert np.array_equal(obs["new_i32"], i - 5) and obs["new_i32"].dtype == "i4"
    assert np.array_equal(obs["new_bool"], i % 3 == 0) and obs["new_bool"].dtype == bool
    assert list(obs["new_text"]) == [f"é{k % 4}" for k in i]
    few = obs["new_few"]
    assert list(few.cat.categories) == ["b", "a"] and few.cat.ordered
    assert list(few.cat.codes) == list(i % 3 - 1)
    many = obs["new_many"]
    assert many.cat.codes.dtype == "i2" and list(many.cat.codes) == list(i % 300)
    assert data.obsm["weights"].dtype == "f4" and data.obsm["weights"].shape == (n, 2)
    assert np.array_equal(data.obsm["whole"], np.stack([i, 0 * i + 1, 0 * i + 2], axis=1))
    run = data.uns["run"]
    assert run["mode"] == "doublet" and run["sigma"] == 0.58 and run["n"] == -3
    assert bool(run["done"]) is True and run.get("none") is None
    assert list(run["types"]) == ["A", "é"] and np.isnan(run["scores"][1])
    assert list(run["table"].index) == ["r"]
    dense = data.X.toarray() if sp.issparse(data.X) else data.X
    if data.n_vars == 6:
        assert np.array_equal(dense, MATRIX), path
    data.write_h5ad(path.with_suffix(".again.h5ad"))


def main():
    with tempfile.TemporaryDirectory() as name:
        formats, kept = pathlib.Path(name) / "formats", pathlib.Path(name) / "kept"
        formats.mkdir()
        kept.mkdir()
        n = make_formats(formats)
        run_tests({"CYTO_MORE_FORMATS": str(formats), "CYTO_KEEP": str(kept)})
        files = sorted(kept.iterdir())
        for path in files:
            if hdf5plugin is None and "zstd" in path.name:
                print(f"SKIP: {path.name} opens only with hdf5plugin")
                continue
            check_annotated(path)
        assert files, "the tests kept no file"
        print(f"{n} storages read; {len(files)} annotated files opened with anndata "
              f"{anndata.__version__}")


if __name__ == "__main__":
    sys.exit(main())
