"""A DaRE forest that forgot is, byte for byte, the forest that never knew; and every number in it is a recount."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier

from clients import wire
from clients.data.csv import Csv
from clients.data.rows import Column, Rows
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.dare import forest_kernels
from clients.unlearning.exact.dare.forest import Forest
from clients.unlearning.exact.dare.grove import AT, BELOW, FEATURE, LEAF, NUMBER, SPLIT, TIES, Grove
from clients.unlearning.exact.dare.pick_kernels import ALL, pick, sift
from clients.unlearning.exact.dare.spec import Dare
from tests.clients.unlearning.exact.forests import blob, grown

KEY = (5, "main")


def cancer() -> tuple[Rows, Problem]:
    source = load_breast_cancer()
    return Rows(np.arange(569) * 5 + 11, source.data.astype(np.float32), source.target.astype(np.int64)), Problem((30,), 2)


def mixed(n: int = 300) -> tuple[Rows, Problem]:
    """Three classes; few distinct values, a categorical column, a constant one."""
    rng = np.random.default_rng(8)
    x = np.stack([rng.integers(0, 9, n), rng.integers(0, 4, n), rng.normal(size=n).round(1), np.ones(n)], axis=1).astype(np.float32)
    y = (x[:, 0] > 4).astype(np.int64) + ((x[:, 1] == 2) & (x[:, 2] > 0))
    y[rng.random(n) < 0.15] = 1
    columns = (Column("a", 0, 8), Column("b", 0, 3, 4), Column("c", -4, 4), Column("d", 0, 1))
    return Rows(np.arange(n) + 100, x, y), Problem((4,), 3, columns=columns)


OPTIONS: dict[str, tuple[Dare, bool]] = {
    "greedy": (Dare(trees=12), True),
    "random top": (Dare(trees=12, random_depth=3, cuts=5), True),
    "lazy shares": (Dare(trees=12, share=0.25, lazy=True), True),
    "leaves of four": (Dare(trees=8, min_leaf=4, min_split=9, depth=6), True),
    "mixed columns": (Dare(trees=8, cuts=3), False),
    "mixed lazy": (Dare(trees=8, cuts=2, features=4, lazy=True, min_leaf=2), False),
    "deep": (Dare(trees=3, depth=40, cuts=2, features=1), False),
}


def setting(name: str) -> tuple[Dare, Rows, Problem]:
    spec, numeric = OPTIONS[name]
    return (spec, *(cancer() if numeric else mixed()))


def fitted(spec: Dare, rows: Rows, problem: Problem) -> Forest:
    return grown(Forest, spec, rows, problem, KEY)


def nodes_of(model: Forest, tree: int) -> Iterator[tuple[int, Any, np.ndarray]]:
    """Yield each place in a tree, its node, and the rows that are routed to it, found from the root by comparing features."""
    g = model.grove
    assert g is not None
    stack = [(0, np.flatnonzero((g.label >= 0) & (g.member[:, tree] == 1)))]
    while stack:
        place, rows = stack.pop()
        node = g.nodes[tree, place]
        yield place, node, rows
        if node["kind"] == SPLIT:
            values = g.x[rows, node["feature"]]
            left = values == node["cut"] if g.categorical[node["feature"]] else values <= node["cut"]
            stack += [(int(node["left"]), rows[left]), (int(node["left"]) + 1, rows[~left])]


def listed(g: Grove, tree: int, slot: int) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield each feature tried at a split: its number, the cuts listed, rows on each cut, and rows per class that go left at each."""
    for head, cell, floats in zip(g.heads[tree, slot], g.cells[tree, slot], g.floats[tree, slot], strict=True):
        many = head[NUMBER]
        if not many:
            return
        yield int(head[FEATURE]), floats[AT, :many], cell[TIES, :many], cell[BELOW:, :many].astype(np.int64)


def recount(model: Forest) -> int:
    """Check every statistic of every tree against its rows; return how many candidates were checked."""
    g, spec, checked = model.grove, model.settings, 0
    assert g is not None
    classes = g.counts.shape[2]
    for t in range(spec.trees):
        for place, node, rows in nodes_of(model, t):
            y = g.label[rows]
            assert (g.counts[t, place] == np.bincount(y, minlength=classes)).all()
            stretch = g.order[t, node["start"] : node["end"]]
            assert sorted(r for r in stretch if r >= 0 and g.label[r] >= 0) == sorted(rows)
            if node["kind"] == LEAF:
                continue
            merits, most = [], 1 if node["depth"] < spec.random_depth else spec.cuts
            for j, cuts, ties, below in listed(g, t, int(node["slot"])):
                column = g.x[rows, j]
                values, numbers = np.unique(column, return_counts=True)
                for i, at in enumerate(cuts):
                    assert ties[i] == numbers[values == at][0]
                    left = column == at if g.categorical[j] else column <= at
                    assert (below[:, i] == np.bincount(y[left], minlength=classes)).all()
                    assert spec.min_leaf <= left.sum() <= len(rows) - spec.min_leaf
                    above = g.counts[t, place] - below[:, i]
                    merit = (below[:, i] ** 2).sum() / left.sum() + (above**2).sum() / above.sum()
                    merits += [(-merit, j, float(at))] * (i < most)  # those behind are next in turn
                    checked += 1
            assert min(merits)[1:] == (node["feature"], node["cut"])
    return checked


@pytest.mark.parametrize("name", OPTIONS)
def test_two_hundred_single_deletions_leave_the_refit(name: str) -> None:
    spec, rows, problem = setting(name)
    model = fitted(spec, rows, problem)
    gone = np.random.default_rng(1).choice(rows.ids, 200, replace=False)
    for i, row in enumerate(gone):
        model.forget(np.array([row]))
        if i % 50 == 0:
            model.predict_proba(rows.x[:20])
    assert blob(model) == blob(fitted(spec, rows.without(gone), problem))
    assert recount(model) > 100


@pytest.mark.parametrize("name", OPTIONS)
def test_a_batch_of_a_tenth_and_a_class_leave_the_refit(name: str) -> None:
    spec, rows, problem = setting(name)
    model = fitted(spec, rows, problem)
    gone = np.random.default_rng(2).choice(rows.ids, len(rows) // 10, replace=False)
    model.forget(gone)
    kept = rows.without(gone)
    refit = fitted(spec, kept, problem)
    assert blob(model) == blob(refit)
    assert model.predict_proba(rows.x).tobytes() == refit.predict_proba(rows.x).tobytes()
    model.forget(kept.ids[kept.y == 1])
    assert blob(model) == blob(fitted(spec, kept.keep(kept.y != 1), problem))
    recount(model)


@pytest.mark.parametrize("name", OPTIONS)
def test_additions_leave_the_refit_and_undo_deletions(name: str) -> None:
    spec, rows, problem = setting(name)
    late = np.random.default_rng(3).choice(rows.ids, 40, replace=False)
    model = fitted(spec, rows.without(late), problem)
    model.add(rows.only(late[:1]))
    model.add(rows.only(late[1:25]))
    model.forget(np.sort(rows.without(late).ids[:7]))
    model.add(rows.only(late[25:]))
    kept = rows.without(rows.without(late).ids[:7])
    assert blob(model) == blob(fitted(spec, kept, problem))
    recount(model)
    with pytest.raises(UnlearningError, match="never reused"):
        model.add(rows.only(late[:1]))


def test_a_threshold_whose_value_vanishes_gives_way_to_the_next() -> None:
    rng = np.random.default_rng(4)
    x = np.arange(80, dtype=np.float32)[:, None]  # every value is held by one row, so every deletion of a chosen one is a vanishing
    rows, problem = Rows(np.arange(80), x, (rng.random(80) < 0.5).astype(np.int64)), Problem((1,), 2)
    spec = Dare(trees=4, cuts=3)
    model = fitted(spec, rows, problem)
    assert model.grove is not None
    while model.held.count > 10:
        root = model.grove.nodes[0, 0]
        _, chosen, _, _ = next(listed(model.grove, 0, int(root["slot"])))
        model.forget(chosen.astype(np.int64)[:1])
        assert blob(model) == blob(fitted(spec, model.held.kept(), problem))
        recount(model)


def crowded(seed: int) -> tuple[Rows, Problem]:
    """Many values and few, repeated and not, two that are one (0 and -0), one class that is rare: 160 rows."""
    rng = np.random.default_rng(seed)
    heavy = np.where(rng.random(160) < 0.7, 0, rng.normal(size=160))
    x = np.stack([heavy, rng.normal(size=160), rng.integers(0, 3, 160), -np.abs(heavy), rng.integers(0, 90, 160)], axis=1)
    y = (heavy + rng.normal(size=160) > 0.8).astype(np.int64) + (rng.random(160) < 0.05)
    columns = tuple(Column(name, -9, 99, 3 * (name == "c")) for name in "abcde")
    return Rows(np.arange(160) * 3, x.astype(np.float32), y), Problem((5,), 3, columns=columns)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), leaf=st.sampled_from([1, 2, 7]), top=st.integers(0, 2), lazy=st.booleans())
def test_any_requests_in_any_batches_leave_the_refit(seed: int, leaf: int, top: int, lazy: bool) -> None:
    rows, problem = crowded(seed)
    spec = Dare(trees=3, cuts=6, min_leaf=leaf, random_depth=top, lazy=lazy, share=0.6)
    model, rng = fitted(spec, rows, problem), np.random.default_rng(seed)
    while model.held.count > 4:
        held = model.held.ids()
        model.forget(rng.choice(held, min(len(held), int(rng.choice([1, 1, 1, 2, 9, 30]))), replace=False))
        if rng.random() < 0.2:
            assert blob(model) == blob(fitted(spec, model.held.kept(), problem))
            recount(model)
    assert blob(model) == blob(fitted(spec, model.held.kept(), problem))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["greedy", "mixed columns", "leaves of four"])
def test_with_a_histogram_or_row_by_row_the_same_is_found(name: str) -> None:
    spec, rows, problem = setting(name)
    model = fitted(spec, rows, problem)
    expected = blob(model)
    assert model.grove is not None
    for tabled in (1, 0):  # as if no feature had many values, or all had
        model.grove.tabled[:] = tabled
        model._perform(forest_kernels.PLANT)
        assert blob(model) == expected
        recount(model)


@numba.njit
def picked(codes: Any, key: Any, word: Any, low: Any, high: Any, k: int) -> Any:
    n = len(codes) + 3
    places, found, picks, marks, seen = (
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint8),
    )
    chosen = pick(codes, len(codes), key, word, low, high, picks, k, (places, found), (np.zeros(n, np.uint64), marks), seen)
    first = sift(codes, marks, len(codes), ALL // np.uint64(len(codes)) * np.uint64(k + k // 4 + 4), low, high, places, found, seen)
    return picks[:chosen], first, seen.sum()


@pytest.mark.parametrize(("k", "again"), [(6, False), (30, True), (60, True)])
def test_the_picks_have_the_smallest_hashes_even_where_a_first_guess_leaves_too_few(k: int, again: bool) -> None:
    rng = np.random.default_rng(6)
    word = rng.integers(0, 2**63, 50).astype(np.uint64)
    codes = np.concatenate([np.arange(50)] * (1 + again) + [np.full(200 * again, 7)]).astype(np.int32)  # one value is held by most rows
    key = np.uint64(9)
    hashes = (key ^ word)[None].copy()
    forest_kernels.spread(hashes)
    expected = [c for c in np.argsort(hashes[0]) if 3 <= c < 47][:k]
    picks, first, left_over = picked(codes, key, word, np.int32(3), np.int32(47), k)
    assert picks.tolist() == expected
    assert (first < min(k, 44)) == again
    assert left_over == 0


def test_what_is_tried_is_all_there_is_when_everything_is_allowed() -> None:
    rows, problem = mixed(60)
    g = fitted(Dare(trees=1, cuts=500, features=4), rows, problem).grove
    assert g is not None
    root = g.nodes[0, 0]
    expected = {(j, float(v)) for j in (0, 2) for v in np.unique(rows.x[:, j])[:-1]} | {(1, float(v)) for v in range(4)}
    assert {(j, float(v)) for j, cuts, _, _ in listed(g, 0, int(root["slot"])) for v in cuts} == expected


def test_shares_put_every_row_in_so_many_trees() -> None:
    rows, problem = cancer()
    spec = Dare(trees=10, share=0.31)
    model = fitted(spec, rows, problem)
    assert model.grove is not None
    assert (model.grove.member.sum(axis=1) == 4).all()
    assert {len(kept.ids) for kept in model.stored()} != {len(rows)}


def test_order_of_rows_and_requests_does_not_matter() -> None:
    rows, problem = mixed()
    spec = Dare(trees=6)
    forth, back = fitted(spec, rows, problem), fitted(spec, rows, problem)
    for row in rows.ids[::9]:
        forth.forget(np.array([row]))
    for row in rows.ids[::9][::-1]:
        back.forget(np.array([row]))
    assert blob(forth) == blob(back)


def test_it_is_as_good_as_a_random_forest() -> None:
    source = load_digits()
    x, y = source.data.astype(np.float32), source.target.astype(np.int64)
    train = np.arange(len(y)) % 4 > 0
    model = fitted(Dare(trees=60, depth=20), Rows(np.flatnonzero(train), x[train], y[train]), Problem((8, 8), 10))
    ours = (model.predict_proba(x[~train].reshape(-1, 8, 8)).argmax(axis=1) == y[~train]).mean()
    theirs = RandomForestClassifier(60, random_state=0).fit(x[train], y[train]).score(x[~train], y[~train])
    assert ours > theirs - 0.03


def test_room_runs_out_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, problem = mixed()
    spec = Dare(trees=5, depth=30)
    roomy = fitted(spec, rows, problem)
    monkeypatch.setattr("clients.unlearning.exact.dare.forest._SLOTS", 2)
    tight = fitted(spec, rows, problem)
    for row in rows.ids[:60]:
        tight.forget(np.array([row]))
    roomy.forget(rows.ids[:60])
    assert blob(tight) == blob(roomy)


def test_one_compilation_serves_forests_of_any_number_of_rows_and_columns() -> None:
    """Numba compiles anew for arrays of another layout, and an array with one row or column has another than one with many."""
    rows, problem = mixed(60)
    model = fitted(Dare(trees=2), rows, problem)
    model.forget(rows.ids[1:])
    model.forget(rows.ids[:1])
    model.predict_proba(rows.x)
    single = Rows(rows.ids, rows.x[:, :1], rows.y)
    fitted(Dare(trees=2), single, Problem((1,), 3))
    fitted(Dare(trees=2), single.only(rows.ids[:1]), Problem((1,), 3)).predict_proba(single.x)
    assert len(forest_kernels.perform.signatures) == 1


def test_bad_input_changes_nothing() -> None:
    rows, problem = mixed()
    model = fitted(Dare(trees=4), rows, problem)
    model.forget(rows.ids[:3])
    before, answers = blob(model), model.predict_proba(rows.x).tobytes()
    for ids in ([rows.ids[0]], [rows.ids[5], rows.ids[5]], [rows.ids[5], 7], [-1]):
        with pytest.raises(UnlearningError, match="row"):
            model.forget(np.array(ids))
    for value in (np.nan, np.inf, 4, 0.5):
        x = rows.x.copy()
        x[9, 1] = value
        for act in (model.begin, model.add):
            with pytest.raises(UnlearningError, match="column b"):
                act(Rows(rows.ids + 10**6, x, rows.y))
        with pytest.raises(UnlearningError, match="column b"):
            model.predict_proba(x)
    with pytest.raises(UnlearningError, match="label 3"):
        model.begin(Rows(rows.ids, rows.x, rows.y + 1))
    with pytest.raises(UnlearningError, match="at least two"):
        Dare().build(Problem((4,), 1), KEY)
    other = Dare(trees=4).build(problem, KEY)
    with pytest.raises(UnlearningError, match="rows that were held"):
        other.restore(wire.from_bytes(before), rows)
    assert (blob(model), model.predict_proba(rows.x).tobytes()) == (before, answers)


def test_planted_faults_are_caught() -> None:
    rows, problem = cancer()
    spec = Dare(trees=6)
    gone = rows.ids[::20]
    expected = blob(fitted(spec, rows.without(gone), problem))

    stale = fitted(spec, rows, problem)
    assert stale.grove is not None
    stale.grove.cells[..., BELOW:, :] += 1  # statistics that were not updated, everywhere
    with pytest.raises(AssertionError):
        recount(stale)
    stale.forget(gone)
    assert blob(stale) != expected

    skipping = fitted(spec, rows, problem)
    skipping.forget(gone[:-1])  # the last row of a batch is ignored
    assert blob(skipping) != expected

    running = fitted(spec, rows, problem)
    assert running.grove is not None
    running.grove.key[:] += np.uint64(1)  # choices drawn from a generator that has moved on since training
    running.forget(gone)
    assert blob(running) != expected

    by_storage = fitted(spec, rows, problem)
    assert by_storage.grove is not None
    first = by_storage.grove._replace(key=by_storage.grove.key[::-1].copy())  # choices keyed by where a tree happens to be stored
    by_storage.grove = first
    forest_kernels.perform(first, forest_kernels.PLANT, 0, 6, np.zeros((2, 0), np.int32), rows.x[:0], np.zeros((0, 2)))
    by_storage.forget(gone)
    assert blob(by_storage) != expected


def test_adult_with_its_categories(shared_data: Path) -> None:
    data = Csv(path=str(shared_data / "adult.csv"), header=False).load()
    ids = np.arange(0, len(data.y), 8)
    rows, problem = Rows(ids, data.x[ids], data.y[ids]), Problem(data.shape, data.classes, columns=data.columns)
    spec = Dare(trees=10, depth=12, cuts=10)
    model = fitted(spec, rows, problem)
    gone = np.random.default_rng(5).choice(ids, 60, replace=False)
    for row in gone[:30]:
        model.forget(np.array([row]))
    model.forget(gone[30:])
    assert blob(model) == blob(fitted(spec, rows.without(gone), problem))
    rest = np.setdiff1d(np.arange(len(data.y)), ids)
    assert (model.predict_proba(data.x[rest]).argmax(axis=1) == data.y[rest]).mean() > 0.84
