from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data.ratings import Ratings, load_ratings, ratings
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.recommender import bases
from clients.unlearning.exact.recommender.eraser import RecEraserModel
from clients.unlearning.exact.recommender.requests import Removal
from clients.unlearning.exact.recommender.spec import RecEraser
from tests.clients.unlearning.exact.sharded import begun, digest, kept_place

USERS, ITEMS = 40, 30
TINY: dict[str, Any] = {
    "shards": 4,
    "dim": 4,
    "attention": 3,
    "epochs": 1,
    "batch_size": 256,
    "base": {"kind": "bpr", "epochs": 1, "batch_size": 64},
}
MODES = [
    {"partition": "keyed"},
    *({"partition": kind, "leakage": leakage} for kind in ("ubp", "ibp", "inbp") for leakage in ("frozen", "repartition")),
]


def shelves(seed: int = 0) -> Ratings:
    rng = np.random.default_rng(seed)
    liked = rng.random((USERS, ITEMS)) < np.where(np.arange(USERS)[:, None] % 3 == np.arange(ITEMS) % 3, 0.6, 0.1)
    return ratings(*np.nonzero(liked), USERS, ITEMS)


def made(data: Ratings | None = None, place: np.ndarray | None = None, **options: Any) -> RecEraserModel:
    model = RecEraser(**{**TINY, **options}).build(Problem((), ITEMS, rounds=2), ("test", 0))
    return begun(model, data, place)


def retrained(model: RecEraserModel, kept: Ratings) -> RecEraserModel:
    """The counterfactual: for a frozen partition, on the same partition without what left."""
    return made(kept, kept_place(model, model.data.ids, kept.ids), **model.options.model_dump(exclude={"kind"}))


def pairs(data: Ratings, rows: np.ndarray) -> np.ndarray:
    return np.stack([data.user[rows], data.item[rows]], axis=1)


def test_it_is_registered_and_says_what_it_forgets() -> None:
    spec = UNLEARNERS.load("receraser")
    assert (spec.unit, spec.guarantee) == ("interactions and users", "exact")
    assert RecEraser(partition="ubp", leakage="frozen").guarantee == "approximate"
    assert RecEraser(partition="keyed", leakage="frozen").guarantee == "exact"


FEW = [(MODES[0], 20), (MODES[1], 8), (MODES[2], 4), (MODES[5], 8)]
MANY = [pytest.param(MODES[mode], count, marks=pytest.mark.slow) for mode, count in ((0, 200), (1, 40), (2, 10), (5, 40))]


@pytest.mark.parametrize(("options", "count"), [*FEW, *MANY])
def test_single_deletions_leave_the_bytes_of_a_retrained_model(options: dict[str, Any], count: int) -> None:
    data = shelves()
    model = made(data, **options)
    first = digest(model)
    rows = np.random.default_rng(5).permutation(len(data))[:count]
    for pair in pairs(data, rows):
        model.forget([pair])
    assert digest(model) == digest(retrained(model, data.keep(~np.isin(np.arange(len(data)), rows)))) != first


@pytest.mark.parametrize("options", [*MODES[:2], *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES[2:])])
@pytest.mark.parametrize("base", [{"kind": "bpr", "epochs": 2}, {"kind": "wmf", "epochs": 2}, {"kind": "lightgcn", "epochs": 2}])
def test_a_batch_of_a_tenth_and_its_parts_in_any_order_agree(options: dict[str, Any], base: dict[str, Any]) -> None:
    data = shelves()
    rows = np.random.default_rng(6).permutation(len(data))[: len(data) // 10]
    batch, parts = made(data, base=base, **options), made(data, base=base, **options)
    batch.forget(pairs(data, rows))
    for few in np.array_split(rows[::-1], 3):
        parts.forget(pairs(data, few))
    kept = data.keep(~np.isin(np.arange(len(data)), rows))
    assert digest(batch) == digest(parts) == digest(retrained(batch, kept))


@pytest.mark.parametrize("options", MODES)
def test_users_and_items_are_forgotten(options: dict[str, Any]) -> None:
    data = shelves()
    model = made(data, **options)
    model.forget(Removal(interactions=pairs(data, np.array([0])), users=[7, 3], items=[11]))
    kept = data.keep(~(np.isin(data.user, [3, 7]) | (data.item == 11) | (data.ids == data.ids[0])))
    assert digest(model) == digest(retrained(model, kept))
    for s, (users, items) in model.experts.items():
        key = ("test", 0, "shard", s)
        assert np.array_equal(users[[3, 7]], bases.initial(USERS, 4, (*key, "user"))[[3, 7]])
        assert np.array_equal(items[11], bases.initial(ITEMS, 4, (*key, "item"))[11])


def test_a_frozen_partition_differs_from_never_having_had_the_interactions() -> None:
    data = shelves()
    model = made(data, partition="ubp", leakage="frozen")
    model.forget(Removal(users=np.arange(0, USERS, 3)))
    assert digest(model) != digest(made(data.keep(data.user % 3 != 0), partition="ubp", leakage="frozen"))


def test_only_touched_shards_and_the_attention_change() -> None:
    data = shelves()
    model = made(data, partition="ubp", leakage="frozen")
    before, home = model.state(), int(model.place[data.user == 5][0])
    assert model.forget(Removal(users=[5])).cost.parts == 1
    after = model.state()
    changed = {name.rsplit("/", 1)[0] for name in before if "partition" not in name and before[name].tobytes() != after[name].tobytes()}
    assert changed == {f"shard/{home}", "aggregation"}


def keep_attention(model: RecEraserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    old = model.weights
    monkeypatch.setattr("clients.unlearning.exact.recommender.aggregation.train", lambda *_: (old, 0))


def keep_vectors(model: RecEraserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    old = dict(model.experts)
    monkeypatch.setattr(bases, "train", lambda _base, _dim, _data, key: (*old[key[-1]], 0))


def running_negatives(model: RecEraserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        "clients.unlearning.exact.recommender.negatives.Negatives.draw", lambda self, _: rng.choice(self.candidates, len(self.data))
    )


@pytest.mark.parametrize("fault", [keep_attention, keep_vectors, running_negatives])
def test_a_planted_fault_is_seen(fault: Callable[[RecEraserModel, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    data = shelves()
    model = made(data, partition="keyed")
    with monkeypatch.context() as planted:
        fault(model, planted)
        model.forget(pairs(data, np.arange(30)))
    assert digest(model) != digest(made(data.keep(np.arange(len(data)) >= 30), partition="keyed"))


def test_one_shard_without_attention_is_the_base() -> None:
    data = shelves()
    users, items, _ = bases.train(RecEraser(**TINY).base, 4, data, ("test", 0, "shard", 0))
    for aggregate in ({"aggregate": "mean"}, {"epochs": 0}):
        model = made(data, shards=1, partition="keyed", **aggregate)
        assert model.scores(np.arange(USERS)) == pytest.approx(users @ items.T, abs=1e-5)


@pytest.mark.parametrize("aggregate", ["attention", "mean"])
@pytest.mark.parametrize("base", [{"kind": "bpr", "epochs": 30}, {"kind": "wmf"}, {"kind": "lightgcn", "epochs": 40}])
def test_recommendations_are_new_and_from_the_right_shelf(aggregate: str, base: dict[str, Any]) -> None:
    data = shelves()
    model = made(data, base=base, aggregate=aggregate, partition="ubp", epochs=10, dim=8, shards=2)
    users = np.arange(USERS)
    answers = model.predict_proba(users)
    assert answers.shape == (USERS, ITEMS)
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (answers[data.user, data.item] == 0).all()
    top = model.recommend(users, 2)
    assert not np.isin(users[:, None] * ITEMS + top, data.ids).any()
    assert (top % 3 == users[:, None] % 3).mean() > 0.5  # below 0.25 by chance, most of the right shelf being seen


def test_state_survives_save_and_load_and_can_go_on_forgetting() -> None:
    data = shelves()
    model, other = made(data), made()
    blob = wire.to_bytes(model.state())
    other.restore(wire.from_bytes(blob), data)
    assert digest(other) == digest(model)
    assert np.array_equal(other.predict_proba([1, 2]), model.predict_proba([1, 2]))
    for each in (model, other):
        each.forget(Removal(users=[4]))
    assert digest(other) == digest(model)
    fewer = data.keep(data.user != 0)
    with pytest.raises(UnlearningError, match="of other rows"):
        made().restore(wire.from_bytes(blob), fewer)
    with pytest.raises(UnlearningError, match="not those given"):
        made().restore(dict(made(data).state()), fewer)  # an artefact of a run has no fingerprint


def test_nothing_stored_is_influenced_by_the_forgotten() -> None:
    data = shelves()
    model = made(data, partition="keyed")
    model.forget(pairs(data, np.arange(50)))
    listed = {artefact.name: set(artefact.ids.tolist()) for artefact in model.stored()}
    assert not any(set(data.ids[:50].tolist()) & ids for ids in listed.values())
    shards = [ids for name, ids in listed.items() if name.startswith("shard")]
    assert sum(map(len, shards)) == len(set.union(*shards)) == len(data) - 50
    assert {"aggregation", "partition"} < set(listed)


def test_a_whole_shard_and_everything() -> None:
    data = shelves()
    model = made(data, partition="keyed")
    model.forget(pairs(data, model.place == 2))
    assert sorted(model.experts) == [0, 1, 3]
    assert digest(model) == digest(made(model.data, partition="keyed"))
    model.forget(Removal(users=np.unique(model.data.user)))
    assert digest(model) == digest(made(data.keep(data.user < 0), partition="keyed"))
    assert model.predict_proba([0])[0] == pytest.approx(np.full(ITEMS, 1 / ITEMS))


def test_forgetting_before_training_and_nothing_at_all() -> None:
    data = shelves()
    model = made()
    model.begin(data)
    model.forget(Removal(users=[1]))
    model.advance()
    model.advance()
    assert digest(model) == digest(made(data.keep(data.user != 1)))
    before = digest(model)
    assert model.forget([]).cost.parts == model.forget(Removal()).cost.gradient_steps == 0
    assert digest(model) == before


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ([[0, 1], [0, 99]], r"interaction \[0, 99\] is not held"),
        ([[1, -29]], r"interaction \[1, -29\] is not held"),
        (Removal(users=[2, 2]), "user 2 is named twice"),
        (Removal(users=[USERS]), "user 40 is not held"),
        (Removal(users=[1], items=[-1]), "item -1 is not held"),
    ],
)
def test_bad_requests_change_nothing(request_: Any, told: str) -> None:
    data = ratings([0, *shelves().user], [1, *shelves().item], USERS, ITEMS)
    model = made(data)
    before = digest(model)
    with pytest.raises(UnlearningError, match=told):
        model.forget(request_)
    assert digest(model) == before


def test_forgetting_twice_is_an_error() -> None:
    data = shelves()
    model = made(data, partition="keyed")
    model.forget(Removal(interactions=pairs(data, np.array([9])), users=[30]))
    before = digest(model)
    for again in (Removal(interactions=pairs(data, np.array([9]))), Removal(users=[30])):
        with pytest.raises(UnlearningError, match="not held"):
            model.forget(again)
    assert digest(model) == before


def test_bad_data_and_questions_are_refused_and_change_nothing() -> None:
    data = shelves()
    model = made(data)
    before = digest(model)
    for bad, told in (
        (Ratings(data.user, data.item, USERS, ITEMS + 1), "31 items, not 30"),
        (Ratings(data.user[::-1], data.item[::-1], USERS, ITEMS), "sorted by user"),
        (Ratings(data.user, data.item, USERS - 3, ITEMS), r"user is outside the catalogue 0 .. 36"),
    ):
        with pytest.raises(UnlearningError, match=told):
            model.begin(bad)
    with pytest.raises(UnlearningError, match="does not name a shard"):
        model.begin(data, np.full(len(data), 4))
    with pytest.raises(UnlearningError, match="user 40 is outside"):
        model.predict_proba([0, 40])
    assert digest(model) == before


def test_movielens_shards_equal_their_retraining(shared_data) -> None:  # type: ignore[no-untyped-def]
    data = load_ratings(shared_data / "ml-100k-ratings.csv")
    options = RecEraser(shards=5, partition="ubp", leakage="frozen", base={"kind": "wmf", "epochs": 1}, dim=8, epochs=1, batch_size=50_000)
    model, other = (options.build(Problem((), data.items), (0,)) for _ in range(2))
    model.fit(data)
    gone = np.isin(data.user, np.arange(0, data.users, 10))
    place = model.place[~gone]
    model.forget(Removal(users=np.unique(data.user[gone])))
    other.begin(data.keep(~gone), place)
    other.advance()
    assert digest(model) == digest(other)


@pytest.mark.parametrize(
    "options", [{"partition": "ubp", "shards": 2, "epochs": 20}, {"partition": "keyed", "shards": 1, "aggregate": "mean"}]
)
def test_users_whom_nobody_trained_on_are_told_from_their_histories(options: dict[str, Any]) -> None:
    model = made(shelves(), base={"kind": "wmf", "decay": 0.5}, **options)
    history = np.zeros((4, ITEMS), np.float32)
    for user in range(3):
        history[user, [user, user + 3, user + 9]] = 1
    told = model.predict_proba(history)
    np.testing.assert_allclose(told.sum(axis=1), 1, rtol=1e-5)
    assert not told[history > 0].any(), "what was seen does not come next"
    for user in range(3):
        unseen, own = history[user] == 0, np.arange(ITEMS) % 3 == user
        assert told[user, unseen & own].mean() > told[user, unseen & ~own].mean(), "the same shelf"
    np.testing.assert_allclose(told[3], 1 / ITEMS, rtol=1e-5)
    before = digest(model)
    with pytest.raises(UnlearningError, match="one column an item"):
        model.predict_proba(history[:, 1:])
    assert digest(model) == before
