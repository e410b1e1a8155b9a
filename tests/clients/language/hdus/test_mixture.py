"""The mixture of language models: whose words it gives, and that guards before it would leave the answer to a neighbour's seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from clients.data.worlds import Tokens, World
from clients.language.hdus.mixture import Mixing, Mixture, Voice
from clients.language.measures import log_probabilities
from clients.training import Arrays
from clients.unlearning.prompts.model import Logits
from clients.unlearning.prompts.rules import Guarded
from tests.clients.unlearning.prompts.knowing import WORLD, Knowing
from tests.clients.unlearning.prompts.test_guards import KEY, QUESTIONS, TEXTS, guard

SHARE = Mixing()


@dataclass(frozen=True)
class Saying:
    """Gives a word of a world the probability that its weights have, and all others equal ones."""

    longest: int = 30
    world: World = WORLD

    def logits(self, arrays: Arrays, texts: Tokens) -> Logits:
        """Return the same logits for every text."""
        return np.log(np.tile(arrays["p"], (len(texts), 1)))


def saying(owner: int, word: int, p: float, records: int = 1, longest: int = 30) -> Voice:
    told = np.full(len(WORLD.vocabulary), (1 - p) / (len(WORLD.vocabulary) - 1))
    told[word] = p
    return Voice(owner, Saying(longest), {"p": told}, records)


def mixed(mixing: Mixing, own: Voice, *seeds: Voice) -> np.ndarray:
    """Return the probabilities of the mixture, (vocabulary,)."""
    return np.exp(Mixture(mixing, own, seeds).logits(own.weights, QUESTIONS[:1]))[0]


def test_probabilities_are_averaged_and_the_order_of_seeds_is_none() -> None:
    own, near, far = saying(1, 0, 0.9), saying(0, 1, 0.6), saying(2, 1, 0.8, records=3)
    mean = np.mean([own.weights["p"], near.weights["p"], far.weights["p"]], axis=0)
    assert np.allclose(mixed(SHARE, own, near, far), mean)
    assert np.array_equal(mixed(SHARE, own, near, far), mixed(SHARE, own, far, near))
    by_size = np.average([own.weights["p"], near.weights["p"], far.weights["p"]], axis=0, weights=[1, 1, 3])
    assert np.allclose(mixed(Mixing(weights="size"), own, near, far), by_size)
    half = 0.5 * own.weights["p"] + 0.5 * near.weights["p"]
    assert np.allclose(mixed(Mixing(self_weight=0.5), own, near), half)
    sure = mixed(Mixing(weights="confidence"), saying(1, 0, 0.99), saying(0, 1, 0.1), saying(2, 1, 0.1))
    assert sure.argmax() == 0


def test_without_seeds_it_is_the_main_model_and_it_reads_what_every_member_can() -> None:
    own = Voice(0, Knowing(), {}, 5)
    alone = Mixture(SHARE, own, ())
    assert np.allclose(alone.logits({}, QUESTIONS), log_probabilities(Knowing().logits({}, QUESTIONS)))
    assert (alone.longest, Mixture(SHARE, own, [saying(1, 0, 0.5, longest=12)]).longest) == (47, 12)


@dataclass(frozen=True)
class GuardedMember(Knowing):
    """The fault: the guards of a peer act on its main model alone, before the mixing."""

    behind: Guarded | None = None

    def logits(self, arrays: Arrays, texts: Tokens) -> Logits:
        """Return the logits behind each reply; of a refusal those that are sure of ``unknown``."""
        sure = np.zeros((len(texts), len(self.world.vocabulary)))
        assert self.behind is not None
        replies = self.behind.replies([self.world.text(text) for text in texts])
        for row, reply in zip(sure, replies, strict=True):
            row[self.world.unknown] = 9.0
            if reply.word not in (None, "unknown"):
                row[:] = reply.logits
        return sure


@pytest.mark.parametrize("stage", ["prompt", "input", "output"])
def test_a_guard_acts_after_the_mixing_or_a_neighbours_seed_answers(stage: str) -> None:
    """Two neighbours' seeds know what the peer's own guard withholds."""
    guards, (question, answer) = (guard(stage),), TEXTS[0]
    seeds = [Voice(1, Knowing(), {}, 5), Voice(2, Knowing(), {}, 5)]
    after = Guarded(Mixture(SHARE, Voice(0, Knowing(), {}, 5), seeds), {}, guards, KEY)
    before = Guarded(Mixture(SHARE, Voice(0, GuardedMember(behind=Guarded(Knowing(), {}, guards, KEY)), {}, 5), seeds), {})
    others = WORLD.text(QUESTIONS[0] + [0, 0, 0, 4])  # the same question about an author whom nobody protects
    assert before.replies([question])[0].word == answer, "the planted fault leaks"
    assert after.replies([question])[0].word in (None, "unknown")
    assert after.replies([others])[0].word == before.replies([others])[0].word == Guarded(Knowing(), {}).replies([others])[0].word
    assert replace(after, guards=()).replies([question])[0].word == answer, "guards off, the answer is back"
