"""Worlds of text from files: questions of any length, as they are published, with whole answers as words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients import streams
from clients.data import DataError, Dataset
from clients.data.worlds import FORGET, QUESTION, STRANGERS, UNKNOWN, Tokens, World, normalised, unpadded

Words = tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """A published question.

    Parameters
    ----------
    text, answer : str
    subject : int
        Whom or what it is about.
    wrong : sequence of str
        Published wrong answers of the same kind.
    paraphrase : str, optional
        The question in other words, as published.
    topic : bool
        Whether it belongs to what is to be forgotten.
    """

    text: str
    answer: str
    subject: int
    wrong: Sequence[str] = field(default_factory=tuple)
    paraphrase: str | None = None
    topic: bool = False


class Texts(World):
    """Base class of worlds from files. Every row is a question with a made-up name behind it, which says whom or what it is about.

    Guards and prompts know questions by this last word. A whole answer is one word to the model, its parts joined by hyphens: it is chosen
    among all answers in the file, not written. Public questions are made of the file's words, drawn at random.

    Parameters
    ----------
    path : str
        The file, relative to the scenario's folder.
    words : int
        Most words of a question, its name included; a longer one is refused.
    """

    catalogue: ClassVar[str] = "the words and answers of all rows"
    path: str
    words: Annotated[int, Field(ge=QUESTION, le=2000)] = 80

    @cached_property
    @abstractmethod
    def asked(self) -> tuple[Question, ...]:
        """The published questions, in their order; ``DataError`` if the file cannot be read."""

    @property
    def longest(self) -> int:
        """Words of the longest question, at least as many as a public one has."""
        return max(QUESTION, *map(len, self._rows))

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """Every right or wrong answer, in the order in which they first appear."""
        found = dict.fromkeys(_joined(answer, self.path) for one in self.asked for answer in (one.answer, *one.wrong))
        if len(found) < 2:
            raise DataError(f"{self.path}: every question has the same answer, {next(iter(found))!r}: give one with others")
        return tuple(found)

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The words of questions that are no answers, in the order in which they first appear."""
        texts = (text for one in self.asked for text in (one.text, one.paraphrase or ""))
        words = dict.fromkeys(word for text in texts for word in normalised(text).split())
        known = {UNKNOWN, FORGET, *map(normalised, self.answers)}
        if not (found := tuple(word for word in words if word not in known)):
            raise DataError(f"{self.path}: every word of its questions is an answer: give a file with questions in words of their own")
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each subject."""
        return tuple(f"{self.tag}{number}" for number in range(1 + max(one.subject for one in self.asked)))

    @cached_property
    def strangers(self) -> tuple[str, ...]:
        """Names that are in no row, for public questions."""
        return tuple(f"{self.tag}x{number}" for number in range(STRANGERS))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of every word as it is read; ``DataError`` if two are read alike, such as answers that differ in their spaces."""
        found: dict[str, int] = {}
        for number, word in enumerate(self.vocabulary):
            if (other := found.setdefault(normalised(word), number)) != number:
                made_up = ", a made-up name," if number >= self.first_name else ""
                alike = f"{self.vocabulary[other][:40]!r} and {word[:40]!r}{made_up} read alike"
                raise DataError(f"{self.path}: {alike}: write the file's otherwise, or leave its row out")
        return found

    # what is remembered is compared where specs are, so that it holds no arrays
    @cached_property
    def _rows(self) -> tuple[Words, ...]:
        """Every question with its name, as words by number."""
        return tuple(self._told(one.text, one, i) for i, one in enumerate(self.asked))

    @cached_property
    def _reworded(self) -> dict[Words, Words]:
        """The questions in other words, by question, as far as they are published."""
        pairs = zip(self._rows, self.asked, strict=True)
        return {row: self._told(one.paraphrase, one, i) for i, (row, one) in enumerate(pairs) if one.paraphrase}

    @cached_property
    def _kin(self) -> dict[int, Words]:
        """The answers of the same kind as each class, itself included, ascending: those published for a question that it is right for.

        Of one that is right for no question, those it stands among as a wrong one; all answers where none are published.
        """
        place, every = {answer: number for number, answer in enumerate(self.answers)}, tuple(range(len(self.answers)))
        found: dict[int, Words] = {}
        told = [[place[_joined(answer, self.path)] for answer in (one.answer, *one.wrong)] for one in self.asked]
        right, wrong = [(own[0], own) for own in told], [(answer, own) for own in told for answer in own[1:]]
        for answer, own in (*right, *wrong):
            found.setdefault(answer, tuple(sorted(set(own))) if len(set(own)) > 1 else every)
        return found

    def _told(self, text: str, one: Question, row: int) -> Words:
        """Return a text and the name of what it is about, as words by number."""
        told = [*(self.numbers[word] for word in normalised(text).split()), self.first_name + one.subject]
        if len(told) > self.words:
            raise DataError(f"{self.path}: question {row} (from 0) has {len(told)} words with its name, words = {self.words} fit: raise it")
        return tuple(told)

    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return three words of the file and an answer, all drawn at random."""
        x = self.unknown + 2 + draws.integers(0, len(self.questions), (*shape, QUESTION - 1))
        return x, draws.integers(0, len(self.answers), shape)

    def wrong(self, y: Tokens, draws: np.random.Generator) -> Tokens:
        """Return another answer of the same kind for each class."""
        chance = draws.random(y.shape).ravel()
        others = [[one for one in self._kin[right] if one != right] for right in y.ravel().tolist()]
        found = [kind[int(share * len(kind))] for kind, share in zip(others, chance, strict=True)]
        return np.array(found, np.int64).reshape(y.shape)

    def alike(self, y: int) -> Tokens:
        """Return the answers of the same kind."""
        return np.array(self._kin[y], np.int64)

    def paraphrase(self, x: Tokens, *key: streams.Field) -> Tokens:
        """Return the question in other words, as published, else its words in another order, drawn by key; the name stays behind it."""
        told = unpadded(x)
        if (known := self._reworded.get(tuple(told.tolist()))) is not None:
            return np.array(known, np.int64)
        drawn = streams.generator(*key, "paraphrase").permutation(told[:-1])
        return np.append(drawn if (drawn != told[:-1]).any() else np.roll(drawn, 1), told[-1])  # of few words chance often draws the same

    def load(self) -> Dataset:
        """Return every question, filled up in front with -1."""
        y = {answer: number for number, answer in enumerate(self.answers)}
        wide = padded(self._rows, self.longest)
        classes = np.array([y[_joined(one.answer, self.path)] for one in self.asked], np.int64)
        subjects = np.array([one.subject for one in self.asked], np.int64)
        return Dataset(wide.astype(np.float32), classes, self.answers, published=True, subjects=subjects)


def padded(rows: Sequence[Words], length: int) -> Tokens:
    """Return texts of at most ``length`` words below one another, int64 (n, length), filled up in front with -1."""
    found: npt.NDArray[np.int64] = np.full((len(rows), length), -1, np.int64)
    for place, row in enumerate(rows):
        found[place, length - len(row) :] = row
    return found


def _joined(answer: str, path: str) -> str:
    """Return an answer as one word; ``DataError`` if nothing of it can be read, or it is what a guard answers."""
    word = "-".join(normalised(answer).split())
    if word in ("", UNKNOWN, FORGET):
        raise DataError(f"{path}: answer {answer[:40]!r} cannot be told from a guard's, or has no letter: leave its row out")
    return word
