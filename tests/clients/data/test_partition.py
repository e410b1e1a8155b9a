from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.data import DataError, Dataset
from clients.data.interactions import ByUser, Interactions
from clients.data.partition import ByColumn, Dirichlet, Iid, Pathological
from clients.data.rows import Column

KINDS = [Iid(), Dirichlet(alpha=0.3), Dirichlet(alpha=0.05, min_rows=8), Pathological(classes=2), ByColumn(column="age")]


def table(rows: int = 200, classes: int = 4) -> Dataset:
    generator = np.random.default_rng(0)
    x = np.stack([generator.integers(20, 60, rows) / 60, generator.integers(0, 7, rows)], axis=1).astype(np.float32)
    y = np.arange(rows, dtype=np.int64) % classes
    return Dataset(x, y, tuple(map(str, range(classes))), (Column("age", 0, 1), Column("job", 0, 6, 7)))


@given(st.sampled_from(KINDS), st.integers(1, 12), st.integers(0, 10**6), st.integers(120, 200))
def test_every_row_goes_to_exactly_one_peer(kind, peers, seed, count):
    data = table()
    ids = np.sort(np.random.default_rng(seed).permutation(200)[:count]).astype(np.int64)
    if isinstance(kind, Pathological) and peers * kind.classes < data.classes:
        return
    dealt = kind.deal(data, ids, peers, seed)
    assert len(dealt) == peers
    assert np.array_equal(np.sort(np.concatenate(dealt)), ids)
    assert all(len(part) and (np.diff(part) > 0).all() for part in dealt)


@pytest.mark.parametrize("kind", KINDS[:4], ids=lambda kind: kind.kind)
def test_a_deal_depends_on_the_seed_alone(kind):
    data, ids = table(), np.arange(200)
    once, again, other = (kind.deal(data, ids, 5, seed) for seed in (1, 1, 2))
    assert all(map(np.array_equal, once, again))
    assert not all(map(np.array_equal, once, other))


def test_iid_shares_are_equal_to_a_row():
    assert sorted(map(len, Iid().deal(table(), np.arange(200), 7, 3))) == [28] * 3 + [29] * 4


def test_dirichlet_skews_more_where_alpha_is_small():
    def skew(alpha: float) -> float:
        data = table()
        dealt = Dirichlet(alpha=alpha).deal(data, np.arange(200), 5, 1)
        return float(np.mean([np.bincount(data.y[part], minlength=4).max() / len(part) for part in dealt]))

    assert skew(0.05) > skew(1.0) > skew(100.0)


@pytest.mark.parametrize("seed", range(5))
def test_dirichlet_keeps_its_promise_where_no_draw_would(seed):
    dealt = Dirichlet(alpha=0.01, min_rows=20).deal(table(), np.arange(200), 10, seed)
    assert [len(part) for part in dealt] == [20] * 10


def test_dirichlet_that_cannot_be_names_numbers_and_cure():
    with pytest.raises(DataError, match=r"10 peers with at least 21 rows each need 210, but 200 are left .* take fewer peers"):
        Dirichlet(min_rows=21).deal(table(), np.arange(200), 10, 0)


def test_pathological_peers_hold_so_many_classes_and_every_class_is_held():
    data = table()
    dealt = Pathological(classes=2).deal(data, np.arange(200), 6, 5)
    held = [set(data.y[part].tolist()) for part in dealt]
    assert all(len(classes) == 2 for classes in held)
    assert set.union(*held) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("kind", "peers", "words"),
    [
        (Pathological(classes=5), 3, "classes = 5, but the data has 4"),
        (Pathological(classes=1), 3, "cannot hold all 4: take classes = 2 or more peers"),
        (Iid(), 201, "201 peers with at least 1 rows each need 201"),
        (ByColumn(column="wage"), 3, "column = 'wage' is no column of the data set: the columns are age, job"),
        (ByColumn(column="job"), 8, "column job has 7 values for 8 peers: set peers.count to 7 or less"),
    ],
)
def test_what_cannot_be_dealt_is_answered(kind, peers, words):
    with pytest.raises(DataError, match=words):
        kind.deal(table(), np.arange(200), peers, 0)


def test_a_categorical_column_keeps_its_values_together_and_balances_rows():
    data = table()
    dealt = ByColumn(column="job").deal(data, np.arange(200), 3, 0)
    jobs = [set(data.x[part, 1].tolist()) for part in dealt]
    assert sum(map(len, jobs)) == 7
    assert max(map(len, dealt)) - min(map(len, dealt)) < 40


def test_a_numeric_column_is_cut_into_ranges():
    data = table()
    dealt = ByColumn(column="age").deal(data, np.arange(200), 4, 0)
    ages = [data.x[part, 0] for part in dealt]
    assert all(a.max() < b.min() for a, b in pairwise(ages))
    assert max(map(len, dealt)) < 70


def test_images_have_no_columns_to_deal_by():
    data = Dataset(np.zeros((4, 1, 2, 2), np.float32), np.zeros(4, np.int64), ("a",))
    with pytest.raises(DataError, match="this data set has no columns"):
        ByColumn(column="age").deal(data, np.arange(4), 2, 0)


KEYED = [Iid(keyed=True), Dirichlet(alpha=0.7, keyed=True), Pathological(classes=2, keyed=True)]


@given(st.sampled_from(KEYED), st.integers(2, 6), st.integers(0, 10**6), st.sets(st.integers(0, 199), max_size=60))
def test_a_keyed_deal_moves_nobody_when_rows_are_not_there(kind, peers, seed, gone):
    data, ids = table(), np.arange(200)
    left = np.setdiff1d(ids, list(gone))
    try:
        whole, part = (kind.deal(data, some, peers, seed) for some in (ids, left))
    except DataError as error:
        assert "moves none" in str(error) or "cannot hold all" in str(error)  # noqa: PT017  # a peer may be left without rows
        return
    assert np.array_equal(np.sort(np.concatenate(whole)), ids)
    for before, after in zip(whole, part, strict=True):
        assert np.array_equal(np.setdiff1d(before, list(gone)), after)


@pytest.mark.parametrize("kind", [Iid(), Dirichlet(alpha=0.7), Pathological(classes=2)], ids=lambda kind: kind.kind)
def test_other_deals_move_rows(kind):
    """The negative control."""
    data, ids = table(), np.arange(200)
    whole, part = kind.deal(data, ids, 3, 0), kind.deal(data, ids[20:], 3, 0)
    assert not all(np.array_equal(before[before >= 20], after) for before, after in zip(whole, part, strict=True))


def test_keyed_shares_are_about_those_that_are_meant():
    data, ids = table(4000), np.arange(4000)
    assert all(800 < len(part) < 1200 for part in Iid(keyed=True).deal(data, ids, 4, 5))
    near, exact = (Dirichlet(alpha=0.5, keyed=keyed).deal(data, ids, 4, 5) for keyed in (True, False))
    assert all(abs(len(one) - len(other)) < 150 for one, other in zip(near, exact, strict=True))
    held = [np.unique(data.y[part]).tolist() for part in Pathological(classes=2).deal(data, ids, 6, 5)]
    assert held == [np.unique(data.y[part]).tolist() for part in Pathological(classes=2, keyed=True).deal(data, ids, 6, 5)]


def test_a_keyed_deal_that_leaves_a_peer_without_rows_is_refused():
    with pytest.raises(DataError, match=r"peer \d+ gets 0 rows by their hashes"):
        Iid(keyed=True).deal(table(), np.arange(30), 29, 0)
    with pytest.raises(DataError, match="at least 60 are asked for"):
        Dirichlet(min_rows=60, keyed=True, alpha=0.1).deal(table(), np.arange(200), 3, 0)


def test_users_stay_with_their_peer_when_others_are_not_there():
    def dealt(names: list[int]) -> dict[int, int]:
        users = np.repeat(np.arange(len(names)), 2)
        data = Interactions(users[:, None].astype(np.float32), np.tile([0, 1], len(names)), ("a", "b", "c"), user_numbers=tuple(names))
        parts = ByUser(keyed=True).deal(data, np.arange(len(users)), 2, 1)
        return {int(name): peer for peer, part in enumerate(parts) for name in data.user_names[part]}

    names = list(range(5, 200, 7))
    assert dealt(names[3:]) == {name: peer for name, peer in dealt(names).items() if name >= names[3]}
