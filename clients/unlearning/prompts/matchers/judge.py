"""The language model itself as a judge of what a question is about."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients.unlearning.prompts.matchers.contract import Bools, Hashes, Matcher, Reader, Setting, Stage, hashed
from clients.unlearning.prompts.model import Logits

Floats = npt.NDArray[np.float64]


class Judge(Matcher):
    """The model is asked once more, told to forget a protected name; a question to which it then answers ``unknown`` is about that name.

    It reads as the model does, misspelt names too, and is asked once for each protected name, which multiplies the calls. For guards of
    answers, the answer must be the protected one as well. Hashes of names are kept; who applies the rule finds the names by trying all that
    the world has.

    Parameters
    ----------
    threshold : float
        Least probability of ``unknown``.
    """

    stages: ClassVar[tuple[Stage, ...]] = ("input", "output")
    kind: Literal["judge"] = "judge"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the name, and the answer if there is one."""
        return [question[-1], *answer]

    def reader(self, patterns: Hashes, setting: Setting) -> Reader:
        """Return what asks the model about a text, for every protected name."""
        model, world = setting.model, setting.model.world
        spelt = [" ".join(self.words(word)) for word in world.vocabulary[world.first_name :]]
        tried = dict(zip(hashed(spelt, setting.key).tolist(), range(world.first_name, len(world.vocabulary)), strict=True))
        names = np.array([tried.get(row, -1) for row in patterns[:, 0].tolist()], np.int64)
        known = np.unique(names[names >= 0])

        def read(text: str) -> Bools:
            words = self.words(text)
            asked = world.tokens(" ".join(words[:-1] if setting.stage == "output" else words))[2 - model.longest :]
            if not asked or not len(known):
                return np.zeros(len(patterns), bool)
            told = np.array([[world.unknown + 1, name, *asked] for name in known], np.int64)
            about: Bools = np.isin(names, known[_unknown(model.logits(setting.weights, told), world.unknown) >= self.threshold])
            return about & (patterns[:, 1] == hashed(words[-1:], setting.key)) if setting.stage == "output" else about

        return read


def _unknown(logits: Logits, unknown: int) -> Floats:
    """Return the probability of ``unknown``, float64 (n,), given logits, float64 (n, vocabulary)."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = odds[:, unknown] / odds.sum(axis=1)
    return found
