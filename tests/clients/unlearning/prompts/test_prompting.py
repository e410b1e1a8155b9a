"""Prompts of unlearning in context: exact words, what is flipped, what is drawn; margins that stay finite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clients.data import load
from clients.data.rows import Rows
from clients.data.worlds import Authors, Records
from clients.language.measures import margins, memorised, prompted, truth_ratios
from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.prompting import CONTROLS, Prompts

WORLD = Records(people=30)
DATA = load(WORLD)
RECORD, OTHERS = DATA.rows(np.array([4])), DATA.rows(np.arange(10, 20))
PROMPTS = Prompts(WORLD, RECORD, OTHERS, 2, ("key",))


def lines(control: str, prompts: Prompts = PROMPTS) -> list[list[str]]:
    """The prompt's records, five words each, and its question."""
    words = WORLD.text(prompts.text(control)).split()
    return [words[place : place + 5] for place in range(0, len(words), 5)]


def test_the_record_comes_first_with_the_other_label_then_others_with_theirs_then_the_question() -> None:
    flipped, *context, question = lines("flipped")
    assert question == WORLD.text(RECORD.x[0]).split()
    assert flipped == [*question, WORLD.answers[1 - RECORD.y[0]]]
    known = {tuple(WORLD.text(x).split()): WORLD.answers[y] for x, y in zip(OTHERS.x, OTHERS.y, strict=True)}
    assert len(context) == 2
    assert all(known[tuple(line[:4])] == line[4] for line in context), "never the record itself, and never flipped"


def test_controls_differ_from_the_prompt_in_the_first_place_only() -> None:
    flipped = lines("flipped")
    assert lines("none") == flipped[-1:]
    true = lines("true")
    assert true[0] == [*flipped[0][:4], WORLD.answers[RECORD.y[0]]]
    assert true[1:] == flipped[1:]
    other = lines("other")
    assert other[1:] == flipped[1:]
    assert other[0][3] not in {line[3] for line in flipped}
    assert lines("repeat") == [flipped[0], *flipped]


def test_the_choice_is_keyed_and_goes_without_records_of_the_same_name() -> None:
    assert lines("flipped", replace(PROMPTS, key=("other",)))[1:-1] != lines("flipped")[1:-1]
    fewer = replace(PROMPTS, others=OTHERS.without([int(OTHERS.ids[0])]))
    assert sum(line in lines("flipped") for line in lines("flipped", fewer)) >= 3, "at most one record is replaced"
    world = Authors(authors=6)
    data = load(world)
    prompts = Prompts(world, data.rows(np.array([0])), data.rows(np.arange(1, 40)), 4, ("key",))
    words = world.text(prompts.text("flipped")).split()
    assert words.count(words[-1]) == 2, "the name is in the flipped record and in the question"


def test_too_few_records_for_the_context_are_refused() -> None:
    with pytest.raises(ValueError, match="context = 2 needs 3 kept records of other people, there are 2"):
        replace(PROMPTS, others=OTHERS.only(OTHERS.ids[:2])).text("flipped")
    assert InContext(context=4).longest == 7


def test_margins_are_those_of_the_formula_and_finite_at_the_ends() -> None:
    logits, y = np.array([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0], [900.0, 0.0, -900.0], [-900.0, 0.0, 900.0]]), np.array([1, 0, 0, 0])
    p = np.exp(logits[:2]) / np.exp(logits[:2]).sum(axis=1, keepdims=True)
    right = p[[0, 1], y[:2]]
    found = margins(logits, y)
    np.testing.assert_allclose(found[:2], np.log(right) - np.log(1 - right), atol=1e-12)
    np.testing.assert_allclose(found[2:], [900.0, -1800.0])


def test_truth_ratios_look_at_answers_of_the_same_kind_only() -> None:
    world = Authors(authors=6)
    logits = np.zeros((2, 40))
    logits[0, 3], logits[1, 25] = 2.0, 50.0
    np.testing.assert_allclose(truth_ratios(world, logits, np.array([3, 3])), [-2.0, 0.0], atol=1e-12)


class Copies:
    """A stand-in for a language model: gives the last answer in its context to the question's name, otherwise ``positive``."""

    world, classes = WORLD, 2

    def logits(self, weights: object, texts: np.ndarray) -> np.ndarray:
        """Return a 5 for the word that it answers."""
        found = np.zeros((len(texts), len(WORLD.vocabulary)))
        for row, text in enumerate(texts):
            earlier = np.flatnonzero(text[:-1] == text[-1])
            found[row, text[earlier[-1] + 1] if len(earlier) else 1] = 5.0
        return found


def test_what_a_model_looks_up_turns_its_margin() -> None:
    asked: list[tuple[Rows, int]] = [(DATA.rows(np.array([row])), 2) for row in (4, 5)]
    found = prompted(Copies(), {}, asked, OTHERS, ("key",))  # type: ignore[arg-type]
    assert {name for name in found if name.startswith("margin")} == {f"margin.{control}" for control in CONTROLS}
    assert found["margin.flipped"] == found["margin.repeat"] == -found["margin.true"] < 0
    assert found["margin.other"] == found["margin.none"], "another record flipped changes nothing for a model that looks names up"
    assert (found["asked.forgotten"], found["exact.forgotten.true"], found["exact.forgotten.flipped"]) == (2, 2, 0)
    assert prompted(Copies(), {}, [], OTHERS, ("key",)) == {}  # type: ignore[arg-type]


def test_exchanged_labels_and_a_leaked_record_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [(DATA.rows(np.array([row])), 2) for row in (4, 5)]
    everybody = OTHERS.joined(DATA.rows(np.array([4, 5])).without(OTHERS.ids))
    right = prompted(Copies(), {}, asked, everybody, ("key",))  # type: ignore[arg-type]
    assert right["margin.flipped"] < 0, "a record is not in its own context, where its true answer would stand"
    drawn = Prompts._drawn
    with monkeypatch.context() as leaking:
        leaking.setattr(Prompts, "_drawn", lambda self: [int(np.searchsorted(self.others.ids, self.record.ids[0])), *drawn(self)])
        leaked = prompted(Copies(), {}, asked, everybody, ("key",))  # type: ignore[arg-type]
    assert leaked["margin.flipped"] == leaked["margin.true"] > 0, "the planted fault: the method seems to do nothing"
    first = Prompts._first
    monkeypatch.setattr(Prompts, "_first", lambda self, control: first(self, {"flipped": "true", "true": "flipped"}.get(control, control)))
    exchanged = prompted(Copies(), {}, asked, everybody, ("key",))  # type: ignore[arg-type]
    assert exchanged["margin.flipped"] > 0 > exchanged["margin.true"], "the planted fault: the control turns, not the method"


def test_memorised_records_are_counted() -> None:
    found = memorised(Copies(), {}, OTHERS)  # type: ignore[arg-type]
    assert (found["asked.own"], found["exact.own"]) == (10, (OTHERS.y == 1).sum())
    assert memorised(Copies(), {}, OTHERS.only([])) == {}  # type: ignore[arg-type]
