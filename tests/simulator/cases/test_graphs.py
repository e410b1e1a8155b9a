"""Edge lists, traces and citation graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case_files import CSV, checked, plan, refusal, rows, write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1 2\n1 2\n", "line 1 has more than two peer numbers"),
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
