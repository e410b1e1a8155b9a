"""The capacity of guards in a benchmark, too small for numbers: a line for each way and number; what is asked in other words gets past."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clients.data.worlds import Authors
from clients.unlearning.prompts.rules import Kept
from experiments.benchmarks import capacity
from experiments.benchmarks.capacity import WAYS, guards, reworded
from experiments.benchmarks.pretending import QUICK, TRAINING, Case, case


@pytest.fixture(scope="module")
def one() -> Case:
    return case(1, QUICK, TRAINING.model_copy(update={"epochs": 1}), Authors(authors=6), 4)


def test_every_way_and_number_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    capacity.main(["--quick"])
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in said.splitlines() if line.startswith("│")]
    assert rows == [[way, str(count)] for way in WAYS for count in (1, 2, 4)]


def test_guards_protect_all_facts_about_an_author_each(one: Case) -> None:
    own = guards(one, "names", 3)
    assert [len(guard.rule.rows) for guard in own] == [8, 8, 8]
    names = [np.unique(one.forget.only(guard.rule.rows).x[:, -1]) for guard in own]
    assert [len(name) for name in names] == [1, 1, 1]
    assert len(np.unique(np.concatenate(names))) == 3


def test_a_guard_of_questions_lets_other_words_through_and_one_of_names_does_not(one: Case) -> None:
    world, asked = one.network.world, one.forget
    third = {tuple(world.paraphrase(x.astype(np.int64)).tolist()) for x in asked.x}
    for way, stopped in (("questions", 0), ("names", len(third))):
        model = capacity.Guarded(one.network, one.weights, guards(one, way, 4), one.key)
        assert sum(reply.rule is not None for reply in model.replies([world.text(np.array(x)) for x in sorted(third)])) == stopped
    assert 0 <= reworded(model, [asked]) <= 1


def test_what_guards_do_before_their_first_question_is_not_timed(one: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    real = Kept.of

    def made(*what: Any) -> Kept:
        log.append("made")
        return real(*what)

    def clock() -> float:
        log.append("clock")
        return 0.0

    monkeypatch.setattr(Kept, "of", made)
    monkeypatch.setattr(capacity, "thread_time", clock)
    list(capacity.lines(one, "classifier", [2]))
    first = log.index("clock")
    assert "made" in log[:first]
    assert log[first : first + 2] == ["clock", "clock"]
