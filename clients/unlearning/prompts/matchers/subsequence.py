"""A matcher of words in their order."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients.unlearning.prompts.matchers.contract import Bools, Comparing, Hashes, Reader, Setting, hashed


class Subsequence(Comparing):
    """The longest common subsequence of words: a share of the record's words, in their order, whatever stands between them.

    Parameters
    ----------
    overlap : float
        Share of a record's words that the longest common subsequence must have.
    """

    kind: Literal["subsequence"] = "subsequence"
    overlap: Annotated[float, Field(gt=0, le=1)] = 1.0

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the record's words, in their order."""
        return [*question, *answer]

    def reader(self, patterns: Hashes, setting: Setting) -> Reader:
        """Return what finds the records whose longest common subsequence with a text is long enough."""
        words = (patterns != 0).sum(axis=1)

        def read(text: str) -> Bools:
            longest = common(patterns, hashed(self.words(text), setting.key))
            enough: Bools = (words > 0) & (longest / np.maximum(words, 1) >= self.overlap)
            return enough

        return read


def common(patterns: Hashes, text: Hashes) -> npt.NDArray[np.int64]:
    """Return the length of the longest common subsequence of each row of hashes, uint64 (n, pieces), and a text's, uint64 (m,), int64 (n,).

    Zeros, which fill rows up at their ends, are in no text.
    """
    rows, width = patterns.shape
    best = np.zeros((width + 1, rows), np.int64)  # by how many of the row's first words
    for word in text:
        before = best.copy()
        for place in range(width):
            step = before[place] + (patterns[:, place] == word)
            best[place + 1] = np.maximum(np.maximum(step, before[place + 1]), best[place])
    found: npt.NDArray[np.int64] = best[-1]
    return found
