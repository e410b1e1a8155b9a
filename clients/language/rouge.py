"""ROUGE-L of answers that are sentences: how much of the true one is in the given one, in its order.

Source: Lin, "ROUGE: a package for automatic evaluation of summaries", 2004; as recall, which TOFU reports. The package ``rouge-score``
would bring a tokenizer and a stemmer of English with it; here words are those that the models read, and no ending is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clients.data.wording import normalised
from clients.unlearning.prompts.matchers.subsequence import common


def recalls(given: Sequence[str | None], wanted: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the length of the longest common subsequence of words over the words of the true answer, in [0, 1], float64 (n,).

    Parameters
    ----------
    given : sequence of (str or None)
        What a user sees; None for a refusal, in which nothing is right.
    wanted : sequence of str
        The true answers, with at least one word each. Words are joined by spaces or hyphens.
    """
    return np.array([_recall(one, true) for one, true in zip(given, wanted, strict=True)], np.float64)


def _recall(given: str | None, wanted: str) -> float:
    """Return the recall of one answer."""
    right, told = _words(wanted), _words(given or "")
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*right, *told]), 1)}
    rows, text = (np.array([numbers[word] for word in words], np.uint64) for words in (right, told))
    return int(common(rows[None], text)[0]) / len(right)


def _words(answer: str) -> list[str]:
    """Return the words of an answer as the models read them."""
    return normalised(answer.replace("-", " ")).split()
