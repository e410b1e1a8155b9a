"""LiRA-Forget on small models that learn by heart: what was learned is told apart, what was not is not, and planted faults are noticed."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data import load
from clients.data.worlds import Records
from clients.language.spec import Pretraining, TransformerSpec
from clients.training import Adam, Training
from experiments.benchmarks import lira_forget
from experiments.benchmarks.lira_forget import NEVER, NOTHING, Pairs, calibration, every, only, pairs, scored, verdicts, wrong
from server.audit.ranking import Interval, area, area_interval

WORLD = Records(people=40, noise=0.3)
SPEC = TransformerSpec(layers=1, width=16, heads=2, records=5, pretraining=Pretraining(steps=0, rehearsal=0))
TRAINING = Training(epochs=25, batch_size=20, optimizer=Adam(lr=1e-2))


@pytest.fixture(scope="module")
def found() -> Pairs:
    return pairs(1, SPEC, TRAINING, WORLD, contexts=(0,), count=12)


def test_what_was_learned_is_told_apart_and_two_groups_that_never_learned_it_are_not(found: Pairs) -> None:
    told = every(found)
    never, nothing = (area_interval(told[name], ("test",)) for name in (NEVER, NOTHING))
    assert nothing.low > 0.8
    assert abs(never.value - 0.5) < 0.1
    assert set(told) == {NEVER, NOTHING, "flipped, 0", "true, 0", "other, 0"}


def test_who_mistakes_the_halves_of_some_pairs_finds_less(found: Pairs) -> None:
    had, mistaken = found.had[NOTHING], np.arange(len(found.never))[:, None] % 2 == 0
    faulty = scored(np.where(mistaken, found.never, had), np.where(mistaken, had, found.never))
    assert area(*faulty.groups) < 0.6 < area(*scored(had, found.never).groups)


def test_each_record_has_a_model_of_each_pair_that_learned_it_and_one_that_did_not(found: Pairs) -> None:
    assert found.never.shape == (12, 40)
    assert all(np.isfinite(part).all() for part in (found.never, *found.had.values()))
    assert (found.had[NOTHING] > found.never).mean() > 0.75, "who learned a record is surer of its label"


def test_records_with_a_wrong_label_are_those_that_differ_without_noise() -> None:
    there = wrong(WORLD)
    assert (load(WORLD).y[there] == 1 - load(WORLD.model_copy(update={"noise": 0.0})).y[there]).all()
    assert 0.1 < there.mean() < 0.5
    assert not wrong(WORLD.model_copy(update={"noise": 0.0})).any()


def test_a_group_of_records_has_their_scores_alone(found: Pairs) -> None:
    one, there = scored(found.had[NOTHING], found.never), wrong(WORLD)
    assert only(one, there).positive.tobytes() == one.positive[:, there].tobytes()


def test_too_few_pairs_for_a_calibration_are_refused(found: Pairs) -> None:
    with pytest.raises(ValueError, match="7 pairs: two halves have at least 4 each; take 8 pairs or more"):
        calibration(found.never[:7])


def test_between_is_said_of_what_lies_between_and_of_nothing_else() -> None:
    narrow = {NEVER: Interval(0.5, 0.49, 0.51), NOTHING: Interval(0.9, 0.89, 0.91)}
    told = [narrow | {"flipped, 0": Interval(value, value - 0.01, value + 0.01)} for value in (0.7, 0.97, 0.505)]
    first, second, third = verdicts(told, "all")
    assert first.endswith("interval around .5 in 3 of 3")
    assert second.endswith("interval above .5 in 3 of 3")
    assert third.endswith("between both in 1 of 3, above no unlearning in 1")


@pytest.mark.slow
def test_every_prompt_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lira_forget.main(["--quick"])
    said = capsys.readouterr().out
    assert said.lstrip().startswith("LiRA-Forget, "), "progress is no part of what is kept"
    assert all(line in said for line in (NEVER, NOTHING, "flipped, 0", "true, 0", "other, 0"))
    assert "between both in 0 of 1" in said, "models that learned nothing show nothing"
