"""Whatever a file holds, it is refused in one line, or read with all of its rows: a property for each kind of file."""

from __future__ import annotations

import csv
import gzip
import io
import math
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from clients.data import DataError, Dataset, DatasetSpec, load
from clients.data.citations import Citations
from clients.data.csv import Csv
from clients.data.graphs import load_graph
from clients.data.idx import Idx
from clients.data.interactions import Ratings
from clients.data.npz import Npz
from clients.data.parquet import Parquet
from clients.data.ratings import load_ratings

often = settings(suppress_health_check=list(HealthCheck))


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def outcome(spec: DatasetSpec) -> Dataset | str:
    """Return the data, or the line that refuses it; anything else is an error."""
    load.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DeprecationWarning)
            data = load(spec)
    except DataError as error:
        one_line(error)
        return str(error)
    assert np.isfinite(data.x).all()
    assert ((data.y >= 0) & (data.y < data.classes)).all()
    return data


# ---- CSV

CELL = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-3, 3).map(str),
    st.sampled_from(["", " ", "NaN", "?", "n/a", "1,037", "0,5", "a", "b;c", "d|e", "#1", 'say "x"', "0.0", "-1", "1e999", "é"]),
    st.sampled_from(["two\nlines", "\ufeff"]),
    st.text(max_size=4),
)
NUMBER = st.floats(-1e6, 1e6).map(repr)
WORD = st.sampled_from(["red", "dark, blue", 'the "green"', "", "#1"])
CLASS = st.sampled_from(["0", "1", "0.0"])


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Return the cells of a table: columns of numbers, words or anything, and a last one of classes, mostly."""
    rows = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from([NUMBER, NUMBER, WORD, WORD, CELL]), min_size=1, max_size=3))
    label = draw(st.sampled_from([CLASS, CLASS, CELL]))
    columns = [draw(st.lists(kind, min_size=rows, max_size=rows)) for kind in [*kinds, label]]
    return [list(row) for row in zip(*columns, strict=True)]


@often
@given(tables(), st.booleans(), st.sampled_from(["minimal", "all"]), st.sampled_from(["\n", "\r\n"]))
def test_csv_tables_keep_their_rows(table, header, quoting, ends):
    table = [[f"c{i}" for i in range(len(table[0]))], *table] if header else table
    text = io.StringIO(newline="")
    style = csv.QUOTE_ALL if quoting == "all" else csv.QUOTE_MINIMAL
    csv.writer(text, quoting=style, lineterminator=ends).writerows(table)
    with folder() as where:
        (where / "t.csv").write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
        data = outcome(Csv(path=str(where / "t.csv"), header=header))
    if isinstance(data, Dataset):
        assert len(data) == len(table) - header
        assert data.shape == (len(table[0]) - 1,)


LINE = st.sampled_from(["0,1", "0.5,0", "1,0", '"1",0', "", " ", "0,1,2", '"0,1\n1,0",1', '0,"1', "0;1", "# no", "a,b"])
LINES = st.one_of(st.lists(LINE), st.lists(LINE.filter(lambda line: len(line) in (0, 1, 3, 5) and line[:2] != '0,"')))
TEXTS = st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])).map(lambda drawn: drawn[1].join(drawn[0]))


@often
@given(st.one_of(TEXTS, TEXTS, st.text(alphabet=',;\n\r"01.ab \t|#\0', max_size=120)), st.booleans())
def test_any_text_is_read_as_csv_or_refused(text, header):
    with folder() as where:
        (where / "t.csv").write_bytes(text.encode())
        data = outcome(Csv(path=str(where / "t.csv"), header=header))
    if isinstance(data, Dataset):
        reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
        assert len(data) == sum(len(line) > 1 or bool("".join(line).strip()) for line in reader) - header


@often
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(blob):
    with folder() as where:
        for name in ("t.csv", "t.npz", "t.parquet", "a-images-idx3-ubyte", "a-labels-idx1-ubyte"):
            (where / name).write_bytes(blob)
        specs = [Csv(path=str(where / "t.csv")), Ratings(path=str(where / "t.csv")), Npz(path=str(where / "t.npz"))]
        for spec in [*specs, Citations(path=str(where / "t.npz")), Parquet(path=str(where / "t.parquet")), Idx(path=str(where))]:
            outcome(spec)


def test_the_properties_can_fail():
    """A reader that completes short lines, as pandas does, breaks the first property."""
    assert len(pd.read_csv(io.StringIO("1,2,3\n1,2\n"), header=None)) == 2
    with folder() as where:
        (where / "t.csv").write_text("a,b,c\n1,2,0\n1,2\n")
        assert "line 3 has 2 cells" in str(outcome(Csv(path=str(where / "t.csv"))))


# ---- NPZ

ANY_ARRAY = arrays_of.arrays(
    dtype=st.sampled_from(["u1", "i1", "<i4", ">i8", "<f4", "<f8", "<f2", "?", "<U2", "S2", "<c8", "<M8[D]"]),
    shape=arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
)


@often
@given(ANY_ARRAY, ANY_ARRAY, st.booleans())
def test_npz_arrays_keep_their_rows(x, y, align):
    if align and x.ndim:
        y = np.arange(len(x)) % 2
    with folder() as where:
        np.savez(where / "t.npz", x=x, y=y)
        data = outcome(Npz(path=str(where / "t.npz")))
    if isinstance(data, Dataset):
        assert len(data) == len(x) == len(y)
        assert data.x.size == x.size


@often
@given(st.data())
def test_damaged_archives_are_read_whole_or_refused(data):
    file = io.BytesIO()
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(file, x=np.arange(24.0).reshape(8, 3), y=np.arange(8) % 2)
    blob = damaged(data, file.getvalue())
    with folder() as where:
        (where / "t.npz").write_bytes(blob)
        found = outcome(Npz(path=str(where / "t.npz")))
    assert isinstance(found, str) or len(found) == 8


def damaged(data: st.DataObject, blob: bytes) -> bytes:
    """Return bytes of which some are others, or missing."""
    place = data.draw(st.integers(0, len(blob) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "drop", "put"]))
    if how == "flip":
        return blob[:place] + bytes([blob[place] ^ 1 << data.draw(st.integers(0, 7))]) + blob[place + 1 :]
    if how == "cut":
        return blob[:place]
    if how == "drop":
        return blob[:place] + blob[place + data.draw(st.integers(1, 30)) :]
    return blob[:place] + data.draw(st.binary(min_size=1, max_size=8)) + blob[place:]


def header_of(shape: tuple[int, ...]) -> bytes:
    """Return the header of an array of float64 in NumPy's format."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return header.getvalue()


@often
@given(st.lists(st.one_of(st.integers(1, 3), st.integers(0, 2**40)), min_size=1, max_size=3), st.integers(0, 200), st.booleans())
def test_headers_that_promise_what_is_not_there_are_refused(shape, held, honest):
    held = min(math.prod(shape), 40) * 8 if honest else held
    with folder() as where:
        with zipfile.ZipFile(where / "t.npz", "w") as file:
            file.writestr("x.npy", header_of(tuple(shape)) + bytes(held))
            file.writestr("y.npy", header_of((shape[0],)) + bytes(min(shape[0], 40) * 8))
        data = outcome(Npz(path=str(where / "t.npz")))
    assert isinstance(data, str) or data.x.size * 8 == held


# ---- IDX


@often
@given(
    st.sampled_from([8, 9, 11, 12, 13, 14]),
    st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 5)),
    st.booleans(),
    st.data(),
)
def test_idx_files_keep_their_rows(code, shape, zipped, data):
    dtype = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}[code]
    pixels = np.arange(np.prod(shape)).astype(dtype)
    images = struct.pack(">BBBB3I", 0, 0, code, 3, *shape) + pixels.tobytes()
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, shape[0]) + (np.arange(shape[0]) % 2).astype("u1").tobytes()
    images = gzip.compress(images) if zipped else images
    broken = data.draw(st.booleans())
    with folder() as where:
        (where / f"a-images-idx3-ubyte{'.gz' if zipped else ''}").write_bytes(damaged(data, images) if broken else images)
        (where / "a-labels-idx1-ubyte").write_bytes(labels)
        found = outcome(Idx(path=str(where)))
    if isinstance(found, Dataset):
        assert len(found) == shape[0]
        assert broken or found.x.sum() == pytest.approx(pixels.sum() / (255 if code == 8 else 1), rel=1e-5)
    else:
        assert broken or 0 in shape


# ---- citation graphs

SMALL = st.integers(-2, 7)


@often
@given(
    st.lists(SMALL, max_size=8),
    st.lists(SMALL, max_size=8),
    st.lists(st.integers(-1, 5), max_size=2),
    st.lists(st.tuples(SMALL, SMALL), max_size=5),
    st.lists(st.integers(-2, 4), max_size=6),
    st.sampled_from(["<i8", "<i4", "u1", "<f8"]),
)
def test_any_sparse_arrays_are_a_graph_or_refused(indices, pointers, shape, edges, y, dtype):
    with folder() as where, np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.savez(
            where / "g.npz",
            x_data=np.ones(len(indices), np.float32),
            x_indices=np.asarray(indices, dtype=int).astype(dtype),
            x_indptr=np.asarray(pointers, dtype=int),
            x_shape=np.asarray(shape, dtype=int),
            edges=np.asarray(edges, dtype=int).reshape(-1, 2),
            y=np.asarray(y, dtype=int),
        )
        try:
            graph = load_graph(where / "g.npz")
        except DataError as error:
            one_line(error)
            return
    assert len(graph) == shape[0] == len(y)
    assert graph.x.nnz == len(indices)
    assert {tuple(sorted(edge)) for edge in edges if edge[0] != edge[1]} == {tuple(edge) for edge in graph.edges.tolist()}


def test_a_good_graph_is_among_them(tmp_path):
    parts = {"x_data": np.ones(3), "x_indices": np.array([0, 1, 0]), "x_indptr": np.array([0, 2, 3]), "x_shape": np.array([2, 2])}
    np.savez(tmp_path / "g.npz", **parts, edges=np.array([[1, 0], [0, 1]]), y=np.array([0, 1]))
    assert load_graph(tmp_path / "g.npz").edges.tolist() == [[0, 1]]


# ---- ratings

NUMBERS = st.one_of(st.integers(0, 30), st.integers(0, 10**17))
WRITTEN = st.one_of(NUMBERS.map(str), NUMBERS.map(lambda number: f" {number}"))


@often
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=30), st.text(alphabet='a,"#\'; ', max_size=6))
def test_ratings_keep_users_and_items_apart(pairs, title):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["title", "uid", "iid"], *([title, user, item] for user, item in pairs)])
    with folder() as where:
        (where / "r.csv").write_text(text.getvalue(), newline="")
        data = load_ratings(where / "r.csv")
    held = set(zip(data.user_numbers[data.user].tolist(), data.item_numbers[data.item].tolist(), strict=True))
    assert held == set(pairs)
    assert len(data) == len(held)
    assert data.repeated == len(pairs) - len(held)
    assert data.items <= 2 * len({item for _, item in pairs})


@often
@given(st.lists(st.tuples(WRITTEN, WRITTEN), max_size=12), st.lists(st.tuples(CELL, CELL), max_size=1))
def test_ratings_of_anything_are_read_or_refused(good, odd):
    pairs = good + odd
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["uid", "iid"], *pairs])
    with folder() as where:
        (where / "r.csv").write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
        data = outcome(Ratings(path=str(where / "r.csv"), top=1))
    if isinstance(data, Dataset):
        assert len(data) == len({(user.strip(), item.strip()) for user, item in pairs})
