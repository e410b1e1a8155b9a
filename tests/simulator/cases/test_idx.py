"""IDX files: twins, damage, floats."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from case_files import checked, plan, refusal, scenario

from clients.data import load


def idx(array: np.ndarray, code: int) -> bytes:
    dtype = {8: "u1", 13: ">f4"}[code]
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.astype(dtype).tobytes()


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(1).integers(0, 256, (60, 4, 4))
    labels = np.arange(60) % 3
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(pixels, 8))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels, 8))
    return tmp_path, pixels, labels


IDX = {"dataset": "idx", "path": "."}


@pytest.mark.parametrize("twin", ["train-images-idx3-ubyte.gz", "train-images.idx3-ubyte", "train-images.idx3-ubyte.gz"])
def test_idx_twins_are_read_once(images, twin):
    folder, pixels, labels = images
    alone = plan(folder, IDX)
    blob = idx(pixels, 8)
    (folder / twin).write_bytes(gzip.compress(blob) if twin.endswith(".gz") else blob)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels, 8)))
    load.cache_clear()
    assert plan(folder, IDX).digest == alone.digest
    assert "60 rows" in checked(plan(folder, IDX))


def test_idx_twins_of_another_name_are_read_once_and_unequal_ones_are_refused(images):
    folder, pixels, labels = images
    (folder / "copy-images-idx3-ubyte").write_bytes(idx(pixels, 8))
    (folder / "copy-labels-idx1-ubyte").write_bytes(idx(labels, 8))
    assert len(load(scenario(folder, IDX).data.source())) == 60
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(255 - pixels, 8)))
    load.cache_clear()
    assert "called alike and hold different data: remove one" in refusal(folder, IDX)


def test_rows_that_lie_with_several_holders_are_counted(images):
    folder, pixels, labels = images
    assert "no row is byte-equal" in checked(plan(folder, IDX))
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.concatenate([pixels[:30]] * 2), 8))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.concatenate([labels[:30]] * 2), 8))
    load.cache_clear()
    delete = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.5}}
    text = checked(plan(folder, IDX, event=[delete]))
    assert "rows are byte-equal to one that somebody else holds" in text
    assert "rows have a byte-equal twin that stays with somebody" in text


def test_idx_of_floats_is_taken_as_it_is(images):
    folder, pixels, _ = images
    (folder / "train-images-idx3-ubyte").write_bytes(idx(pixels / 255, 13))
    assert load(scenario(folder, IDX).data.source()).x.max() > 0.9
    assert "inputs range from 0" in checked(plan(folder, IDX))


def damaged_idx() -> dict[str, tuple[str, bytes]]:
    whole = gzip.compress(idx(np.random.default_rng(1).integers(0, 256, (60, 4, 4)), 8))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 16
    huge = struct.pack(">BBBB3I", 0, 0, 8, 3, 60, 30_000, 30_000)
    return {
        "flipped": (".gz", bytes(flipped)),
        "cut": (".gz", whole[: len(whole) // 2]),
        "wrong sum": (".gz", whole[:-8] + b"\0" * 8),
        "promises gigabytes": ("", huge + bytes(100)),
        "promises gigabytes, zipped": (".gz", gzip.compress(huge + bytes(100))),
        "promises beyond 64 bits": ("", struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3)),
        "goes on for ever": (".gz", gzip.compress(idx(np.zeros((60, 4, 4)), 8) + bytes(1 << 24))),
        "text": ("", b"<html>404</html>"),
        "empty": ("", b""),
        "header cut": ("", b"\0\0\x08\x03\0\0"),
    }


@pytest.mark.parametrize("kind", list(damaged_idx()))
def test_damaged_idx_is_refused(images, kind):
    folder, *_ = images
    (folder / "train-images-idx3-ubyte").unlink()
    ending, blob = damaged_idx()[kind]
    (folder / f"train-images-idx3-ubyte{ending}").write_bytes(blob)
    assert "train-images-idx3-ubyte" in refusal(folder, IDX)
