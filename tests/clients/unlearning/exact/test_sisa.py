"""SISA beyond the contract: what a deletion may touch, what it costs, and faults that the comparison must notice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import ceil

import numpy as np
import numpy.typing as npt
import pytest

from clients import streams, wire
from clients.data.bundled import Digits
from clients.data.rows import Ids, Rows
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.training import Arrays, Training
from clients.unlearning.contract import Cost, Outcome, Problem, UnlearningError
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.schedule import Schedule
from clients.unlearning.exact.sharding import Sharded
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.votes import Rule, joined
from tests.clients.unlearning.exact.sharded import OldCheckpoints

KEY = ("run", 3)


@cache
def rows(count: int = 120) -> Rows:
    data = Digits().load()
    return Rows(50 + 3 * np.arange(count), data.x[:count], data.y[:count])


def problem(rounds: int = 3, epochs: int = 2) -> Problem:
    return Problem((1, 8, 8), 10, rounds=rounds, training=Training(epochs=epochs, batch_size=16))


def fit(kind: type[Sharded], data: Rows, shards: int = 3, slices: int = 3, rounds: int | None = None, of: Problem | None = None) -> Sharded:
    of = of or problem()
    model = kind(Linear(), shards, slices, "mean", of, KEY)
    model.begin(data)
    for _ in range(of.rounds if rounds is None else rounds):
        model.advance()
    return model


def is_exact(kind: type[Sharded]) -> bool:
    """Whether a SISA of this kind that forgets, one row or a batch, is one that never had the rows."""
    for gone in (rows().ids[40:41], rows().ids[::9]):
        model = fit(kind, rows())
        model.forget(gone)
        if wire.to_bytes(model.state()) != wire.to_bytes(fit(kind, rows().without(gone)).state()):
            return False
    return True


class LateCheckpoint(Sharded):
    """Restarts from the checkpoint written after the forgotten slice was learned."""

    def forget(self, request: Ids) -> Outcome:
        before = [dict(kept) for kept in self.checkpoints]
        for shard, stage in zip(*self.places(request), strict=True):
            if stage + 1 in before[shard]:
                self.checkpoints[shard][stage] = before[shard][stage + 1]
        return super().forget(request)


class StaleCheckpoint(OldCheckpoints, Sharded):
    """Retrains as it should, and keeps the old checkpoints."""


class PositionalSplit(Sharded):
    """Deals rows out by their position, so that a deletion moves others."""

    def places(self, ids: Ids) -> tuple[Ids, Ids]:
        positions = np.searchsorted(self.rows.ids, ids)
        return positions % self.shards, positions // self.shards % self.slices


class RunningGenerator(Sharded):
    """Draws initial weights one after the other."""

    drawn = 0

    def _initial(self, shard: int) -> Arrays:
        self.drawn += 1
        return self.network.initial((*self.key, self.drawn))


class LastRowIgnored(Sharded):
    """Does not carry out the last row of a batch of requests."""

    def forget(self, request: Ids) -> Outcome:
        kept = self.rows
        outcome = super().forget(request[:-1])
        self.rows = kept.without(request[:-1])
        return outcome


class OnlyTheFirstShard(Sharded):
    """Restarts one shard of those that a batch touches."""

    def _train(self, parts: list[tuple[int, int]]) -> int:
        return super()._train([(shard, begin) for shard, begin in parts if begin == self.schedule.reached(self.progress - 1) or shard == 0])


FAULTS = [LateCheckpoint, StaleCheckpoint, PositionalSplit, RunningGenerator, LastRowIgnored, OnlyTheFirstShard]


def test_honest_sisa_passes_the_comparison() -> None:
    assert is_exact(Sharded)


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_fails_the_comparison(fault: type[Sharded]) -> None:
    assert not is_exact(fault)


def takes_rows_in(kind: type[Sharded], late: int = 3) -> bool:
    """Whether a SISA of this kind that is given rows late is one that was given them before training, now and once one is deleted."""
    more = rows().only(rows().ids[5::8])
    early = fit(kind, rows().without(more.ids), rounds=0)
    model = fit(kind, rows().without(more.ids), rounds=late)
    for one in (early, model):
        one.add(more)
    for _ in range(late):
        early.advance()
    alike = [wire.to_bytes(model.state()) == wire.to_bytes(early.state())]
    model.forget(more.ids)
    return all([*alike, wire.to_bytes(model.state()) == wire.to_bytes(fit(kind, rows().without(more.ids), rounds=late).state())])


class OnlyFromNowOn(Sharded):
    """Lets what was trained stand, and takes new rows into what is trained from now on."""

    def _restarted(self, shards: Ids, slices: Ids) -> Outcome:
        return Outcome(Cost(), "exact")


class OwnSlices(Sharded):
    """Has rows learned by the checkpoints from which it restarts: they lie in the slice of their hash, yet the last one is repeated."""

    def add(self, data: Rows) -> Outcome:
        outcome = super().add(data)
        self.late = np.empty(0, np.int64)
        return outcome


@pytest.mark.parametrize("late", [0, 1, 2, 3])
def test_rows_that_arrive_are_as_if_they_had_lain_in_the_last_slice_from_the_start(late: int) -> None:
    assert takes_rows_in(Sharded, late)


@pytest.mark.parametrize("fault", [OnlyFromNowOn, OwnSlices])
def test_a_wrong_way_to_take_rows_in_is_noticed(fault: type[Sharded]) -> None:
    assert not takes_rows_in(fault)


def test_rows_that_arrive_repeat_the_last_slice_of_their_shards_only() -> None:
    more = rows().only(rows().ids[:1])
    model = fit(Sharded, rows().without(more.ids))
    (shard,) = model.places(more.ids)[0]
    before = model.state()
    outcome = model.add(more)
    changed = {name for name, array in model.state().items() if name in before and array.tobytes() != before[name].tobytes()}
    assert changed
    assert all(name.startswith(f"shard/{shard}/model/") for name in changed), "an earlier checkpoint or another shard changed"
    assert outcome.cost.parts == 1
    anew = fit(Sharded, rows(), rounds=0)
    assert 0 < outcome.cost.gradient_steps < sum(anew.advance() for _ in range(3)) / 3
    assert model.places(more.ids)[1].tolist() == [2]


def test_rows_that_are_held_cannot_arrive() -> None:
    model = fit(Sharded, rows())
    before = wire.to_bytes(model.state())
    with pytest.raises(UnlearningError, match="row 53 is or was held"):
        model.add(rows().only([53]))
    assert wire.to_bytes(model.state()) == before


@pytest.mark.parametrize("late", [np.array([1]), np.array([50, 50]), np.array([50.0]), np.empty(0, np.int64)])
def test_a_state_whose_late_rows_are_not_held_is_refused(late: npt.NDArray[np.float64]) -> None:
    model = fit(Sharded, rows())
    model.add(Rows(np.array([49]), rows().x[:1], rows().y[:1]))
    state = dict(model.state()) | {"late": late}
    with pytest.raises(UnlearningError, match="late does not name rows that were added"):
        fit(Sharded, rows(), rounds=0).restore(state, model.rows)


def grid() -> Iterator[tuple[int, int, int, int]]:
    yield from product((1, 3), (1, 2, 4), (1, 3), (0, 1, 3))


@pytest.mark.parametrize(("shards", "slices", "rounds", "done"), [each for each in grid() if each[3] <= each[2]])
def test_every_shape_is_exact_at_every_round(shards: int, slices: int, rounds: int, done: int) -> None:
    of = problem(rounds=rounds, epochs=3)
    data, gone = rows(40), rows(40).ids[streams.order(rows(40).ids, "gone", shards, slices)[:4]]
    model = fit(Sharded, data, shards, slices, done, of)
    model.forget(gone[:3])
    model.forget(gone[3:])
    oracle = fit(Sharded, data.without(gone), shards, slices, done, of)
    assert wire.to_bytes(model.state()) == wire.to_bytes(oracle.state())
    model.advance()
    oracle.advance()
    assert wire.to_bytes(model.state()) == wire.to_bytes(oracle.state())


def test_untouched_shards_and_earlier_checkpoints_keep_their_bytes() -> None:
    model = fit(Sharded, rows())
    before = {name: array.tobytes() for name, array in model.state().items()}
    shards, slices = model.places(rows().ids)
    gone = rows().ids[(shards == 1) & (slices == 1)][:1]
    assert model.forget(gone).cost.parts == 1
    after = {name: array.tobytes() for name, array in model.state().items()}
    changed = {name.rsplit("/", 1)[0] for name in before if before[name] != after[name]}
    assert changed == {"shard/1/model", "shard/1/before/2"}
    assert before.keys() == after.keys()


def test_checkpoints_say_who_has_entered() -> None:
    model = fit(Sharded, rows())
    shards, slices = model.places(rows().ids)
    stored = {kept.name: set(kept.ids.tolist()) for kept in model.stored()}
    assert set().union(*(stored[f"shard {shard}"] for shard in range(3))) == set(rows().ids.tolist())
    for shard, stage in product(range(3), (1, 2)):
        assert stored[f"shard {shard} before slice {stage + 1}"] == set(rows().ids[(shards == shard) & (slices < stage)].tolist())


def test_one_shard_with_one_slice_is_plain_training() -> None:
    sisa = fit(Sharded, rows(), shards=1, slices=1)
    plain = Retrain(base=Linear()).build(problem(), (*KEY, "shard", 0))
    plain.fit(rows())
    weights = {name.removeprefix("shard/0/"): array.tobytes() for name, array in sisa.state().items()}
    assert weights == {name: array.tobytes() for name, array in plain.state().items()}


def test_an_emptied_shard_has_no_voice() -> None:
    model = fit(Sharded, rows())
    shards, _ = model.places(rows().ids)
    model.forget(rows().ids[shards == 2])
    alone = [model.network.probabilities(model.weights[shard], rows().x) for shard in (0, 1)]
    np.testing.assert_allclose(model.predict_proba(rows().x), (alone[0] + alone[1]) / 2, rtol=1e-6)
    assert wire.to_bytes(model.state()) == wire.to_bytes(fit(Sharded, rows().keep(shards != 2)).state())


@pytest.mark.parametrize("kind", [Sisa(shards=3, slices=2, base=Linear()), Retrain(base=Linear())])
def test_having_forgotten_everything_predicts_all_alike(kind: Sisa | Retrain) -> None:
    model = kind.build(problem(), KEY)
    model.fit(rows())
    model.forget(rows().ids)
    assert (model.predict_proba(rows().x) == np.float32(0.1)).all()
    oracle = kind.build(problem(), KEY)
    oracle.fit(rows().keep(np.zeros(len(rows()), bool)))
    assert wire.to_bytes(model.state()) == wire.to_bytes(oracle.state())


def test_a_slice_that_has_not_entered_costs_nothing() -> None:
    model = fit(Sharded, rows(), rounds=1)
    _, slices = model.places(rows().ids)
    assert model.forget(rows().ids[slices == 2]).cost == Cost()
    assert model.forget(rows().ids[slices == 0][:1]).cost.gradient_steps > 0


def test_steps_counted_are_steps_of_the_schedule() -> None:
    model = fit(Sharded, rows())
    shards, slices = model.places(rows().ids)
    gone = rows().ids[(shards == 0) & (slices >= 1)][:2]
    kept = ~np.isin(rows().ids, gone) & (shards == 0)
    earliest = int(slices[np.isin(rows().ids, gone)].min())
    schedule = Schedule(3, 2, 3)
    expected = sum(
        (schedule.start(stage + 1) - schedule.start(stage)) * ceil((kept & (slices <= stage)).sum() / 16) for stage in range(earliest, 3)
    )
    assert model.forget(gone).cost == Cost(gradient_steps=expected, parts=1)


def test_a_batch_restarts_each_shard_once() -> None:
    gone = rows().ids[::5]
    batch, single = fit(Sharded, rows()), fit(Sharded, rows())
    cost = batch.forget(gone).cost
    costs = [single.forget(gone[i : i + 1]).cost for i in range(len(gone))]
    assert cost.parts == 3
    assert sum(each.gradient_steps for each in costs) > 3 * cost.gradient_steps
    assert wire.to_bytes(batch.state()) == wire.to_bytes(single.state())


@pytest.mark.parametrize(("rounds", "epochs", "slices"), product((1, 4, 8), (3, 5), (1, 2, 4)))
def test_schedule_follows_the_published_rule(rounds: int, epochs: int, slices: int) -> None:
    schedule, total = Schedule(rounds, epochs, slices), rounds * epochs
    lengths = [schedule.start(stage + 1) - schedule.start(stage) for stage in range(slices)]
    rule = 2 * total / (slices + 1)
    assert all(abs(sum(lengths[:stage]) - stage * rule) < 1 for stage in range(slices + 1))
    assert min(lengths) >= 1
    work = sum(length * (stage + 1) / slices for stage, length in enumerate(lengths))
    assert work == pytest.approx(total, abs=slices)
    pieces = list(schedule.segments(0, rounds))
    assert [epoch for _, piece in pieces for epoch in piece] == list(range(sum(lengths)))
    assert all(schedule.start(stage) <= piece.start < piece.stop <= schedule.start(stage + 1) for stage, piece in pieces)


def test_more_slices_than_epochs_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 3 slices"):
        Sisa(shards=1, slices=4, base=Linear()).build(problem(rounds=1, epochs=2), KEY)


def test_more_slices_than_rows_is_said() -> None:
    spec = Sisa(shards=4, slices=5, base=Linear())
    assert spec.check(problem(), rows(20)) is None
    assert "at most 19" in str(spec.check(problem(), rows(19)))
    assert "at most 3 slices" in str(spec.check(problem(rounds=1, epochs=2), rows(20)))


def test_majority_counts_votes_and_gives_ties_to_the_lowest_class() -> None:
    model = Sharded(Mlp(hidden=(8,)), 2, 1, "majority", problem(), KEY)
    model.fit(rows())
    votes = [model.network.probabilities(weights, rows().x).argmax(axis=1) for weights in model.weights]
    answers = model.predict_proba(rows().x)
    assert set(np.unique(answers)) <= {np.float32(0), np.float32(0.5), np.float32(1)}
    assert (votes[0] != votes[1]).any()
    np.testing.assert_array_equal(answers.argmax(axis=1), np.minimum(*votes))


@pytest.mark.parametrize("rule", ["weighted", "median"])
def test_other_rules_join_the_shards_as_they_say_and_forget_with_them(rule: Rule) -> None:
    data, gone = rows(), rows().ids[::3]
    model = Sharded(Mlp(hidden=(8,)), 3, 1, rule, problem(), KEY)
    model.fit(data)
    model.forget(gone)
    fresh = Sharded(Mlp(hidden=(8,)), 3, 1, rule, problem(), KEY)
    fresh.fit(data.without(gone))
    answers = model.predict_proba(data.x)
    np.testing.assert_array_equal(answers, fresh.predict_proba(data.x))
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-6)
    voices = np.array([model.network.probabilities(weights, data.x) for weights in model.weights], np.float64)
    kept, stale = (np.bincount(model.places(ids)[0], minlength=3) for ids in (data.without(gone).ids, data.ids))
    if rule == "median":
        middle = np.median(voices, axis=0)
        np.testing.assert_allclose(answers, middle / middle.sum(axis=1, keepdims=True), rtol=1e-5)
        return
    np.testing.assert_allclose(answers, np.average(voices, axis=0, weights=kept), rtol=1e-5)
    wrong = np.average(voices, axis=0, weights=stale)
    assert not np.allclose(answers, wrong, rtol=1e-5), "weights that still count what was forgotten would show"


def test_a_median_of_nothing_is_the_mean_and_one_wild_shard_does_not_move_it() -> None:
    three = [np.array([row], np.float32) for row in ([1, 0, 0], [0, 1, 0], [0, 0, 1])]
    np.testing.assert_allclose(joined(three, [1, 1, 1], "median"), 1 / 3)
    calm = np.array([[0.75, 0.25]], np.float32)
    wild = np.array([[0, 1]], np.float32)
    np.testing.assert_array_equal(joined([calm, calm, wild], [1, 1, 1], "median"), calm)
    assert joined([calm, calm, wild], [1, 1, 1], "mean")[0, 0] < calm[0, 0]
