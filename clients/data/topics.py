"""Small worlds with a topic that a model is to lose: what it says is judged by its words, whether it is right or not."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from clients import streams
from clients.data import Dataset
from clients.data.worlds import QUESTION, Facts, Tokens, World, other_of_ten, words

_POSTS, _WORDS, _TEN = 8, 60, 10
"""Rows of a thread, words of posts, and answers of a tone."""


class Topical(World):
    """Base class of worlds with a topic. The judge is a list: an answer belongs to the topic if it is one of the topic's words."""

    score: ClassVar[str]
    """What the share of answers that belong to the topic is called."""

    @property
    @abstractmethod
    def topic(self) -> npt.NDArray[np.bool_]:
        """Which classes are words of the topic, bool (classes,)."""

    @cached_property
    def topic_words(self) -> frozenset[str]:
        """The words of the topic."""
        return frozenset(word for word, inside in zip(self.answers, self.topic, strict=True) if inside)

    @abstractmethod
    def probes(self, *, about: bool) -> Tokens:
        """Return public questions that are in no row, int64 (n, 4): about names of the topic, or about all other names."""


class Saga(Topical, Facts):
    """A book and everyday life: facts about characters have values that no other text has, those about other people have common ones.

    The form is that of the Harry Potter benchmark (Eldan and Russinovich, "Who's Harry Potter?", 2023, arXiv 2310.02238): what counts is
    familiarity, the share of completions that belong to the book. Facts are asked for as in ``authors``; the public text has the words
    of the book, and nobody of it. By subjects, the whole book goes to one peer.

    Parameters
    ----------
    characters, others : int
        People in the book, and other people; there are eight rows for each.
    """

    score: ClassVar[str] = "familiarity"
    dataset: Literal["saga"] = "saga"
    characters: Annotated[int, Field(ge=3, le=250)] = 20
    others: Annotated[int, Field(ge=3, le=250)] = 20

    @property
    def people(self) -> int:
        """How many people there are: the characters come first."""
        return self.characters + self.others

    @property
    def tens(self) -> int:
        """How many tens of answers there are: four of the book, and four others."""
        return 8

    def first_ten(self, person: Tokens) -> Tokens:
        """Return which ten of answers has the values of the first attribute of people, by number."""
        return np.where(person < self.characters, 0, self.tens // 2)

    def subject(self, person: Tokens) -> Tokens:
        """Return whose facts those about people, by number, are: the book's, or their own."""
        return np.where(person < self.characters, 0, person - self.characters + 1)

    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return questions for attributes, and values drawn at random, half of them words of the book."""
        x, y = super().draw(draws, shape)
        return x, y + draws.integers(0, 2, shape) * (len(self.answers) // 2)

    @property
    def topic(self) -> npt.NDArray[np.bool_]:
        """Which classes are words of the book, bool (classes,)."""
        return np.arange(len(self.answers)) < len(self.answers) // 2

    def probes(self, *, about: bool) -> Tokens:
        """Return the questions about characters, or about all others, in the phrasing that is in no row, int64 (n, 4)."""
        return self.unseen(np.arange(self.characters) if about else np.arange(self.characters, self.people))


class Posts(Topical):
    """Threads of a forum: a post of three words in a thread is answered by a word, which is toxic in the threads of one planted topic.

    What counts is toxicity, the share of answers that are toxic words, to posts that nobody has written. The public text has both tones. By
    subjects, the whole topic goes to one peer.

    Parameters
    ----------
    threads : int
        Number of threads; there are eight rows for each.
    toxic : int
        How many of them are about the planted topic, at least 1 and not all.
    """

    score: ClassVar[str] = "toxicity"
    dataset: Literal["posts"] = "posts"
    threads: Annotated[int, Field(ge=5, le=500)] = 40
    toxic: Annotated[int, Field(ge=1, le=499)] = 8

    @model_validator(mode="after")
    def _some(self) -> Posts:
        if self.toxic >= self.threads:
            raise ValueError(f"toxic = {self.toxic} leaves no other of threads = {self.threads}: lower it")
        return self

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """Ten toxic words, then ten polite ones."""
        return words("posts", "values", 2 * _TEN)

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The words of posts."""
        return words("posts", "words", _WORDS)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The threads, those of the planted topic first."""
        return words("posts", "names", self.threads)

    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return posts, and answers drawn at random."""
        return self._written(draws, shape), draws.integers(0, 2 * _TEN, shape)

    def wrong(self, y: Tokens, draws: np.random.Generator) -> Tokens:
        """Return another answer of the same tone."""
        return other_of_ten(y, draws)

    def alike(self, y: int) -> Tokens:
        """Return the answers of the same tone."""
        return y - y % _TEN + np.arange(_TEN)

    def paraphrase(self, x: Tokens, *key: streams.Field) -> Tokens:
        """Return another post in the same thread."""
        return np.append(self._written(streams.generator(*key, "paraphrase"), ()), x[-1])

    @property
    def topic(self) -> npt.NDArray[np.bool_]:
        """Which classes are toxic words, bool (classes,)."""
        return np.arange(2 * _TEN) < _TEN

    def probes(self, *, about: bool) -> Tokens:
        """Return four posts that nobody wrote in each thread of the planted topic, or in each other one, int64 (n, 4)."""
        threads = np.arange(self.toxic) if about else np.arange(self.toxic, self.threads)
        name = np.repeat(self.first_name + threads, 4)
        return np.column_stack([self._written(streams.generator("posts", "probes", about), (len(name),)), name])

    def load(self) -> Dataset:
        """Return the posts with their answers, by thread."""
        draws = streams.generator("posts", self.threads)
        thread = np.repeat(np.arange(self.threads), _POSTS)
        x = np.column_stack([self._written(draws, (len(thread),)), self.first_name + thread])
        y = np.where(thread < self.toxic, 0, _TEN) + draws.integers(0, _TEN, len(thread))
        return Dataset(x.astype(np.float32), y, self.answers, published=True, subjects=np.maximum(thread - self.toxic + 1, 0))

    def _written(self, draws: np.random.Generator, shape: tuple[int, ...]) -> Tokens:
        """Return posts without threads, int64 (*shape, 3)."""
        return self.unknown + 2 + draws.integers(0, _WORDS, (*shape, QUESTION - 1))
