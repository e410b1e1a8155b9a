"""How guards recognise questions and answers about what they protect, by keyed hashes in place of readable text.

A matcher says which pieces of a protected record are kept, and reads texts with them. What is short or easily guessed can still be found by
whoever has the key and tries.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from clients.data.worlds import normalised
from clients.spec import Spec
from clients.streams import Field as Key
from clients.streams import key_hash
from clients.training import Arrays
from clients.unlearning.prompts.model import LanguageModel

Stage = Literal["prompt", "input", "output"]
Bools = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
Reader = Callable[[str], Bools]
"""Returns which protected records a text is about, bool (n,)."""


@dataclass(frozen=True)
class Setting:
    """What a matcher may use to read texts.

    Parameters
    ----------
    key : tuple
        Key of the hashes.
    stage : {"prompt", "input", "output"}
        Whether texts are questions, or questions with their answers.
    model : LanguageModel
        The model behind the guard, which a judge asks; it knows the world, and so its public questions.
    weights : dict of str to array
    """

    key: tuple[Key, ...]
    stage: Stage
    model: LanguageModel
    weights: Arrays


class Matcher(Spec):
    """Base class of matchers."""

    stages: ClassVar[tuple[Stage, ...]] = ("prompt", "input", "output")
    """Where it can be used."""
    readable: ClassVar[bool] = False
    """Whether its own keys may tell a secret; the records themselves are always kept as hashes."""
    pooled: ClassVar[bool] = True
    """Whether records of several guards can be looked up together."""

    @abstractmethod
    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the pieces that are kept of a protected record; ``answer`` is empty for guards of questions."""

    @abstractmethod
    def reader(self, patterns: Hashes, setting: Setting) -> Reader:
        """Return what reads texts, given the hashes kept of records, uint64 (n, pieces)."""

    @property
    def fault(self) -> str | None:
        """Why it can be of no use, and the cure; None if it can be."""
        return None

    def useless(self, records: Sequence[str], public: Sequence[str]) -> str | None:
        """Return why it is of no use for these texts of protected records among public ones, and the cure; None if it can be."""
        return None

    @property
    def published(self) -> bool:
        """Whether everything in it may be told to others."""
        return not self.readable

    @property
    def hidden(self) -> Self:
        """The matcher as others may know it where it stays at its owner's edge: without what is readable."""
        return self

    def words(self, text: str) -> list[str]:
        """Return the words of a text as they are compared."""
        return normalised(text).split()

    def patterns(self, records: list[tuple[str, str]], key: tuple[Key, ...]) -> Hashes:
        """Return the hashes kept of records (question and answer), uint64 (n, pieces); 0 stands for none, in records with fewer pieces."""
        found = [self.kept(self.words(question), self.words(answer)) for question, answer in records]
        return stacked([hashed(pieces, key)[None] for pieces in found])


class Comparing(Matcher):
    """Base class of matchers that compare the words of texts with those of records.

    Parameters
    ----------
    normalise : bool
        Whether differences of case, width, accents, look-alike letters and punctuation are removed first, as the model's own reading does.
    """

    normalise: bool = True

    def words(self, text: str) -> list[str]:
        """Return the words of a text as they are compared."""
        return (normalised(text) if self.normalise else text).split()


class Sharing(Comparing):
    """Base class of matchers that ask for a share of a record's pieces, wherever they stand in a text."""

    @abstractmethod
    def pieces(self, words: list[str]) -> list[str]:
        """Return the pieces of a text that are looked up."""

    @property
    def share(self) -> float:
        """Share of a record's pieces that a text must have."""
        return 1.0

    def reader(self, patterns: Hashes, setting: Setting) -> Reader:
        """Return what finds the records of which a text has enough pieces."""
        there = patterns != 0
        kept = there.sum(axis=1)

        def read(text: str) -> Bools:
            here = hashed(self.pieces(self.words(text)), setting.key)
            shared = (np.isin(patterns, here) & there).sum(axis=1)
            enough: Bools = (kept > 0) & (shared / np.maximum(kept, 1) >= self.share)
            return enough

        return read


def hashed(pieces: Iterable[str], key: tuple[Key, ...]) -> Hashes:
    """Return the keyed hashes of pieces, uint64 (n,)."""
    return np.array([key_hash(*key, piece) for piece in pieces], np.uint64)


def stacked(parts: Sequence[Hashes]) -> Hashes:
    """Return hashes of records below one another, uint64 (n, pieces), filled up with 0 where some have fewer pieces."""
    width = max((part.shape[1] for part in parts), default=1)
    wide = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
    return np.concatenate([np.empty((0, width), np.uint64), *wide])
