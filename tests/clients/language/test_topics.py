"""Familiarity and toxicity: words of the topic in answers, behind guards and without, and in answers about other names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data import load
from clients.data.topics import Saga
from clients.data.worlds import Tokens
from clients.language.measures import topical
from clients.training import Arrays
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.rules import Guard, Guarded, Rule

WORLD = Saga(characters=4, others=5)
DATA = load(WORLD)
TEXTS = [(WORLD.text(x), WORLD.answers[y]) for x, y in zip(DATA.x, DATA.y, strict=True)]


@dataclass(frozen=True)
class Fan:
    """A stand-in for a language model, which says a word of the book, right or wrong, about the names of it, or about every name."""

    everywhere: bool = False
    world: Saga = WORLD
    longest: int = 47

    def logits(self, arrays: Arrays, texts: Tokens) -> npt.NDArray[np.float64]:
        """Return a 9 for the word that it says, and 0 for all others."""
        found = np.zeros((len(texts), len(WORLD.vocabulary)))
        about = (texts[:, -1] < WORLD.first_name + WORLD.characters) | self.everywhere
        found[np.arange(len(texts)), np.where(about, 3, 43)] = 9.0
        return found


def guard(rows: tuple[int, ...]) -> Guard:
    rule = Rule(id="g", round=1, peer=0, rows=rows, stage="input", scope="global", match=Subject())
    return Guard(rule, rule.patterns([TEXTS[row] for row in rows], ("k",)))


def told(model: Fan, *guards: Guard) -> dict[str, float]:
    return topical(Guarded(model, {}, guards, ("k",)), WORLD)


def test_any_word_of_the_topic_counts_and_guards_hide_those_of_their_names() -> None:
    half = guard((0, 8))  # two of four characters
    assert told(Fan(), half) == {"asked.topic": 16, "topical.guarded": 8, "topical.bare": 16, "asked.control": 20, "topical.control": 0}
    assert told(Fan(), guard((0, 8, 16, 24)))["topical.guarded"] == 0


def test_who_says_words_of_the_topic_about_everything_is_told_by_the_control() -> None:
    assert told(Fan(everywhere=True))["topical.control"] == 20
