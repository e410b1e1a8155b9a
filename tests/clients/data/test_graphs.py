from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from clients.data import DataError
from clients.data.graphs import graph, load_graph

ARRAYS = {
    "x_data": np.array([1.0, 3.0, 2.0], np.float32),
    "x_indices": np.array([0, 2, 1]),
    "x_indptr": np.array([0, 2, 3, 3]),
    "x_shape": np.array([3, 4]),
    "edges": np.array([[0, 2]]),
    "y": np.array([1, 0, -1]),
}


def save(folder: Path, **changes: np.ndarray) -> Path:
    np.savez(folder / "g.npz", **{**ARRAYS, **changes})
    return folder / "g.npz"


def test_rows_of_features_are_scaled_to_sum_to_one(tmp_path: Path) -> None:
    data = load_graph(save(tmp_path))
    assert data.x.toarray().tolist() == [[0.25, 0, 0.75, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert (data.ids.tolist(), data.edges.tolist(), data.y.tolist()) == ([0, 1, 2], [[0, 2]], [1, 0, -1])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"edges": np.array([[0, 3]])}, "outside 0 .. 2"),
        ({"edges": np.array([0, 2])}, r"edges \(2,\)"),
        ({"y": np.zeros(2)}, "3 rows of features"),
        ({"x_data": np.array([np.nan, 1, 1])}, "not finite"),
        ({"x_indptr": np.array([0, 2])}, "not a citation graph"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, changes: dict[str, np.ndarray], told: str) -> None:
    path = save(tmp_path, **changes)
    with pytest.raises(DataError, match=told) as caught:
        load_graph(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", y=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("few.npz", "text.npz", "none.npz"):
        with pytest.raises(DataError, match="not a citation graph"):
            load_graph(tmp_path / name)


def test_a_graph_is_made_canonical_and_cut() -> None:
    data = graph([9, 4, 6], sp.csr_matrix(np.diag([9, 4, 6])), [[9, 4], [4, 9], [6, 6], [6, 4]], [0, 1, 2])
    assert (data.ids.tolist(), data.y.tolist(), data.edges.tolist()) == ([4, 6, 9], [1, 2, 0], [[4, 6], [4, 9]])
    assert data.x.toarray().sum(axis=1).tolist() == [4, 6, 9]
    assert data.without([6]).edges.tolist() == data.only([4, 9]).edges.tolist() == [[4, 9]]
    assert data.without_edges([[4, 9]]).edges.tolist() == [[4, 6]]
    asked = data.around([9])
    assert (asked.ids.tolist(), asked.edges.tolist(), asked.y.tolist()) == ([9], [[4, 9]], [0])


def test_citation_graphs_are_read(shared_data: Path) -> None:
    cora, citeseer = load_graph(shared_data / "cora.npz"), load_graph(shared_data / "citeseer.npz")
    assert (cora.x.shape, len(cora.edges), cora.y.max()) == ((2708, 1433), 5278, 6)
    assert (citeseer.x.shape[0], len(citeseer.edges), (citeseer.y < 0).sum()) == (3327, 4552, 15)
