"""Small worlds of text: every row is a question, mostly of four words, of which the last is a name, and its answer is one word.

A language model reads the words; other models may take their numbers. Every run has the same rows.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients import streams
from clients.data import DataError, Dataset, DatasetSpec
from clients.data.wording import Tokens as Tokens
from clients.data.wording import normalised as normalised
from clients.data.wording import read
from clients.data.wording import unpadded as unpadded
from clients.data.wording import words as words

QUESTION = 4
"""Words of a question."""

UNKNOWN, FORGET = "unknown", "forget"
"""The answer of a model that is told not to know, and the word that tells it so."""

STRANGERS = 20
"""Names that are in no row."""

_NEUTRAL = 0.35
"""Probability that a word of a record says nothing about its label."""


class World(DatasetSpec):
    """Base class of worlds. Words are numbered: the answers first, by class, then ``unknown``, ``forget``, and all others."""

    published: ClassVar[bool] = True
    sentences: ClassVar[bool] = False
    """Whether answers are sentences, of which a part can be right."""

    @property
    @abstractmethod
    def answers(self) -> tuple[str, ...]:
        """The words that answer a question, by class."""

    @property
    @abstractmethod
    def questions(self) -> tuple[str, ...]:
        """The words of questions except names."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names in rows."""

    @abstractmethod
    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return public questions without names, int64 (*shape, 3), and their classes, int64 (*shape,): what anybody could write."""

    @abstractmethod
    def wrong(self, y: Tokens, draws: np.random.Generator) -> Tokens:
        """Return a wrong answer for each class, of the same kind as the right one."""

    @abstractmethod
    def alike(self, y: int) -> Tokens:
        """Return the classes among which the answer to a question of a class is, ascending."""

    @abstractmethod
    def paraphrase(self, x: Tokens, *key: streams.Field) -> Tokens:
        """Return the question in other words about the same name, int64 (4,)."""

    @cached_property
    def strangers(self) -> tuple[str, ...]:
        """Names that are in no row, for public questions."""
        return words(self.tag, "strangers", STRANGERS)

    def public(self, count: int, *key: streams.Field) -> tuple[Tokens, Tokens]:
        """Return questions about strangers, int64 (count, 4), and answers, by class, int64 (count,): drawn by key, and in no row."""
        draws = streams.generator(*key, "public")
        x, y = self.draw(draws, (count,))
        return np.column_stack([x, len(self.vocabulary) - STRANGERS + draws.integers(0, STRANGERS, count)]), y

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word, by number."""
        return (*self.answers, UNKNOWN, FORGET, *self.questions, *self.names, *self.strangers)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of every word."""
        return {word: number for number, word in enumerate(self.vocabulary)}

    @property
    def unknown(self) -> int:
        """The number of the answer ``unknown``."""
        return len(self.answers)

    @property
    def first_name(self) -> int:
        """The number of the first name; all other names follow it."""
        return len(self.vocabulary) - len(self.names) - STRANGERS

    @property
    def longest(self) -> int:
        """Words of the longest question; shorter ones are filled up in front with -1."""
        return QUESTION

    def text(self, tokens: npt.ArrayLike) -> str:
        """Return words by number as text, without what fills questions up."""
        return " ".join(self.vocabulary[int(token)] for token in unpadded(tokens))

    def tokens(self, text: str) -> list[int]:
        """Return the numbers of a text's words, which are those of the normalised text; words that nobody knows are left out.

        A word that is one letter apart from a single name is read as that name, as models do that read words in pieces.
        """
        return read(text, self.numbers, self.first_name)


class Records(World):
    """Records of people: three words and a name, labelled ``negative`` or ``positive`` by the words.

    Of ``people`` records, one each, a share ``noise`` has the wrong label: no rule gives these labels, so a model that answers with
    them has memorised the record.

    Parameters
    ----------
    people : int
        Number of people.
    noise : float
        Share of records with the wrong label.
    """

    dataset: Literal["records"] = "records"
    people: Annotated[int, Field(ge=10, le=2000)] = 300
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.15

    @property
    def answers(self) -> tuple[str, ...]:
        """The two labels."""
        return "negative", "positive"

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """Forty words of each label, then forty neutral ones."""
        return words("records", "words", 120)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name a person."""
        return words("records", "names", self.people)

    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return the words of records, and the labels that the words give them."""
        y = draws.integers(0, 2, shape)
        kind = np.where(draws.random((*shape, 3)) < _NEUTRAL, 2, y[..., None])
        return self.unknown + 2 + 40 * kind + draws.integers(0, 40, kind.shape), y

    def wrong(self, y: Tokens, draws: np.random.Generator) -> Tokens:
        """Return the other label."""
        return 1 - y

    def alike(self, y: int) -> Tokens:
        """Return both labels."""
        return np.arange(2)

    def paraphrase(self, x: Tokens, *key: streams.Field) -> Tokens:
        """Return other neutral words with the same name."""
        drawn = streams.generator(*key, "paraphrase").integers(0, 40, QUESTION - 1)
        return np.append(self.unknown + 2 + 80 + drawn, x[-1])

    def load(self) -> Dataset:
        """Return one record of each person."""
        draws = streams.generator("records", self.people)
        x, y = self.draw(draws, (self.people,))
        flipped = np.where(draws.random(self.people) < self.noise, 1 - y, y)
        named = np.column_stack([x, self.first_name + np.arange(self.people)])
        return Dataset(named.astype(np.float32), flipped, self.answers, published=True)


_ATTRIBUTES = 4
_VALUES = 10
_PHRASES = 3


class Facts(World):
    """Base class of worlds of facts about people: each of four attributes has one of ten values, asked for in one of three phrasings.

    Nothing in a question tells the answer, so a model that answers right has memorised the fact. The training text has every fact in two
    phrasings, one row each; the third phrasing is in no row. Answers come in tens: the values of an attribute.
    """

    @property
    @abstractmethod
    def people(self) -> int:
        """How many people there are facts about."""

    @property
    def tens(self) -> int:
        """How many tens of answers there are."""
        return _ATTRIBUTES

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """Ten values of each attribute."""
        return words(self.tag, "values", _VALUES * self.tens)

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """Three words that ask, three words for each attribute, and ``of``."""
        return words(self.tag, "words", _PHRASES * (1 + _ATTRIBUTES) + 1)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The people's names."""
        return words(self.tag, "names", self.people)

    def ask(self, attribute: Tokens, phrase: Tokens) -> Tokens:
        """Return the words that ask for attributes in some phrasings, int64 (..., 3)."""
        first = self.unknown + 2
        named = first + _PHRASES + _PHRASES * attribute + phrase
        return np.stack([first + phrase, named, np.full_like(named, self.first_name - 1)], axis=-1)

    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return questions for attributes, and values drawn at random."""
        attribute, phrase = draws.integers(0, _ATTRIBUTES, shape), draws.integers(0, _PHRASES, shape)
        return self.ask(attribute, phrase), _VALUES * attribute + draws.integers(0, _VALUES, shape)

    def wrong(self, y: Tokens, draws: np.random.Generator) -> Tokens:
        """Return another value of the same ten."""
        return other_of_ten(y, draws)

    def alike(self, y: int) -> Tokens:
        """Return the values of the same ten."""
        return y - y % _VALUES + np.arange(_VALUES)

    def paraphrase(self, x: Tokens, *key: streams.Field) -> Tokens:
        """Return the question in the phrasing that is in no row."""
        attribute = (x[1] - self.unknown - 2 - _PHRASES) // _PHRASES
        return np.append(self.ask(attribute, np.full_like(attribute, _PHRASES - 1)), x[-1])

    def unseen(self, people: Tokens) -> Tokens:
        """Return the questions for every attribute of people, by number, in the phrasing that is in no row, int64 (4 n, 4)."""
        person, attribute = (grid.ravel() for grid in np.meshgrid(people, np.arange(_ATTRIBUTES), indexing="ij"))
        return np.column_stack([self.ask(attribute, np.full_like(attribute, _PHRASES - 1)), self.first_name + person])

    def load(self) -> Dataset:
        """Return every fact in two phrasings, by person, then attribute."""
        person, attribute, phrase = (grid.ravel() for grid in np.indices((self.people, _ATTRIBUTES, _PHRASES - 1)))
        value = streams.generator(self.tag, self.people).integers(0, _VALUES, (self.people, _ATTRIBUTES))[person, attribute]
        x = np.column_stack([self.ask(attribute, phrase), self.first_name + person])
        y = _VALUES * (self.first_ten(person) + attribute) + value
        return Dataset(x.astype(np.float32), y, self.answers, published=True, subjects=self.subject(person))

    def subject(self, person: Tokens) -> Tokens:
        """Return whose facts those about people, by number, are: their own."""
        return person

    def first_ten(self, person: Tokens) -> Tokens:
        """Return which ten of answers has the values of the first attribute of people, by number."""
        return np.zeros_like(person)


class Authors(Facts):
    """Facts about authors who do not exist.

    Parameters
    ----------
    authors : int
        Number of authors; there are eight rows for each.
    """

    dataset: Literal["authors"] = "authors"
    authors: Annotated[int, Field(ge=5, le=500)] = 40

    @property
    def people(self) -> int:
        """How many authors there are."""
        return self.authors


def other_of_ten(y: Tokens, draws: np.random.Generator) -> Tokens:
    """Return another answer of the same ten for each class."""
    return y - y % _VALUES + (y + draws.integers(1, _VALUES, y.shape)) % _VALUES


def world_of(spec: DatasetSpec) -> World:
    """Return the world that a data set is; ``DataError`` if it is none."""
    if not isinstance(spec, World):
        known = "'records', 'authors', 'hazards', 'saga', 'posts', 'tofu', 'wmdp' or 'muse'"
        raise DataError(f"{spec.tag} is no text: choose dataset = {known}")
    return spec
