"""A linear classifier of texts on TF-IDF features of keyed hashes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from clients.data.worlds import World
from clients.streams import Field as Key
from clients.unlearning.prompts.matchers.contract import Comparing, Hashes, Reader, Setting, Stage, hashed

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
        if not len(patterns):
            return lambda text: np.zeros(0, bool)
        records: list[Pieces] = [row[row != 0].tolist() for row in patterns]
        others, unseen = _public(self, setting.model.world, setting.stage, setting.key)
        score = fitted(records, others)
        threshold = least([score(one) for one in unseen], self.refusals)
        return lambda text: np.full(len(patterns), score(self.read(text, setting.key)) > threshold)

    def read(self, text: str, key: tuple[Key, ...]) -> Pieces:
        """Return the hashes of a text's pieces."""
        found: Pieces = hashed(self.pieces(self.words(text)), key).tolist()
        return found


@lru_cache(maxsize=8)
def _public(match: Linear, world: World, stage: Stage, key: tuple[Key, ...]) -> tuple[list[Pieces], list[Pieces]]:
    """Return the pieces of public texts for the fit, and of those about other names for the threshold."""
    questions, answers = world.public(ASKED, *key, "linear")
    fits = np.isin(questions[:, -1], np.unique(questions[:, -1])[::2])
    told = [f" {world.answers[y]}" if stage == "output" else "" for y in answers]
    found = [match.read(world.text(question) + answer, key) for question, answer in zip(questions, told, strict=True)]
    return [found[i] for i in np.flatnonzero(fits)], [found[i] for i in np.flatnonzero(~fits)]


def fitted(records: list[Pieces], others: list[Pieces]) -> Callable[[Pieces], float]:
    """Return the score of a text in the fit of records against others, given its pieces: positive for what looks like a record."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    features = TfidfVectorizer(analyzer=list)
    classifier = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
    classifier.fit(features.fit_transform([*records, *others]), [True] * len(records) + [False] * len(others))
    weights = {piece: (features.idf_[place], classifier.coef_[0, place]) for piece, place in features.vocabulary_.items()}

    def score(pieces: Pieces) -> float:
        """Return what the classifier says of one text; a text at a time is slow in scikit-learn."""
        counts = Counter(piece for piece in pieces if piece in weights)
        told = [(count * weights[piece][0], weights[piece][1]) for piece, count in counts.items()]
        length = math.sqrt(sum(value * value for value, _ in told)) or 1.0
        return float(classifier.intercept_[0] + sum(value * weight for value, weight in told) / length)

    return score


def least(scores: Sequence[float], share: float) -> float:
    """Return the smallest score above which at most a share of scores lies."""
    ordered = sorted(scores, reverse=True)
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])
