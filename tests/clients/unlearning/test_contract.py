"""One suite over every registered unlearner, whatever it forgets: what is claimed is compared with the run that never had the data.

A new unlearner needs one entry in ``CASES``; without it ``test_every_unlearner_has_a_case`` fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest

from clients import wire
from clients.data.bundled import BreastCancer, Digits
from clients.data.graphs import Graph, graph
from clients.data.ratings import Ratings
from clients.data.ratings import ratings as interactions
from clients.data.rows import Ids, Rows
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.approximate.finetune import Finetune
from clients.unlearning.contract import Cost, Outcome, Problem, State, Unlearner, UnlearnerSpec, UnlearningError
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.graph import eraser as graphs
from clients.unlearning.exact.graph.spec import GraphEraser
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.exact.recommender import requests as recommenders
from clients.unlearning.exact.recommender.spec import Bpr, LightGcn, RecEraser, Wmf
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.statistical.specs import AdaptiveKMeans, ItemItem, NaiveBayes, Pca, QuantisedKMeans, Ridge
from clients.unlearning.general.finetune import Finetune as Finetuning

KEY = ("contract", 7)
FIRST, STEP = 1_000_003, 7
"""Ids are no positions and too large to be met by chance in a model's state."""


@dataclass(frozen=True)
class Material:
    """Data to learn from, and what the suite must know of them: the same for every unit that can be forgotten.

    Parameters
    ----------
    data : Rows, Graph or Ratings
        Each has lifelong ``ids``.
    asked : what ``predict_proba`` takes
    answers : int array
        What should be predicted there.
    group : int array
        By id, what it belongs together with: a class, a user.
    without : function
        Return the data without some ids.
    request : function
        Return the request that names some ids.
    shown : function
        Return an id as errors name it.
    unknown : int
        An id that nobody holds.
    further : dict of str to (list of requests, data that are left)
        Requests that no list of ids says.
    """

    problem: Problem
    data: Any
    asked: Any
    answers: npt.NDArray[Any]
    group: npt.NDArray[Any]
    without: Callable[[Any, npt.ArrayLike], Any]
    request: Callable[[npt.ArrayLike], Any] = np.asarray
    shown: Callable[[int], str] = str
    unknown: int = FIRST + 1
    further: Mapping[str, tuple[Sequence[Any], Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A configuration small enough to fit dozens of times, and what to fit it on."""

    spec: UnlearnerSpec
    of: Material

    @property
    def ids(self) -> Ids:
        ids: Ids = self.of.data.ids
        return ids

    def fit(self, data: Any = None, rounds: int | None = None) -> Unlearner[Any, Any]:
        model = self.spec.build(self.of.problem, KEY)
        model.begin(self.of.data if data is None else data)
        for _ in range(self.of.problem.rounds if rounds is None else rounds):
            model.advance()
        return model

    def without(self, ids: npt.ArrayLike) -> Any:
        return self.of.without(self.of.data, ids)

    def forget(self, model: Unlearner[Any, Any], ids: npt.ArrayLike) -> Outcome:
        return model.forget(self.of.request(ids))


def table(problem: Problem, rows: Rows) -> Material:
    return Material(problem, rows, rows.x, rows.y, rows.y, Rows.without)


@cache
def digits() -> Material:
    """Images: 100 rows of the classes 0 to 3, three rounds of two epochs."""
    data = Digits().load()
    chosen = np.flatnonzero(data.y < 4)[:100]
    rows = Rows(FIRST + STEP * np.arange(len(chosen)), data.x[chosen], data.y[chosen])
    return table(Problem(data.shape, 4, rounds=3, training=Training(epochs=2, batch_size=16)), rows)


@cache
def tabular() -> Material:
    """Numeric columns with public bounds: 120 rows, two classes, two rounds."""
    data = BreastCancer().load()
    rows = Rows(FIRST + STEP * np.arange(120), data.x[:120], data.y[:120])
    return table(Problem(data.shape, data.classes, rounds=2, columns=data.columns), rows)


def shelves() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return 120 users who like three of the four items of one of three shelves, and one of the next shelf; and the fourth item."""
    users = np.arange(120)
    shelf, left_out = users % 3, users // 3 % 4
    items = np.arange(12)
    liked = (items // 4 == shelf[:, None]) & (items % 4 != left_out[:, None])
    liked |= items == ((4 * (shelf + 1) + users // 12 % 4) % 12)[:, None]
    return liked, 4 * shelf + left_out


@cache
def ratings() -> Material:
    """A row is a user, its label the item that the user likes next."""
    liked, label = shelves()
    return table(Problem((12,), 12, rounds=2), Rows(FIRST + STEP * np.arange(120), liked.astype(np.float32), label))


@cache
def taste() -> Material:
    """The same users, one interaction after the other."""
    liked, label = shelves()
    data = interactions(*np.nonzero(liked), 120, 12)

    def pairs(ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        codes = np.asarray(ids, dtype=np.int64)
        return np.stack([codes // 12, codes % 12], axis=1)

    def without(kept: Ratings, ids: npt.ArrayLike) -> Ratings:
        return kept.keep(~np.isin(kept.ids, np.asarray(ids, dtype=np.int64)))

    removal = recommenders.Removal
    further = {
        "users": ([removal(users=[3, 40])], data.keep(~np.isin(data.user, [3, 40]))),
        "an item": ([removal(items=[5])], data.keep(data.item != 5)),
        "all at once": (
            [removal(pairs(data.ids[-1:]), users=[7], items=[2])],
            without(data.keep((data.user != 7) & (data.item != 2)), data.ids[-1:]),
        ),
    }

    def shown(code: int) -> str:
        return str([code // 12, code % 12])

    unseen = int(label[0])  # by user 0
    return Material(Problem((), 12, rounds=2), data, np.arange(120), label, data.user, without, pairs, shown, unseen, further)


@cache
def papers() -> Material:
    """A graph of 90 nodes in three groups that know each other well; 30 more are asked about."""
    y = np.repeat(np.arange(3), 40)
    drawn = nx.stochastic_block_model([40] * 3, np.full((3, 3), 0.01) + np.eye(3) * 0.15, seed=1)
    x = np.random.default_rng(1).normal(size=(120, 8)) + np.eye(8)[y]
    whole = graph(FIRST + STEP * np.arange(120), x, FIRST + STEP * np.array(drawn.edges), y)
    new = whole.ids[::4]
    data, asked = whole.without(new), whole.around(new)
    edges = data.edges[::9]
    further = {
        "edges": ([graphs.Removal(edges=edges)], data.without_edges(edges)),
        "edges one by one, ends swapped": ([graphs.Removal(edges=[edge[::-1]]) for edge in edges[:3]], data.without_edges(edges[:3])),
        "nodes and edges": ([graphs.Removal(data.ids[:2], edges)], data.without_edges(edges).without(data.ids[:2])),
    }
    return Material(Problem((8,), 3, rounds=2), data, asked, asked.y, data.y, Graph.without, further=further)


CASES: dict[str, Callable[[], Case]] = {
    "approximate": lambda: Case(Approximate(base=Mlp(hidden=(8,)), method=Finetuning()), digits()),
    "dare": lambda: Case(Dare(trees=10), tabular()),
    "finetune": lambda: Case(Finetune(base=Mlp(hidden=(8,))), digits()),
    "grapheraser": lambda: Case(GraphEraser(shards=3, hidden=8, epochs=10, sample=50), papers()),
    "hedgecut": lambda: Case(HedgeCut(trees=10, budget=0.05), tabular()),
    "item_item": lambda: Case(ItemItem(), ratings()),
    "kmeans": lambda: Case(AdaptiveKMeans(clusters=4), tabular()),
    "naive_bayes": lambda: Case(NaiveBayes(), tabular()),
    "pca": lambda: Case(Pca(components=4), tabular()),
    "quantised_kmeans": lambda: Case(QuantisedKMeans(clusters=4), tabular()),
    "receraser": lambda: Case(RecEraser(shards=2, dim=6, attention=3, epochs=1, partition="ubp", base=Wmf(epochs=3)), taste()),
    "retrain": lambda: Case(Retrain(base=Mlp(hidden=(8,))), digits()),
    "ridge": lambda: Case(Ridge(), tabular()),
    "sisa": lambda: Case(Sisa(shards=3, slices=2, base=Mlp(hidden=(8,))), digits()),
}

KINDS = list(UNLEARNERS.targets())
EXACT = [kind for kind in KINDS if UNLEARNERS.load(kind).guarantee == "exact"]


def case_of(kind: str) -> Case:
    if kind not in CASES:
        pytest.fail(f"unlearner {kind!r} is registered without an entry in CASES")
    return CASES[kind]()


def canonical(model: Unlearner[Any, Any]) -> bytes:
    model.settle()
    return wire.to_bytes(model.state())


def assert_same(case: Case, model: Unlearner[Any, Any], oracle: Unlearner[Any, Any]) -> None:
    assert canonical(model) == canonical(oracle)
    assert model.predict_proba(case.of.asked).tobytes() == oracle.predict_proba(case.of.asked).tobytes()


def whole_group(case: Case) -> Ids:
    return case.ids[case.of.group == case.of.group[0]]


REQUESTS: dict[str, Callable[[Case], list[Ids]]] = {
    "one": lambda case: [case.ids[10:11]],
    "many": lambda case: [case.ids[3:60:4]],
    "one by one": lambda case: [case.ids[[i]] for i in (5, 31, 17, 2)],
    "one by one, in another order": lambda case: [case.ids[[i]] for i in (2, 17, 31, 5)],
    "a request in no order": lambda case: [case.ids[[31, 2, 17, 5]]],
    "a whole class": lambda case: [whole_group(case)],
    "all but one": lambda case: [np.delete(case.ids, 20)],
    "everything": lambda case: [case.ids],
    "everything, in two requests": lambda case: [case.ids[1:], case.ids[:1]],
    "the oldest, then the newest": lambda case: [case.ids[:1], case.ids[-1:]],
}


def test_every_unlearner_has_a_case() -> None:
    assert set(KINDS) <= set(CASES), f"registered without an entry in CASES: {sorted(set(KINDS) - set(CASES))}"


@pytest.mark.parametrize("kind", KINDS)
def test_spec_says_what_it_is(kind: str) -> None:
    spec = UNLEARNERS.load(kind)
    assert spec.guarantee in ("exact", "certified", "approximate", "behavioural")
    assert spec.summary
    assert "\n" not in spec.summary
    assert spec.source
    assert spec.model_validate_json(case_of(kind).spec.model_dump_json()) == case_of(kind).spec


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_probabilities_learned_from_the_rows(kind: str) -> None:
    case = case_of(kind)
    answers = case.fit().predict_proba(case.of.asked)
    assert answers.shape == (len(case.of.answers), case.of.problem.classes)
    assert answers.dtype == np.float32
    assert (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    chance = np.bincount(case.of.answers).max() / len(case.of.answers)
    assert (answers.argmax(axis=1) == case.of.answers).mean() > chance + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_same_key_gives_same_bytes(kind: str) -> None:
    case = case_of(kind)
    assert_same(case, case.fit(), case.fit())


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("requests", REQUESTS)
def test_forgetting_equals_never_having_had(kind: str, requests: str) -> None:
    case = case_of(kind)
    model = case.fit()
    named = REQUESTS[requests](case)
    for ids in named:
        case.forget(model, ids)
    assert_same(case, model, case.fit(case.without(np.concatenate(named))))


@pytest.mark.parametrize("kind", [kind for kind in EXACT if UNLEARNERS.load(kind).unit != "rows"])
def test_what_else_can_be_asked_for_equals_never_having_had_it(kind: str) -> None:
    case = case_of(kind)
    assert case.of.further, f"{kind} forgets {case.spec.unit}: have requests that name them"
    for named, left in case.of.further.values():
        model = case.fit()
        for request in named:
            model.forget(request)
        assert_same(case, model, case.fit(left))


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("done", [0, 1])
def test_forgetting_between_rounds_equals_never_having_had(kind: str, done: int) -> None:
    case = case_of(kind)
    model = case.fit(rounds=done)
    case.forget(model, case.ids[::3])
    assert_same(case, model, case.fit(case.without(case.ids[::3]), rounds=done))
    for _ in range(done, case.of.problem.rounds):
        model.advance()
    assert_same(case, model, case.fit(case.without(case.ids[::3])))


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_steps_are_foretold(kind: str) -> None:
    case = CASES[kind]()
    problem = case.of.problem
    model = case.spec.build(problem, KEY)
    model.begin(case.of.data)
    taken = [model.advance() for _ in range(problem.rounds)]
    told = [case.spec.steps(problem.training, len(case.ids), progress) for progress in range(problem.rounds)]
    if kind == "sisa":
        assert sum(told) / 2 <= sum(taken) <= 2 * sum(told), "slices make it no more than an estimate"
        return
    for found, most in zip(taken, told, strict=True):
        assert most / 2 <= found <= most, "a bound, and no idle one"
    assert case.forget(model, case.ids[:3]).cost.gradient_steps <= sum(told)


@pytest.mark.parametrize("base", [Wmf(), Bpr(epochs=2, batch_size=64), LightGcn(epochs=2, batch_size=64)])
def test_a_recommenders_gradient_steps_are_foretold(base: Any) -> None:
    of = taste()
    spec = RecEraser(base=base, shards=4, partition="ubp", dim=4, epochs=3, batch_size=100)
    model = spec.build(of.problem, KEY)
    model.begin(of.data)
    most = spec.steps(of.problem.training, len(of.data), 0)
    assert 0.8 * most <= model.advance() <= most
    assert model.advance() == spec.steps(of.problem.training, len(of.data), 1) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_model_is_the_same_and_goes_on_alike(kind: str) -> None:
    case = case_of(kind)
    first, second = case.ids[4:9], case.ids[40:43]
    model = case.fit(rounds=1)
    case.forget(model, first)
    model.settle()
    again = case.spec.build(case.of.problem, KEY)
    again.restore(wire.from_bytes(wire.to_bytes(model.state())), case.without(first))
    assert_same(case, again, model)
    for each in (model, again):
        case.forget(each, second)
        for _ in range(1, case.of.problem.rounds):
            each.advance()
    assert_same(case, again, model)
    assert [(kept.name, kept.ids.tolist()) for kept in again.stored()] == [(kept.name, kept.ids.tolist()) for kept in model.stored()]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_request_changes_nothing(kind: str) -> None:
    case = case_of(kind)
    model = case.fit()
    before = canonical(model)
    assert case.forget(model, np.empty(0, np.int64)).cost == Cost()
    assert canonical(model) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["unknown", "unknown among known", "repeated", "already forgotten"])
def test_a_bad_request_names_the_culprit_and_changes_nothing(kind: str, fault: str) -> None:
    case = case_of(kind)
    ids, model, unknown = case.ids.tolist(), case.fit(), case.of.unknown
    case.forget(model, ids[7:8])
    bad, named = {
        "unknown": ([unknown], unknown),
        "unknown among known": ([ids[1], unknown, ids[2]], unknown),
        "repeated": ([ids[1], ids[2], ids[1]], ids[1]),
        "already forgotten": ([ids[1], ids[7]], ids[7]),
    }[fault]
    before, answers = canonical(model), model.predict_proba(case.of.asked)
    stored = [(kept.name, kept.ids.tolist()) for kept in model.stored()]
    with pytest.raises(UnlearningError, match=re.escape(case.of.shown(named))) as caught:
        case.forget(model, bad)
    assert "\n" not in str(caught.value)
    assert canonical(model) == before
    assert model.predict_proba(case.of.asked).tobytes() == answers.tobytes()
    assert [(kept.name, kept.ids.tolist()) for kept in model.stored()] == stored


@pytest.mark.parametrize("kind", EXACT)
def test_nothing_of_the_forgotten_is_stored(kind: str) -> None:
    case = case_of(kind)
    gone = case.ids[10:50:3]
    model = case.fit()
    assert np.isin(gone, np.concatenate([kept.ids for kept in model.stored()])).all(), "they were learned, so something knows them"
    case.forget(model, gone)
    model.settle()
    for kept in model.stored():
        assert np.isin(kept.ids, case.without(gone).ids).all(), kept.name
    for name, array in model.state().items():
        assert not np.isin(array, gone).any(), name


@pytest.mark.parametrize("kind", EXACT)
def test_not_forgetting_is_noticed(kind: str) -> None:
    case = case_of(kind)
    oracle = case.fit(case.without(whole_group(case)))
    assert canonical(case.fit()) != canonical(oracle)
    assert np.abs(case.fit().predict_proba(case.of.asked) - oracle.predict_proba(case.of.asked)).max() > 1e-3


def test_finetuning_is_noticed() -> None:
    case = case_of("finetune")
    gone = case.ids[3:4]
    model = case.fit()
    case.forget(model, gone)
    oracle = case.fit(case.without(gone))
    weights = [_weights(model.state()), _weights(oracle.state())]
    assert max(np.abs(weights[0][name] - weights[1][name]).max() for name in weights[0]) > 1e-3
    assert any(np.isin(gone, kept.ids).any() for kept in model.stored()), "it says itself that the trace stays"


def _weights(state: State) -> State:
    return {name: array for name, array in state.items() if array.dtype == np.float32}
