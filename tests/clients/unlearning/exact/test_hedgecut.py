"""HedgeCut: what is called robust survives every removal tried by brute force, and what forgot is the refit."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from clients import wire
from clients.data.csv import Csv
from clients.data.rows import Column, Rows
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.compiled import compiled
from clients.unlearning.exact.hedgecut import proof_kernels, row_kernels
from clients.unlearning.exact.hedgecut.forest import Forest, public_edges
from clients.unlearning.exact.hedgecut.hedge import LEAF, OPEN, ROBUST
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from tests.clients.unlearning.exact.forests import blob, grown

KEY = (3, "main")
SPEC = HedgeCut(trees=10, budget=0.1, nested=1)
SPECS = {
    "variants": SPEC,
    "nested variants": SPEC.model_copy(update={"nested": 2, "trees": 4, "candidates": 4}),
    "no variants": SPEC.model_copy(update={"nested": 0, "min_split": 30, "min_leaf": 5}),
}


def cancer() -> tuple[Rows, Problem]:
    source = load_breast_cancer()
    x = source.data.astype(np.float32)
    columns = tuple(Column(f"c{j}", float(low), float(high)) for j, (low, high) in enumerate(zip(x.min(0), x.max(0), strict=True)))
    return Rows(np.arange(569) * 5 + 11, x, source.target.astype(np.int64)), Problem((30,), 2, columns=columns)


def mixed(n: int = 400) -> tuple[Rows, Problem]:
    """Three classes, one categorical column."""
    rng = np.random.default_rng(8)
    x = np.stack([rng.random(n), rng.integers(0, 5, n), rng.random(n) ** 4], axis=1).astype(np.float32)
    y = (x[:, 0] > 0.5).astype(np.int64) + ((x[:, 1] == 2) | (x[:, 2] > 0.5))
    return Rows(np.arange(n) + 100, x, y), Problem((3,), 3, columns=(Column("a", 0, 1), Column("b", 0, 4, 5), Column("c", 0, 1)))


def fitted(spec: HedgeCut, rows: Rows, problem: Problem) -> Forest:
    return grown(Forest, spec, rows, problem, KEY)


def merit(left: tuple[int, ...], right: tuple[int, ...]) -> Fraction:
    return Fraction(sum(c * c for c in left), sum(left)) + Fraction(sum(c * c for c in right), sum(right))


def survives(kinds: np.ndarray, removals: int, side: int) -> bool:
    """Try every removal of at most so many rows; kinds (class, side under s, side under t) are counts of rows."""
    shape = kinds.shape
    for removed in product(*(range(min(removals, int(k)) + 1) for k in kinds.ravel())):
        if sum(removed) > removals:
            continue
        left = kinds - np.array(removed).reshape(shape)
        s, t = left.sum(axis=2).T.tolist(), left.sum(axis=1).T.tolist()
        if min(sum(s[0]), sum(s[1])) < side or (left.sum(axis=(1, 2)) > 0).sum() < 2:
            return False
        if min(sum(t[0]), sum(t[1])) >= side and merit(tuple(t[0]), tuple(t[1])) >= merit(tuple(s[0]), tuple(s[1])):
            return False
    return True


@pytest.mark.parametrize("removals", [1, 2, 3])
def test_no_removal_within_the_budget_breaks_what_is_called_robust(removals: int) -> None:
    rng = np.random.default_rng(removals)
    called, truly = 0, 0
    for _ in range(250):
        kinds = rng.integers(0, 14, (2, 2, 2)) * (rng.random((2, 2, 2)) < 0.8)
        if rng.random() < 0.6:  # agree with the label, so that one split leads clearly
            kinds[0, 0] += rng.integers(5, 30)
            kinds[1, 1] += rng.integers(5, 30)
        counts = kinds.sum(axis=(1, 2)).astype(np.int32)
        below = np.stack([kinds[:, 0].sum(axis=1), kinds[:, :, 0].sum(axis=1)], axis=1).astype(np.int32)
        found, robust = proof_kernels.is_robust(below, counts, removals, 2, 2)
        if found != 0:
            continue
        called += robust
        if robust:
            assert survives(kinds, removals, 2), kinds
        truly += survives(kinds, removals, 2)
    assert called > 20
    assert called >= 0.6 * truly


def test_the_brute_force_finds_what_a_guess_would_miss() -> None:
    kinds = np.zeros((2, 2, 2), np.int64)
    kinds[0, 0, 0], kinds[1, 1, 1], kinds[0, 1, 0], kinds[1, 1, 0] = 20, 20, 6, 5
    kinds[0, 0, 1] = 5
    assert survives(kinds, 0, 2)
    assert not survives(kinds, 12, 2)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("table", [cancer, mixed])
def test_forgetting_within_the_budget_and_beyond_leaves_the_refit(name: str, table: Any) -> None:
    rows, problem = table()
    spec = SPECS[name]
    model = fitted(spec, rows, problem)
    gone = np.random.default_rng(1).choice(rows.ids, 200, replace=False)
    budget = round(spec.budget * len(rows))
    assert model.remaining == budget
    for i, row in enumerate(gone):
        left = model.remaining
        outcome = model.forget(np.array([row]))
        if left:
            assert (model.remaining, outcome.notes) == (left - 1, ())
        else:  # the forced refit, whose cost is told
            assert outcome.notes == (f"cost: a refit, 1 removed where the budget bore 0 more: all {spec.trees} trees were grown anew",)
            assert outcome.cost.parts == spec.trees
            assert model.remaining == round(spec.budget * (len(rows) - i - 1))
        if i in (5, budget - 1, budget, 199):
            assert blob(model) == blob(fitted(spec, rows.without(gone[: i + 1]), problem)), i
            recount(model)
    tenth = rows.without(gone).ids[::10]
    model.forget(tenth)
    kept = rows.without(gone).without(tenth)
    refit = fitted(spec, kept, problem)
    assert blob(model) == blob(refit)
    assert model.predict_proba(rows.x).tobytes() == refit.predict_proba(rows.x).tobytes()
    model.forget(kept.ids[kept.y == 1])
    assert blob(model) == blob(fitted(spec, kept.keep(kept.y != 1), problem))


def recount(model: Forest) -> int:
    """Check every split and count of every tree and variant against the rows routed there; return how many open nodes were checked."""
    h, spec, checked = model.hedge, model.settings, 0
    assert h is not None
    label = np.where(model.held.alive == 1, model.held.rows.y, -1)
    for t in range(spec.trees):
        stack = [(0, np.flatnonzero(label >= 0))]
        while stack:
            place, rows = stack.pop()
            node = h.nodes[t, place]
            counts = np.bincount(label[rows], minlength=h.counts.shape[2])
            merits = ranked(model, t, node, rows, label)
            if node["kind"] == LEAF:
                assert (h.counts[t, place] == counts).all()
                assert node["depth"] == spec.depth or len(rows) < spec.min_split or counts.max() == len(rows) or not merits
                continue
            assert min(merits)[1] == node["champion"]
            if node["kind"] == ROBUST:
                stack += sides(h, int(node["left"]), rows, node)
                continue
            assert node["kind"] == OPEN
            assert (h.counts[t, place] == counts).all()
            for i in range(node["first"], node["first"] + node["rivals"]):
                rival = h.rivals[t, i]
                halves = sides(h, int(rival["child"]), rows, rival)
                assert (h.below[t, i] == np.bincount(label[halves[0][1]], minlength=len(counts))).all()
                stack += halves if rival["child"] >= 0 else []
            checked += 1
    return checked


@compiled
def drawn(key: Any, edges: Any, path: Any, m: int) -> Any:
    j, word = row_kernels.candidate(key, edges, path, m)
    cut, mask = row_kernels.as_drawn(edges[j] > 0, word)
    return j, cut, mask


def ranked(model: Forest, t: int, node: Any, rows: np.ndarray, label: np.ndarray) -> list[tuple[Fraction, int]]:
    """Return merits (the smaller the better) and numbers of a node's candidates that leave rows enough on both sides, drawn anew."""
    h, merits = model.hedge, []
    assert h is not None
    for m in range(len(h.doubtful)):
        j, cut, mask = drawn(h.key[t], h.edges, node["path"], m)
        halves = [part for _, part in sides(h, 0, rows, {"feature": j, "cut": cut, "mask": mask})]
        if min(map(len, halves)) >= model.settings.min_leaf:
            left, right = (tuple(np.bincount(label[part], minlength=h.counts.shape[2]).tolist()) for part in halves)
            merits.append((-merit(left, right), m))
    return merits


def sides(h: Any, left: int, rows: np.ndarray, split: Any) -> list[tuple[int, np.ndarray]]:
    levels = h.level[rows, split["feature"]]
    mask = int(split["mask"])
    goes_left = levels <= split["cut"] if h.edges[split["feature"]] else np.array([mask >> (int(v) & 63) & 1 for v in levels], dtype=bool)
    return [(left, rows[goes_left]), (left + 1, rows[~goes_left])]


def test_proofs_that_are_used_up_are_made_anew() -> None:
    rows, problem = mixed()
    spec = SPECS["no variants"].model_copy(update={"budget": 0.005})
    gone = np.random.default_rng(2).permutation(rows.ids)[:150]
    expected = blob(fitted(spec, rows.without(gone), problem))
    renewed, boundless = (fitted(spec, rows, problem) for _ in range(2))
    for model in (renewed, boundless):
        assert model.hedge is not None
        inner = model.hedge.nodes["kind"] > LEAF
        assert (model.hedge.nodes["patience"][inner] == 2).all()
        model.remaining = 1000  # many times what any split was proven for
        if model is boundless:
            model.hedge.nodes["patience"] = 1000
        for row in gone:
            model.forget(np.array([row]))
    assert blob(renewed) == expected
    assert recount(renewed) > 20
    assert blob(boundless) != expected


def test_nothing_of_a_forgotten_row_is_kept() -> None:
    rows, problem = mixed()
    model = fitted(SPEC, rows, problem)
    h = model.hedge
    assert h is not None
    bits = [np.unpackbits(words.view(np.uint8), axis=1, bitorder="little") for words in (h.planes[:-1], h.known)]
    assert all(part[:, 7].any() for part in bits)
    model.forget(rows.ids[[7]])
    assert not h.level[7].any()
    assert not (h.here[:, 0] >> np.uint64(7) & np.uint64(1)).any()
    for words, part in zip((h.planes[:-1], h.known), bits, strict=True):
        now = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        assert not now[:, 7].any()
        part[:, 7] = 0
        assert (now == part).all()


def test_variants_and_robust_splits_both_occur() -> None:
    rows, problem = cancer()
    model = fitted(SPEC.model_copy(update={"budget": 0.005}), rows, problem)
    h = model.hedge
    assert h is not None
    kinds = [h.nodes["kind"][t, : h.used[t, 0]] for t in range(SPEC.trees)]
    assert all((k == ROBUST).any() and (k == OPEN).any() and (k == LEAF).any() for k in kinds)
    variants = 0
    for t in range(SPEC.trees):
        for node in h.nodes[t, : h.used[t, 0]][kinds[t] == OPEN]:
            variants += (h.rivals["child"][t, node["first"] : node["first"] + node["rivals"]] >= 0).sum() > 1
    assert variants
    assert recount(model) > 10


def test_a_request_beyond_the_budget_can_be_refused() -> None:
    rows, problem = cancer()
    model = fitted(SPEC.model_copy(update={"exhausted": "refuse", "budget": 0.01}), rows, problem)
    model.forget(rows.ids[:4])
    before = blob(model)
    with pytest.raises(UnlearningError, match="remaining budget of 2"):
        model.forget(rows.ids[10:13])
    assert (blob(model), model.remaining) == (before, 2)


def test_edges_are_public_and_skewed() -> None:
    edges = public_edges(0, 64, 4)
    assert edges.tolist() == [0, 8, 16, 32, 48]


def test_room_runs_out_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, problem = mixed()
    roomy = fitted(SPEC, rows, problem)
    monkeypatch.setattr("clients.unlearning.exact.hedgecut.forest._SLOTS", 2)
    tight = fitted(SPEC, rows, problem)
    for model in (tight, roomy):
        for row in rows.ids[:20]:
            model.forget(np.array([row]))
    assert blob(tight) == blob(roomy)


def test_bad_input_changes_nothing() -> None:
    rows, problem = mixed()
    model = fitted(SPEC, rows, problem)
    model.forget(rows.ids[:3])
    before = blob(model), model.remaining
    for ids in ([rows.ids[0]], [rows.ids[5], rows.ids[5]], [rows.ids[5], 7]):
        with pytest.raises(UnlearningError, match="row"):
            model.forget(np.array(ids))
    for value in (np.nan, 5, 0.5):
        x = rows.x.copy()
        x[9, 1] = value
        with pytest.raises(UnlearningError, match="column b"):
            model.begin(Rows(rows.ids, x, rows.y))
    with pytest.raises(UnlearningError, match="at least two"):
        HedgeCut().build(Problem((3,), 1), KEY)
    with pytest.raises(UnlearningError, match="rows that were held"):
        SPEC.build(problem, KEY).restore(wire.from_bytes(before[0]), rows)
    assert (blob(model), model.remaining) == before


def test_planted_faults_are_caught() -> None:
    rows, problem = cancer()
    gone = rows.ids[:40]
    expected = blob(fitted(SPEC, rows.without(gone), problem))

    def after(model: Forest) -> bytes:
        for row in gone:
            model.forget(np.array([row]))
        return blob(model)

    assert after(fitted(SPEC, rows, problem)) == expected
    overconfident = fitted(SPEC.model_copy(update={"budget": 0.0, "least_budget": 0}), rows, problem)
    assert overconfident.hedge is not None
    overconfident.remaining, overconfident.hedge.nodes["patience"] = 1000, 1000  # as if every split were robust for ever
    assert after(overconfident) != expected
    frozen = fitted(SPEC, rows, problem)
    assert frozen.hedge is not None
    frozen.hedge.below[:] = 10**6  # candidates' counts no longer follow the rows
    assert after(frozen) != expected
    rekeyed = fitted(SPEC, rows, problem)
    rekeyed.keys = rekeyed.keys[::-1].copy()  # candidates that depend on where a tree is stored
    rekeyed.remaining = 0
    assert after(rekeyed) != expected


def test_adult_with_its_categories(shared_data: Path) -> None:
    data = Csv(path=str(shared_data / "adult.csv"), header=False).load()
    ids = np.arange(0, len(data.y), 8)
    rows, problem = Rows(ids, data.x[ids], data.y[ids]), Problem(data.shape, data.classes, columns=data.columns)
    spec = HedgeCut(trees=10, candidates=16, min_split=40, min_leaf=8)
    model = fitted(spec, rows, problem)
    gone = np.random.default_rng(5).choice(ids, 6, replace=False)
    for row in gone:
        model.forget(np.array([row]))
    assert blob(model) == blob(fitted(spec, rows.without(gone), problem))
    rest = np.setdiff1d(np.arange(len(data.y)), ids)
    assert (model.predict_proba(data.x[rest]).argmax(axis=1) == data.y[rest]).mean() > 0.83
