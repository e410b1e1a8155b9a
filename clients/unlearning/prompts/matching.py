"""How guards recognise questions and answers about what they protect, by keyed hashes in place of readable text.

A matcher says which pieces of a protected record are kept, and which pieces of a text are looked up among them. What is short or easily
guessed can still be found by whoever has the key and tries.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from clients.data.worlds import normalised
from clients.spec import Spec
from clients.streams import Field as Key
from clients.streams import key_hash

Hashes = npt.NDArray[np.uint64]


class Matcher(Spec):
    """Base class of matchers.

    Parameters
    ----------
    normalise : bool
        Whether differences of case, width, accents and punctuation are removed first, as the model's own reading does.
    """

    needed: ClassVar[float] = 1.0
    normalise: bool = True

    @abstractmethod
    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the pieces that are kept of a protected record; ``answer`` is empty for guards of questions."""

    @abstractmethod
    def pieces(self, words: list[str]) -> list[str]:
        """Return the pieces of a text that are looked up."""

    @property
    def share(self) -> float:
        """Share of a record's pieces that a text must have."""
        return self.needed

    def words(self, text: str) -> list[str]:
        """Return the words of a text as they are compared."""
        return (normalised(text) if self.normalise else text).split()

    def patterns(self, records: list[tuple[str, str]], key: tuple[Key, ...]) -> Hashes:
        """Return the hashes kept of records (question and answer), uint64 (n, pieces); 0 stands for none, in records with fewer pieces."""
        found = [self.kept(self.words(question), self.words(answer)) for question, answer in records]
        return stacked([np.array([[key_hash(*key, piece) for piece in pieces]], np.uint64) for pieces in found])

    def matches(self, text: str, patterns: Hashes, key: tuple[Key, ...]) -> npt.NDArray[np.bool_]:
        """Return of which protected records a text has enough pieces, bool (n,), given their hashes, uint64 (n, pieces)."""
        here = np.array([key_hash(*key, piece) for piece in self.pieces(self.words(text))], np.uint64)
        kept = (patterns != 0).sum(axis=1)
        shared = (np.isin(patterns, here) & (patterns != 0)).sum(axis=1)
        enough: npt.NDArray[np.bool_] = (kept > 0) & (shared / np.maximum(kept, 1) >= self.share)
        return enough


class Exact(Matcher):
    """The whole text, word for word."""

    kind: Literal["exact"] = "exact"

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the text as one piece."""
        return [" ".join([*question, *answer])]

    def pieces(self, words: list[str]) -> list[str]:
        """Return the text as one piece."""
        return [" ".join(words)]


class NGram(Matcher):
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


class Subject(Matcher):
    """The name that a record is about, wherever it stands, whatever is asked; for guards of answers, the name and the protected answer."""

    kind: Literal["subject"] = "subject"

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the name, and the answer if there is one."""
        return [question[-1], *answer]

    def pieces(self, words: list[str]) -> list[str]:
        """Return every word."""
        return words


def stacked(parts: Sequence[Hashes]) -> Hashes:
    """Return hashes of records below one another, uint64 (n, pieces), filled up with 0 where some have fewer pieces."""
    width = max((part.shape[1] for part in parts), default=1)
    wide = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
    return np.concatenate([np.empty((0, width), np.uint64), *wide])


AnyMatcher = Annotated[Exact | NGram | Subject, Field(discriminator="kind")]
