"""Kinds of trouble that people meet with real files, in miniature: what is refused, and what is read as it should be."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from clients.data import load
from simulator.check import describe
from simulator.errors import ScenarioError
from simulator.plan import Plan, resolve
from simulator.scenario import Scenario

RECSYS = [{"kind": "receraser", "shards": 1, "partition": "keyed", "base": {"kind": "wmf"}, "dim": 4, "epochs": 1, "aggregate": "mean"}]


def scenario(folder: Path, data: dict[str, Any], **changes: Any) -> Scenario:
    """Return a small scenario whose relative paths start at a folder."""
    return Scenario.parse(
        {
            "name": "case",
            "rounds": 2,
            "data": {"reference": 10, "test": 10, "partition": {"kind": "iid"}} | data,
            "peers": {"count": 3, "main": changes.pop("main", [{"kind": "linear"}]), "seed": {"kind": "linear"}},
            "topology": {"kind": "ring"},
        }
        | changes,
        folder=folder,
    )


def plan(folder: Path, data: dict[str, Any], **changes: Any) -> Plan:
    return resolve(scenario(folder, data, **changes))


def checked(one: Plan) -> str:
    """Return what ``lethe check`` prints."""
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(describe(one))
    return console.export_text()


def refusal(folder: Path, data: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ScenarioError) as error:
        plan(folder, data, **changes)
    assert len(error.value.lines) == 1, error.value.lines
    line = error.value.lines[0]
    assert "\n" not in line
    assert len(line) < 600
    return line


def rows(count: int = 60) -> list[list[str]]:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=count).round(3), draw.normal(size=count).round(3)
    return [[str(x), str(y), str(int(x > 0))] for x, y in zip(a, b, strict=True)]


def write(path: Path, table: list[list[str]], header: str | None = "a,b,label", separator: str = ",") -> None:
    lines = ([header] if header is not None else []) + [separator.join(row) for row in table]
    path.write_text("\n".join(lines) + "\n")


CSV = {"dataset": "csv", "path": "t.csv"}


# ---- IDX


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


# ---- CSV


@pytest.mark.parametrize("cell", ["", "NaN", "?", "n/a", '"1,037"', '"0,5"', "12 %", "inf", "1e999", "1_000", "word", "−1.5", "0x1F"])
def test_nearly_numeric_columns_are_refused(tmp_path, cell):
    table = rows()
    table[7][1] = cell
    write(tmp_path / "t.csv", table)
    line = refusal(tmp_path, CSV)
    assert "line 9: column b holds" in line
    assert "no number" in line
    assert 'categorical = ["b"]' in line
    assert load(scenario(tmp_path, CSV | {"categorical": ["b"]}).data.source()).columns[1].categories > 1


@pytest.mark.parametrize("pattern", ['"{}"', "{}%", "$ {}"])
def test_columns_of_numbers_for_people_are_refused(tmp_path, pattern):
    table = [[row[0], pattern.format(row[1].replace(".", ",") if '"' in pattern else row[1]), row[2]] for row in rows()]
    write(tmp_path / "t.csv", table)
    assert "line 2: column b holds" in refusal(tmp_path, CSV)


def test_columns_of_words_are_categories_and_listed_with_their_counts(tmp_path):
    table = [[row[0], "?" if i < 5 else "red" if i % 2 else "blue", row[2]] for i, row in enumerate(rows())]
    write(tmp_path / "t.csv", table)
    assert "3 categories: red 28, blue 27, ? 5" in " ".join(checked(plan(tmp_path, CSV)).split())


SEPARATORS = [(";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces"), ("::", "double colons")]


@pytest.mark.parametrize(("separator", "name"), SEPARATORS)
@pytest.mark.parametrize("header", [True, False])
def test_other_separators_are_refused(tmp_path, separator, name, header):
    write(tmp_path / "t.csv", rows(), separator.join(["a", "b", "label"]) if header else None, separator)
    assert f"looks separated by {name}" in refusal(tmp_path, CSV | {"header": header})


@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas_are_refused(tmp_path, header):
    table = [[cell.replace(".", ",") for cell in row] for row in rows()]
    write(tmp_path / "t.csv", table, "a;b;label" if header else None, ";")
    assert "looks separated by semicolons" in refusal(tmp_path, CSV | {"header": header})


def test_commas_with_other_signs_within_are_read(tmp_path):
    table = [[row[0], "x;y|z", row[2]] for row in rows()]
    write(tmp_path / "t.csv", table)
    assert load(scenario(tmp_path, CSV).data.source()).columns[1].categories == 1


def test_ambiguous_names_are_refused_where_they_are_asked_for(tmp_path):
    write(tmp_path / "t.csv", [[row[2], *row] for row in rows()], "y,a,b,y")
    assert "label = 'y' names columns 0 and 3" in refusal(tmp_path, CSV | {"label": "y"})
    write(tmp_path / "t.csv", [[row[0], "AB"[i % 2], "AB"[i % 2], row[2]] for i, row in enumerate(rows())], "a,site,site,label")
    load.cache_clear()
    by_site = {"partition": {"kind": "column", "column": "site"}}
    assert "column = 'site' is the name of 2 columns" in refusal(tmp_path, CSV | by_site, peers=PEERS | {"count": 2})
    assert len(load(scenario(tmp_path, CSV).data.source())) == 60


PEERS = {"count": 3, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}


def test_a_wrong_header_flag_is_refused_in_both_directions(tmp_path):
    write(tmp_path / "t.csv", rows())
    assert "set header = true" in refusal(tmp_path, CSV | {"header": False})
    write(tmp_path / "t.csv", rows(), None)
    load.cache_clear()
    assert "set header = false" in refusal(tmp_path, CSV)


def test_a_wrong_header_flag_is_refused_where_columns_hold_words(tmp_path):
    words = [["rainy" if i % 3 else "dry", "cold" if i % 2 else "warm", "yes" if i % 5 else "no"] for i in range(60)]
    write(tmp_path / "t.csv", words, "sky,air,label")
    assert "set header = true" in refusal(tmp_path, CSV | {"header": False})
    mixed = [[row[0], "red" if i % 2 else "blue", "yes" if i % 3 else "no"] for i, row in enumerate(rows())]
    write(tmp_path / "t.csv", mixed, None)
    load.cache_clear()
    assert "set header = false" in refusal(tmp_path, CSV)


@pytest.mark.parametrize("header", ["0,1,label", "2019,2020,label", ",b,label", "0,1,2", "q,0.5,label"])
def test_names_that_are_numbers_are_read(tmp_path, header):
    write(tmp_path / "t.csv", rows(), header)
    assert len(load(scenario(tmp_path, CSV).data.source())) == 60


def test_numeric_labels_are_classes_by_value(tmp_path):
    table = [[*row[:2], f"{row[2]}.0" if i % 3 else row[2]] for i, row in enumerate(rows())]
    write(tmp_path / "t.csv", table)
    data = load(scenario(tmp_path, CSV).data.source())
    assert data.labels == ("0", "1")
    counts = np.bincount(data.y)
    assert f"0 {counts[0]}" in " ".join(checked(plan(tmp_path, CSV)).split())


@pytest.mark.parametrize("label", ["", "NaN", "?", "-1", "n/a", "null"])
def test_missing_labels_are_refused(tmp_path, label):
    table = rows()
    table[3][2] = label
    write(tmp_path / "t.csv", table)
    assert f"line 5 has the label {label!r}" in refusal(tmp_path, CSV)


def test_minus_one_and_one_are_classes(tmp_path):
    write(tmp_path / "t.csv", [[*row[:2], "1" if row[2] == "1" else "-1"] for row in rows()])
    assert load(scenario(tmp_path, CSV).data.source()).labels == ("-1", "1")


def test_targets_of_a_regression_are_refused(tmp_path):
    write(tmp_path / "t.csv", [[row[2], row[0], row[1]] for row in rows()])
    assert "which are no classes" in refusal(tmp_path, CSV)
    write(tmp_path / "t.csv", [[*row[:2], str(i)] for i, row in enumerate(rows())])
    load.cache_clear()
    assert "which are no classes" in refusal(tmp_path, CSV)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a,b,label\n1,2,é\n".encode("latin-1"), "line 2 is not UTF-8 text"),
        ("a,b,label\n1,2,0\n".encode("utf-16"), "is UTF-16 text"),
        ("a,b,label\n1,2,0\n".encode("utf-16-le"), "zero byte"),
        (b'a,b,label\n1,2,0\n1,"2,0\n1,2,0\n', "cannot be read as CSV"),
        (b'a,b,label\n1,"2,0\n3,4",1\n1,2,0\n', "close the quote"),
        (b"a,b,label\n1,2,0\n# the end\n", "line 3 has 1 cells"),
        (b"a,b,label\n1,2,0\n1,2,0,5\n", "line 3 has 4 cells"),
        (b"PK\x03\x04\xff\xff", "is not UTF-8"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path, raw, words):
    (tmp_path / "t.csv").write_bytes(raw)
    assert words in refusal(tmp_path, CSV)


def test_a_byte_order_mark_and_line_ends_of_other_systems_are_read(tmp_path):
    write(tmp_path / "t.csv", rows())
    first = load(scenario(tmp_path, CSV).data.source())
    text = (tmp_path / "t.csv").read_text()
    for raw in (text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode(), text.replace("\n", "\r").encode(), text.strip().encode()):
        (tmp_path / "t.csv").write_bytes(raw)
        load.cache_clear()
        again = load(scenario(tmp_path, CSV).data.source())
        assert again.x.tobytes() == first.x.tobytes()
        assert [column.name for column in again.columns] == ["a", "b"]


# ---- classes by name


def test_a_class_is_meant_by_its_name_and_named(tmp_path):
    write(tmp_path / "t.csv", [[*row[:2], str(1 + i % 5)] for i, row in enumerate(rows())])
    delete = {"round": 2, "do": "delete", "peer": 0, "rows": {"label": 3}}
    one = plan(tmp_path, CSV, event=[delete])
    data = load(one.briefs[0].data)
    assert {data.labels[data.y[row]] for row in one.timeline.erasures[0].rows} == {"3"}
    assert "rows of class 3" in checked(one)
    assert plan(tmp_path, CSV, event=[delete | {"rows": {"label": "3"}}]).timeline.erasures == one.timeline.erasures


@pytest.mark.parametrize("label", [0, 6, -1, "three"])
def test_a_class_that_nobody_called_so_is_refused_with_the_names(tmp_path, label):
    write(tmp_path / "t.csv", [[*row[:2], str(1 + i % 5)] for i, row in enumerate(rows())])
    line = refusal(tmp_path, CSV, event=[{"round": 2, "do": "delete", "peer": 0, "rows": {"label": label}}])
    assert "the classes are 1, 2, 3, 4, 5" in line


def test_class_holders_are_chosen_by_name(tmp_path):
    write(tmp_path / "t.csv", [[*row[:2], "low" if row[2] == "0" else "high"] for row in rows()])

    def leave(label: Any) -> list[dict[str, Any]]:
        return [{"round": 2, "do": "leave", "select": {"by": "class_holder", "label": label, "count": 1}, "erase": True}]

    one = plan(tmp_path, CSV, event=leave("low"))
    data = load(one.briefs[0].data)
    holding = [sum(data.labels[data.y[row]] == "low" for row in brief.rows) for brief in one.briefs]
    assert one.timeline.erasures[0].peer == holding.index(max(holding))
    assert "the classes are high, low" in refusal(tmp_path, CSV, event=leave(1))


# ---- archives


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


# ---- ratings


def rating_lines(items: int = 30) -> list[tuple[int, int]]:
    draw = np.random.default_rng(3)
    return [(user, int(item)) for user in range(40) for item in draw.choice(items, 6, replace=False)]


RATINGS = {"dataset": "ratings", "path": "r.csv", "partition": {"kind": "users"}}


def test_huge_item_numbers_are_numbered_anew_and_told(tmp_path):
    lines = rating_lines()
    text = "uid,iid\n" + "\n".join(f"{user},{3_000_000_000 if item == 7 else item * 6000}" for user, item in lines)
    (tmp_path / "r.csv").write_text(text)
    one = plan(tmp_path, RATINGS, main=RECSYS)
    assert one.shape == (30,)
    assert "3000000000" in one.labels
    assert "30 items with numbers up to 3000000000 are numbered anew" in checked(one)


def test_users_are_meant_by_the_numbers_of_the_file(tmp_path):
    (tmp_path / "r.csv").write_text("uid,iid\n" + "\n".join(f"{1000 * user + 5},{item}" for user, item in rating_lines()))
    one = plan(tmp_path, RATINGS, main=RECSYS)
    data = load(one.briefs[0].data)
    user = int(data.user_names[one.briefs[0].rows[0]])
    assert user >= 1000 or user == 5
    delete = {"round": 2, "do": "delete", "peer": 0, "rows": {"user": user}}
    gone = plan(tmp_path, RATINGS, main=RECSYS, event=[delete]).timeline.erasures[0].rows
    assert set(data.user_names[list(gone)]) == {user}
    line = refusal(tmp_path, RATINGS, main=RECSYS, event=[delete | {"rows": {"user": 1}}])
    assert "name a user it holds" in line


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("title,uid,iid", '"Film {}, 7, 8"'),
        ("tag,uid,iid", "#{}"),
        ("title,uid,iid", '"a ""quoted"" {}"'),
        ("text,uid,iid", '"two\nlines {}"'),
    ],
)
def test_quotes_and_hashes_are_read_as_csv(tmp_path, header, cell):
    (tmp_path / "plain.csv").write_text("uid,iid\n" + "\n".join(f"{user},{item}" for user, item in rating_lines()))
    (tmp_path / "r.csv").write_text(header + "\n" + "\n".join(f"{cell.format(item)},{user},{item}" for user, item in rating_lines()))
    plain = load(scenario(tmp_path, RATINGS | {"path": "plain.csv"}, main=RECSYS).data.source())
    quoted = load(scenario(tmp_path, RATINGS, main=RECSYS).data.source())
    assert quoted.x.tobytes() == plain.x.tobytes()
    assert quoted.y.tobytes() == plain.y.tobytes()


@pytest.mark.parametrize("cell", ["", "1.5", "x", "-1", "nan", "99999999999999999999"])
def test_numbers_of_users_that_are_none_are_refused(tmp_path, cell):
    (tmp_path / "r.csv").write_text("uid,iid\n0,1\n0,2\n" + f"{cell},3\n")
    assert "line 4: column uid holds" in refusal(tmp_path, RATINGS, main=RECSYS)


# ---- graphs and traces


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1 2\n1 2\n", "line 1 is '0 1 2', with more than two peer numbers"),
        ("0 1\n1\n", "line 2"),
        ("0;1\n1;2\n", "line 1"),
        ("% comment\n0 1\n", "comments start with #"),
        ("0 1\n1 7\n", "node 7"),
        ("0 1\n1 ²\n", "line 2"),
        ("0 1\n1 " + "9" * 5000, "line 2"),
        ("", "no edge"),
    ],
)
def test_edge_lists_that_are_none_are_refused(tmp_path, text, words):
    write(tmp_path / "t.csv", rows())
    (tmp_path / "g.txt").write_text(text)
    assert words in refusal(tmp_path, CSV, topology={"kind": "file", "path": "g.txt"})


EDGES = ["0 1\n1 2\n", "# c\n0,1\n1,2 # d\n", "0\t1\n\n1\t2\n", "0 1 0.5\n2 1 {'weight': 1.5}\n1 0\n", "\ufeff0 1\n1 2\n"]


@pytest.mark.parametrize("text", EDGES)
def test_edge_lists_are_read(tmp_path, text):
    write(tmp_path / "t.csv", rows())
    (tmp_path / "g.txt").write_text(text, encoding="utf-8")
    one = plan(tmp_path, CSV, topology={"kind": "file", "path": "g.txt"})
    assert one.timeline.rounds[0].edges == ((0, 1), (1, 2))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("peer,from,to\n1,1,2\n3,1,2\n", "line 3 names peer 3: peers are 0 to 2"),
        ("peer,from,to\n0,1700000000,1700003600\n", "line 2: from 1700000000 to 1700003600 touches none of the rounds 1 to 2"),
        ("peer,from,to\n-1,1,2\n", "names peer -1"),
        ("peer;from;to\n0;1;2\n", "semicolons"),
        ("peer,from,to\n0,1.5,2\n", "three whole numbers"),
        ("peer,from,to\n0,0,2\n", "no interval"),
    ],
)
def test_traces_that_are_none_are_refused(tmp_path, text, words):
    write(tmp_path / "t.csv", rows())
    (tmp_path / "c.csv").write_text(text)
    assert words in refusal(tmp_path, CSV, churn={"kind": "trace", "path": "c.csv"})
    some = {"kind": "trace", "path": "c.csv", "peers": [0]}
    assert words in refusal(tmp_path, CSV, churn=some), "also where a trace is followed for some peers only"


def test_endless_intervals_are_cut_to_the_run(tmp_path):
    write(tmp_path / "t.csv", rows())
    (tmp_path / "c.csv").write_text("peer,from,to\n0,1,999999999\n1,2,2147483647\n2,1,999999999999999999\n")
    one = plan(tmp_path, CSV, churn={"kind": "trace", "path": "c.csv"})
    assert [now.present for now in one.timeline.rounds] == [(0, 2), (0, 1, 2)]


CORA = {
    "x_data": np.ones(60),
    "x_indices": np.arange(60) % 12,
    "x_indptr": np.arange(61),
    "x_shape": np.array([60, 12]),
    "edges": np.stack([np.arange(59), np.arange(1, 60)], axis=1),
    "y": np.arange(60) % 3,
}


def changed(name: str, place: Any, value: float) -> np.ndarray:
    array = CORA[name].copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_indices": changed("x_indices", 3, 12)}, "names a feature outside 0 .. 11 (12)"),
        ({"x_indices": changed("x_indices", 3, 500_000)}, "names a feature outside 0 .. 11"),
        ({"x_indices": changed("x_indices", 3, -1)}, "names a feature outside 0 .. 11 (-1)"),
        ({"x_indptr": changed("x_indptr", 3, 9)}, "falls from 9 to 4"),
        ({"x_indptr": changed("x_indptr", 60, 61)}, "x_indptr goes from 0 to 61"),
        ({"x_indptr": changed("x_indptr", 0, 1)}, "x_indptr goes from 1"),
        ({"x_indptr": CORA["x_indptr"].astype(float)}, "x_indptr holds float64"),
        ({"x_indices": np.zeros(60, int), "x_indptr": np.minimum(np.arange(61) * 2, 60)}, "names feature 0 twice"),
        ({"x_shape": np.array([60, 1 << 50])}, "more than half"),
        ({"x_shape": np.array([60])}, "x_shape is [60]"),
        ({"edges": CORA["edges"] + 0.5}, "edges holds float64"),
        ({"edges": changed("edges", (0, 0), 60)}, "an edge names a node outside 0 .. 59 (60)"),
        ({"edges": CORA["edges"].astype(np.uint64) - np.uint64(1)}, "an edge names a node outside"),
        ({"y": CORA["y"].astype(float)}, "y holds float64"),
        ({"y": changed("y", 0, 10**9)}, "y goes from 0 to 1000000000"),
        ({"y": changed("y", 0, -2)}, "y goes from -2"),
        ({"x_data": CORA["x_data"].astype(str)}, "it needs numbers"),
    ],
)
def test_citations_that_contradict_themselves_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "c.npz", **CORA | arrays)
    assert words in refusal(tmp_path, {"dataset": "citations", "path": "c.npz", "partition": {"kind": "communities"}})


def test_citations_are_read(tmp_path):
    np.savez(tmp_path / "c.npz", **CORA | {"y": changed("y", 0, -1)})
    one = plan(tmp_path, {"dataset": "citations", "path": "c.npz", "partition": {"kind": "iid"}})
    assert "1 nodes without a label are left out" in checked(one)


# ---- scenario files


TOML = """\
name = "x"
rounds = 2
[data]
dataset = "digits"
reference = 9
test = 9
partition = { kind = "iid" }
[peers]
count = 3
main = [{ kind = "linear" }]
seed = { kind = "linear" }
[topology]
kind = "ring"
"""


def test_a_scenario_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "s.toml").write_text(TOML, encoding="utf-8-sig")
    (tmp_path / "t.toml").write_text(TOML)
    assert Scenario.load(tmp_path / "s.toml") == Scenario.load(tmp_path / "t.toml")
    assert Scenario.parse("\ufeff" + TOML) == Scenario.parse(TOML)


@pytest.mark.parametrize("path", [r"C:\Users\me\t.csv", r"C:\data\t.csv", r"C:\temp\t.csv", r"\\server\new"])
def test_paths_of_windows_get_a_hint_at_quoting(tmp_path, path):
    text = TOML.replace('dataset = "digits"', f'dataset = "csv"\npath = "{path}"')
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ScenarioError, match="single quotes"):
        resolve(Scenario.load(tmp_path / "s.toml"))


# ---- what a deletion decides


def test_check_warns_where_a_deleted_row_alone_decides(tmp_path):
    table = [[*row[:2], "gb"[i % 2], row[2]] for i, row in enumerate(rows())]
    table.append(["1e9", "0", "secret", "2"])
    write(tmp_path / "t.csv", table, "a,b,colour,label")

    def warned(row: int) -> str:
        one = plan(tmp_path, CSV, seed=2)
        holder = next(brief.peer for brief in one.briefs if row in brief.rows)
        delete = {"round": 2, "do": "delete", "peer": holder, "rows": {"ids": [row]}}
        return " ".join(checked(plan(tmp_path, CSV, seed=2, event=[delete])).split())

    for words in ("the highest value of column a", "the category secret of column colour", "the class 2"):
        assert words in warned(60)
    dealt = [row for brief in plan(tmp_path, CSV, seed=2).briefs for row in brief.rows]
    x = load(scenario(tmp_path, CSV).data.source()).x
    inner = next(row for row in dealt if row != 60 and 0 < x[row, 1] < 1 and x[row, 0] > 0)
    assert "warning" not in warned(inner), "a row like others decides nothing"


# ---- the command, and the folder of cases


def lethe(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "simulator.cli", *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_bad_files_exit_2_and_write_nothing(tmp_path):
    table = rows()
    table[7][1] = ""
    write(tmp_path / "t.csv", table)
    (tmp_path / "s.toml").write_text(scenario(tmp_path, CSV).to_toml())
    done = lethe("run", "s.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "t.csv: line 9: column b" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.toml", "t.csv"]


CASES: dict[str, str | Callable[[Plan], bool]] = {
    "idx_twins/s.toml": lambda one: sum(len(brief.rows) for brief in one.briefs) == 80,
    "idx_float/s.toml": lambda one: load(one.briefs[0].data).x.max() > 0.5,
    "idx_damaged/s.toml": "train-images-idx3-ubyte.gz: cannot be read",
    "csv_nearly_numeric/s.toml": "line 9: column a holds ''",
    "csv_semicolons/s.toml": "semicolons",
    "csv_semicolons/noheader.toml": "semicolons",
    "csv_duplicate_header/s.toml": "label = 'y'",
    "csv_duplicate_header/dup_feature.toml": "column = 'site'",
    "csv_header_flag/s.toml": "header = true",
    "csv_header_flag/swallow.toml": "header = false",
    "csv_same_label_twice/s.toml": lambda one: one.labels == ("0", "1"),
    "label_by_name/s.toml": lambda one: "class 3" in checked(one),
    "npz_missing_labels/s.toml": "'nan'",
    "npz_other_formats/npy.toml": "is a .npy file",
    "npz_other_formats/bad.toml": "cannot be read as npz",
    "ratings_huge_ids/huge.toml": lambda one: one.shape == (31,),
    "ratings_quotes_and_hashes/title.toml": lambda one: load(one.briefs[0].data).user_names.max() < 100 and one.shape == (30,),
    "ratings_quotes_and_hashes/hash.toml": lambda one: len(load(one.briefs[0].data)) == 320,
    "adjacency_list/adj2.toml": "line 1",
    "churn_trace/one.toml": "peer 4",
    "churn_trace/epoch.toml": "touches none of the rounds",
    "churn_trace/forever.toml": lambda one: [now.present for now in one.timeline.rounds] == [(0, 2, 3), (0, 1, 2, 3)],
    "toml_bom/bom.toml": lambda one: len(one.briefs) == 3,
    "citations_out_of_bounds/oob.toml": "x_indices",
    "citations_out_of_bounds/oob1.toml": "x_indices",
    "citations_out_of_bounds/floatedges.toml": "edges holds float64",
    "outlier/base.toml": lambda one: "the category secret-disease of column colour" in checked(one),
    "outlier/clean.toml": lambda one: "warning" not in checked(one),
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_folder_of_cases(case):
    folder = Path(__file__).resolve().parents[3] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip(f"no folder of cases at {folder}")
    right = CASES[case]
    load.cache_clear()
    if isinstance(right, str):
        with pytest.raises(ScenarioError) as error:
            resolve(Scenario.load(folder / case))
        assert right in str(error.value)
        assert "\n" not in str(error.value)
    else:
        assert right(resolve(Scenario.load(folder / case)))


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Files change within a test, but what was read is kept by spec."""
    load.cache_clear()
