"""A linear classifier of texts on TF-IDF features of keyed hashes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from clients.unlearning.prompts.matchers.contract import Bools, Comparing, Hashes, Reader, Setting, hashed

ASKED = 800
"""Public questions on which it is fitted, and its threshold chosen: half of their names each."""

Pieces = list[int]


class Linear(Comparing):
    """A logistic regression on TF-IDF features of words and pairs of words, which are kept as hashes.

    Whoever applies the rule fits it: records against public questions. The threshold is chosen on public questions about other names, which
    the fit has not seen, so that at most a share ``refusals`` of them is stopped.

    Parameters
    ----------
    refusals : float
        Largest share of these public questions that may be stopped.
    """

    pooled: ClassVar[bool] = False
    kind: Literal["linear"] = "linear"
    refusals: Annotated[float, Field(gt=0, le=0.2)] = 0.01

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the record's words, and pairs of words."""
        return self.pieces([*question, *answer])

    def pieces(self, words: list[str]) -> list[str]:
        """Return the words of a text, and its pairs of words."""
        return [*words, *(f"{one} {other}" for one, other in pairwise(words))]

    def reader(self, patterns: Hashes, setting: Setting) -> Reader:
        """Return what says whether a text is above the threshold, as if it were about every record."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        if not len(patterns):
            return lambda text: np.zeros(0, bool)
        records: list[Pieces] = [row[row != 0].tolist() for row in patterns]
        others, unseen = self._public(setting)
        classifier = make_pipeline(TfidfVectorizer(analyzer=list), LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000))
        classifier.fit([*records, *others], [True] * len(records) + [False] * len(others))
        threshold = least(classifier.decision_function(unseen), self.refusals)

        def read(text: str) -> Bools:
            (score,) = classifier.decision_function([self._read(text, setting)])
            return np.full(len(patterns), score > threshold)

        return read

    def _public(self, setting: Setting) -> tuple[list[Pieces], list[Pieces]]:
        """Return the pieces of public texts for the fit, and of those about other names for the threshold."""
        world = setting.model.world
        questions, answers = world.public(ASKED, *setting.key, "linear")
        fits = np.isin(questions[:, -1], np.unique(questions[:, -1])[::2])
        told = [f" {world.answers[y]}" if setting.stage == "output" else "" for y in answers]
        found = [self._read(world.text(question) + answer, setting) for question, answer in zip(questions, told, strict=True)]
        return [found[i] for i in np.flatnonzero(fits)], [found[i] for i in np.flatnonzero(~fits)]

    def _read(self, text: str, setting: Setting) -> Pieces:
        """Return the hashes of a text's pieces."""
        found: Pieces = hashed(self.pieces(self.words(text)), setting.key).tolist()
        return found


def least(scores: Sequence[float], share: float) -> float:
    """Return the smallest score above which at most a share of scores lies."""
    ordered = sorted(scores, reverse=True)
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])
