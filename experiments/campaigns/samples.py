"""Small valid files of every kind that a scenario can name, each with its scenario and its number of rows."""

from __future__ import annotations

import csv
import gzip
import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SCENARIO = """\
name = "case"
rounds = 3
[data]
{data}
reference = 5
test = 5
partition = {{ kind = "{partition}" }}
[peers]
count = 3
main = [{main}]
seed = {{ kind = "linear" }}
[topology]
{topology}
{churn}
[[event]]
round = 2
do = "delete"
peer = 0
rows = {{ fraction = 0.2 }}
"""
_LINEAR = '{ kind = "linear" }'
_ERASER = '{ kind = "receraser", shards = 1, partition = "keyed", base = { kind = "wmf" }, dim = 4, epochs = 1, aggregate = "mean" }'
_ROWS = 48


@dataclass(frozen=True)
class Sample:
    """One kind of file.

    Parameters
    ----------
    write : callable
        Writes the valid files into a folder.
    target : str
        Pattern of the files that are damaged.
    rows : callable
        Returns the number of rows in a folder's files as counted by an independent reader; None if it cannot read them.
    settings : dict of str to str
        The scenario's keys.
    """

    write: Callable[[Path, np.random.Generator], None]
    target: str
    rows: Callable[[Path], int | None]
    settings: dict[str, str]

    def scenario(self) -> str:
        """Return the text of the scenario file."""
        whole = {"partition": "iid", "main": _LINEAR, "topology": 'kind = "ring"', "churn": ""} | self.settings
        return _SCENARIO.format(**whole)


def _cells(draw: np.random.Generator) -> Iterator[list[str]]:
    numbers, words = draw.normal(size=(_ROWS, 2)).round(3), draw.choice(["red", "blue", "dark green"], _ROWS)
    for i, (pair, word) in enumerate(zip(numbers, words, strict=True)):
        yield [*map(str, pair), str(word), ["no", "yes"][i % 2]]


def _csv(header: bool) -> Callable[[Path, np.random.Generator], None]:
    def write(folder: Path, draw: np.random.Generator) -> None:
        lines = ([["a", "b", "colour", "label"]] if header else []) + list(_cells(draw))
        (folder / "t.csv").write_text("".join(",".join(line) + "\n" for line in lines))

    return write


def _lines(name: str, header: bool) -> Callable[[Path], int | None]:
    def rows(folder: Path) -> int | None:
        text = (folder / name).read_bytes().decode("utf-8-sig", "replace")
        return sum(bool(line.strip()) for line in io.StringIO(text, newline=None)) - header

    return rows


def _ratings(folder: Path, draw: np.random.Generator) -> None:
    lines = [f'"film {item}, part 1",{user},{item}' for user in range(30) for item in draw.choice(20, 4, replace=False)]
    (folder / "r.csv").write_text("title,uid,iid\n" + "\n".join(lines) + "\n")


def _pairs(folder: Path) -> int | None:
    text = (folder / "r.csv").read_bytes().decode("utf-8-sig", "replace")
    return len({(line.get("uid"), line.get("iid")) for line in csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)})


def _npz(images: bool) -> Callable[[Path, np.random.Generator], None]:
    def write(folder: Path, draw: np.random.Generator) -> None:
        x = draw.integers(0, 256, (_ROWS, 4, 4, 3)).astype(np.uint8) if images else draw.random((_ROWS, 3))
        save = np.savez_compressed if draw.random() < 0.5 else np.savez
        save(folder / "t.npz", x=x, y=np.arange(_ROWS) % 3)

    return write


def _labels(folder: Path) -> int | None:
    try:
        with np.load(folder / "t.npz") as file:
            return len(file["y"])
    except Exception:
        return None


def _idx(zipped: bool) -> Callable[[Path, np.random.Generator], None]:
    def write(folder: Path, draw: np.random.Generator) -> None:
        for name, array in (("images-idx3", draw.integers(0, 256, (_ROWS, 4, 4))), ("labels-idx1", np.arange(_ROWS) % 3)):
            blob = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
            path = folder / f"train-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(blob) if zipped else blob)

    return write


def _announced(folder: Path) -> int | None:
    (path,) = folder.glob("train-labels*")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return int(struct.unpack(">4xI", file.read(8))[0])
    except Exception:
        return None


def _citations(folder: Path, draw: np.random.Generator) -> None:
    per, words = 3, 12
    indices = np.concatenate([np.sort(draw.choice(words, per, replace=False)) for _ in range(_ROWS)])
    np.savez(
        folder / "t.npz",
        x_data=draw.random(_ROWS * per).astype(np.float32),
        x_indices=indices,
        x_indptr=np.arange(_ROWS + 1) * per,
        x_shape=np.array([_ROWS, words]),
        edges=draw.integers(0, _ROWS, (90, 2)),
        y=np.arange(_ROWS) % 3,
    )


def _labelled(folder: Path) -> int | None:
    try:
        with np.load(folder / "t.npz") as file:
            return int((file["y"] >= 0).sum())
    except Exception:
        return None


def _with_graph(folder: Path, draw: np.random.Generator) -> None:
    (folder / "g.txt").write_text("# a comment\n0 1\n1 2\n2 0\n")


def _with_graphml(folder: Path, draw: np.random.Generator) -> None:
    import networkx as nx

    nx.write_graphml(nx.cycle_graph(3), folder / "g.graphml")


def _with_trace(folder: Path, draw: np.random.Generator) -> None:
    (folder / "c.csv").write_text("peer,from,to\n0,1,3\n1,2,4\n2,1,999\n")


def _parquet(folder: Path, draw: np.random.Generator) -> None:
    import pandas as pd

    table = pd.DataFrame(list(_cells(draw)), columns=["a", "b", "colour", "label"])
    table.astype({"a": float, "b": float}).to_parquet(folder / "t.parquet")


def _parquet_rows(folder: Path) -> int | None:
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(folder / "t.parquet").num_rows)
    except Exception:
        return None


def _pictures(folder: Path, draw: np.random.Generator) -> None:
    from PIL import Image

    for i in range(_ROWS // 2):
        path = folder / "pets" / ["cat", "dog"][i % 2] / f"{i}.{['png', 'jpg'][i % 3 == 0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (6, 5, 3)).astype(np.uint8)).save(path)


def _table(path: str, dataset: str, more: str = "") -> dict[str, str]:
    return {"data": f'dataset = "{dataset}"\npath = "{path}"\n{more}'}


_DIGITS = {"data": 'dataset = "digits"\nrows = 60'}


def _sixty(folder: Path) -> int | None:
    return 60


SAMPLES = {
    "csv": Sample(_csv(True), "t.csv", _lines("t.csv", True), _table("t.csv", dataset="csv")),
    "csv without header": Sample(_csv(False), "t.csv", _lines("t.csv", False), _table("t.csv", dataset="csv", more="header = false")),
    "ratings": Sample(_ratings, "r.csv", _pairs, _table("r.csv", dataset="ratings") | {"partition": "users", "main": _ERASER}),
    "npz": Sample(_npz(False), "t.npz", _labels, _table("t.npz", dataset="npz")),
    "npz of images": Sample(_npz(True), "t.npz", _labels, _table("t.npz", dataset="npz")),
    "idx": Sample(_idx(False), "train*", _announced, _table(".", dataset="idx")),
    "idx, zipped": Sample(_idx(True), "train*", _announced, _table(".", dataset="idx")),
    "citations": Sample(_citations, "t.npz", _labelled, _table("t.npz", dataset="citations")),
    "edge list": Sample(_with_graph, "g.txt", _sixty, _DIGITS | {"topology": 'kind = "file"\npath = "g.txt"'}),
    "graphml": Sample(_with_graphml, "g.graphml", _sixty, _DIGITS | {"topology": 'kind = "file"\npath = "g.graphml"'}),
    "trace": Sample(_with_trace, "c.csv", _sixty, _DIGITS | {"churn": '[churn]\nkind = "trace"\npath = "c.csv"'}),
    "parquet": Sample(_parquet, "t.parquet", _parquet_rows, _table("t.parquet", dataset="parquet")),
    "images": Sample(_pictures, "pets/*/*", lambda folder: len(list(folder.glob("pets/*/*"))), _table("pets", dataset="images")),
    "scenario": Sample(_csv(True), "s.toml", lambda folder: None, _table("t.csv", dataset="csv")),
}
