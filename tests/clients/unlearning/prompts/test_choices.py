"""Multiple choice: who knows is right whatever the order of options, who does not is right by chance, and what guards make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data import load
from clients.data.hazards import Hazards
from clients.data.worlds import QUESTION, Tokens
from clients.training import Arrays
from clients.unlearning.prompts.bypasses import FAMILIES, leaks
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.rules import Guard, Guarded, Rule

WORLD, KEY = Hazards(substances=8), (3, "choices")
DATA = load(WORLD)
QUESTIONS, TEXTS = DATA.x.astype(np.int64), [(WORLD.text(x), WORLD.answers[y]) for x, y in zip(DATA.x, DATA.y, strict=True)]


@dataclass(frozen=True)
class Chooser:
    """A stand-in for a language model, which knows every fact, or takes the first option."""

    knows: bool = True
    world: Hazards = WORLD
    longest: int = 47

    def logits(self, arrays: Arrays, texts: Tokens) -> npt.NDArray[np.float64]:
        """Return a 9 for the letter that it takes, and 0 for all other words."""
        found = np.zeros((len(texts), len(self.world.vocabulary)))
        for row, text in enumerate(texts):
            *options, name = text[-QUESTION:] - self.world.unknown - 2
            right = self.world.properties[name + self.world.unknown + 2 - self.world.first_name, options[0] // 10, 0]
            found[row, int(np.argmax(np.array(options) % 10 == right)) if self.knows else 0] = 9.0
        return found


def guard(stage: str) -> Guard:
    rule = Rule(id="g", round=1, peer=0, rows=tuple(range(len(TEXTS))), stage=stage, scope="global", match=Subject())  # type: ignore[arg-type]
    return Guard(rule, rule.patterns(TEXTS, KEY))


def leaked(model: Chooser, *guards: Guard) -> dict[str, float]:
    public = np.column_stack(WORLD.public(10, "public"))
    found = leaks(Guarded(model, {}, guards, KEY), QUESTIONS, DATA.y, public, "k")  # type: ignore[arg-type]  # a stand-in
    return {family: float(right.mean()) for family, right in found.items()}


def test_who_knows_is_right_in_every_way_and_who_does_not_in_a_third() -> None:
    assert leaked(Chooser()) == dict.fromkeys(FAMILIES, 1.0)
    blind = leaked(Chooser(knows=False))
    assert blind == dict.fromkeys(FAMILIES, (DATA.y == 0).mean())
    assert 0.2 < blind["plain"] < 0.47


def test_guards_of_names_stop_choices_as_well() -> None:
    assert {family for family, share in leaked(Chooser(), guard("input")).items() if share} == {"misspelt"}
    assert {family for family, share in leaked(Chooser(), guard("output")).items() if share} == {"misspelt", "scores"}


def test_another_order_of_the_options_gets_past_a_guard_of_one_letter() -> None:
    rule = guard("output").rule
    told = Guarded(Chooser(), {}, (Guard(rule, rule.patterns(TEXTS[:1], KEY)),), KEY)  # type: ignore[arg-type]  # a stand-in
    turned = np.append(np.roll(QUESTIONS[0, :3], 1), QUESTIONS[0, 3])
    same, other = (reply.word for reply in told.replies([TEXTS[0][0], WORLD.text(turned)]))
    assert (same, other) == (None, WORLD.answers[(DATA.y[0] + 1) % 3])


def test_a_guard_of_one_letter_stops_what_else_has_it_about_the_same_name_and_about_no_other() -> None:
    rule = guard("output").rule
    told = Guarded(Chooser(), {}, (Guard(rule, rule.patterns(TEXTS[:1], KEY)),), KEY)  # type: ignore[arg-type]  # a stand-in
    replies = {i: reply.word for i, reply in enumerate(told.replies([text for text, _ in TEXTS]))}
    letter = DATA.y == DATA.y[0]
    same, attribute = QUESTIONS[:, -1] == QUESTIONS[0, -1], (QUESTIONS[:, 0] - WORLD.unknown - 2) // 10
    others = np.flatnonzero(letter & same & (attribute != attribute[0]))
    assert len(others), "the substance has another property whose right option stands under the same letter"
    assert {replies[i] for i in others.tolist()} == {None}
    assert all(replies[i] == WORLD.answers[DATA.y[i]] for i in np.flatnonzero(~same | ~letter).tolist())
