"""A matcher of sequences of words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from clients.unlearning.prompts.matchers.contract import Sharing


class NGram(Sharing):
    """A share of the text's sequences of ``n`` words, wherever they stand.

    Sequences without a name are in many questions: a lower share soon stops questions that nobody protects.

    Parameters
    ----------
    n : int
        Words of a sequence.
    overlap : float
        Share of a record's sequences that a text must have.
    """

    kind: Literal["ngram"] = "ngram"
    n: Annotated[PositiveInt, Field(le=4)] = 2
    overlap: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def share(self) -> float:
        """Share of a record's pieces that a text must have."""
        return self.overlap

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return every sequence of the record."""
        return self.pieces([*question, *answer])

    def pieces(self, words: list[str]) -> list[str]:
        """Return every sequence of the text."""
        return [" ".join(words[place : place + self.n]) for place in range(len(words) - self.n + 1)]
