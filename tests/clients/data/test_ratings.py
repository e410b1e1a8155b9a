from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.data import DataError
from clients.data.ratings import load_ratings, ratings, split


def test_every_rating_is_an_interaction_once(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("val,uid,iid\n1,2,0\n5,0,3\n2,2,0\n")
    data = load_ratings(path)
    assert (data.user.tolist(), data.item.tolist(), data.users, data.items) == ([0, 2], [3, 0], 3, 4)
    assert data.ids.tolist() == [3, 8]
    assert data.matrix().toarray().sum(axis=1).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "no column 'uid'"),
        ("uid,iid\n1,x\n", "not a table"),
        ("uid,iid\n", "no rows"),
        ("uid,iid\n0,-1\n", "negative number"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_bad_table_is_named_with_its_fault(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        load_ratings(path)
    with pytest.raises(DataError, match="not a table"):
        load_ratings(tmp_path / "none.csv")


def test_the_split_deals_every_interaction_once_and_reacts_to_nobody_else() -> None:
    rng = np.random.default_rng(0)
    data = ratings(rng.integers(0, 50, 2000), rng.integers(0, 80, 2000), 50, 80)
    parts = split(data, (1,))
    assert np.array_equal(np.sort(np.concatenate([part.ids for part in parts])), data.ids)
    assert len(parts[1]) == pytest.approx(len(data) / 10, rel=0.3)
    fewer = split(data.keep(data.user != 3), (1,))
    for part, less in zip(parts, fewer, strict=True):
        assert np.array_equal(part.ids[part.user != 3], less.ids)


def test_movielens_is_read(shared_data: Path) -> None:
    data = load_ratings(shared_data / "ml-100k-ratings.csv")
    assert data.users == 943
    assert len(data) > 99_000
