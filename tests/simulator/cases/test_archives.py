"""NumPy archives that lie, are cut, or hold something else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from case_files import refusal

from clients.data import load


def arrays(count: int = 60) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {"x": draw.random((count, 3)), "y": np.arange(count) % 2}


NPZ = {"dataset": "npz", "path": "t.npz"}


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.where(np.arange(60) < 3, np.nan, np.arange(60) % 2), "row 0 (from 0) of y has the label 'nan'"),
        (np.where(np.arange(60) == 4, -1, np.arange(60) % 2), "row 4 (from 0) of y has the label '-1'"),
        (np.where(np.arange(60) == 4, "", "a"), "row 4 (from 0) of y has the label ''"),
        (np.arange(60) / 7, "which are no classes"),
        (np.arange(60).astype("M8[D]"), "datetime64"),
        (np.zeros(60, complex), "complex128"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, y, words):
    np.savez(tmp_path / "t.npz", x=arrays()["x"], y=y)
    assert words in refusal(tmp_path, NPZ)


def test_other_formats_are_refused(tmp_path):
    np.save(tmp_path / "t.npy", arrays()["x"])
    assert "is a .npy file" in refusal(tmp_path, NPZ | {"path": "t.npy"})
    (tmp_path / "t.npz").write_bytes((tmp_path / "t.npy").read_bytes())
    assert "is a .npy file" in refusal(tmp_path, NPZ)
    for x, words in ((np.full((60, 2), "1.5"), "it needs numbers"), (np.full((60, 2), "1", object), "holds objects")):
        np.savez(tmp_path / "t.npz", x=x, y=arrays()["y"])
        load.cache_clear()
        assert words in refusal(tmp_path, NPZ)


def promising(shape: tuple[int, ...], held: int) -> bytes:
    """Return the bytes of an ``.npy`` file whose header promises another shape than it holds."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(held)


@pytest.mark.parametrize("kind", ["cut", "flipped", "promises gigabytes", "bomb", "twice"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_archives_are_refused(tmp_path, kind, monkeypatch):
    import zipfile

    path = tmp_path / "t.npz"
    np.savez_compressed(path, **arrays())
    blob = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(blob[: len(blob) // 2])
    elif kind == "flipped":
        blob[len(blob) // 4] ^= 64
        path.write_bytes(blob)
    elif kind == "promises gigabytes":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x.npy", promising((1 << 40, 8), 960))
            file.writestr("y.npy", promising((60,), 480))
    elif kind == "bomb":
        monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1 << 20})())
        np.savez_compressed(path, x=np.zeros((60, 1 << 12)), y=arrays()["y"])
    else:
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("y.npy", promising((60,), 480))
    line = refusal(tmp_path, NPZ)
    assert "t.npz" in line
    assert kind != "bomb" or "more than half" in line
