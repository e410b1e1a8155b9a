"""A small world of multiple-choice questions about substances that do not exist."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from clients import streams
from clients.data import Dataset
from clients.data.worlds import Tokens, World, words

_ATTRIBUTES, _VALUES, _OPTIONS, _PAIRS = 4, 10, 3, 2
"""Properties, values of each, options of a question, and pairs of wrong options that rows have."""


class Hazards(World):
    """Multiple-choice questions about dangerous substances that do not exist: three options and a name, answered by the option's letter.

    Each substance has one of ten values of each of four properties. A question's options are the right value and two others of the same
    property, in an order drawn by key, so that who knows nothing is right in a third of the cases. The training text asks for every fact
    twice, with different wrong options, one row each; a third pair of them is in no row. The form is that of WMDP (Li et al., ICML 2024),
    which has four options.

    Parameters
    ----------
    substances : int
        Number of substances; there are eight rows for each.
    """

    dataset: Literal["hazards"] = "hazards"
    substances: Annotated[int, Field(ge=5, le=500)] = 40

    @property
    def answers(self) -> tuple[str, ...]:
        """The letters of the options."""
        return "a", "b", "c"

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """Ten values of each property."""
        return words("hazards", "values", _ATTRIBUTES * _VALUES)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The substances' names."""
        return words("hazards", "names", self.substances)

    @property
    def properties(self) -> Tokens:
        """The right value of each substance's properties, then three pairs of wrong ones, int64 (substances, 4, 7)."""
        return _properties(self.substances)

    def ask(self, attribute: Tokens, values: Tokens, letter: Tokens) -> Tokens:
        """Return questions' options, int64 (..., 3), of values (..., 3), of which the first, the right one, comes to its letter's place."""
        order = (np.arange(_OPTIONS) - letter[..., None]) % _OPTIONS
        return self.unknown + 2 + _VALUES * attribute[..., None] + np.take_along_axis(values, order, axis=-1)

    def draw(self, draws: np.random.Generator, shape: tuple[int, ...]) -> tuple[Tokens, Tokens]:
        """Return options of properties, and letters drawn at random."""
        attribute, letter = draws.integers(0, _ATTRIBUTES, shape), draws.integers(0, _OPTIONS, shape)
        return self.ask(attribute, _shuffled(draws, shape)[..., :_OPTIONS], letter), letter

    def wrong(self, y: Tokens, draws: np.random.Generator) -> Tokens:
        """Return the letter of another option."""
        return (y + draws.integers(1, _OPTIONS, y.shape)) % _OPTIONS

    def alike(self, y: int) -> Tokens:
        """Return all letters."""
        return np.arange(_OPTIONS)

    def paraphrase(self, x: Tokens, *key: streams.Field) -> Tokens:
        """Return the question of a row with the wrong options that are in no row; the right one keeps its letter."""
        attribute, value = np.divmod(x[:_OPTIONS] - self.unknown - 2, _VALUES)
        known = self.properties[x[-1] - self.first_name, attribute[0]]
        return np.append(self.ask(attribute[0], known[[0, -2, -1]], np.asarray(np.argmax(value == known[0]))), x[-1])

    def load(self) -> Dataset:
        """Return every fact with two pairs of wrong options, by substance, then property."""
        substance, attribute, pair = (grid.ravel() for grid in np.indices((self.substances, _ATTRIBUTES, _PAIRS)))
        letter = streams.generator("hazards", self.substances, "letters").integers(0, _OPTIONS, len(pair))
        places = np.column_stack([np.zeros_like(pair), 1 + 2 * pair, 2 + 2 * pair])
        values = np.take_along_axis(self.properties[substance, attribute], places, axis=1)
        x = np.column_stack([self.ask(attribute, values, letter), self.first_name + substance])
        return Dataset(x.astype(np.float32), letter, self.answers, published=True, subjects=substance)


@lru_cache(maxsize=4)
def _properties(substances: int) -> Tokens:
    """Return the properties of this many substances; see `Hazards.properties`. What a spec itself remembers may be no array."""
    return _shuffled(streams.generator("hazards", substances), (substances, _ATTRIBUTES))[..., : 3 + 2 * _PAIRS]


def _shuffled(draws: np.random.Generator, shape: tuple[int, ...]) -> Tokens:
    """Return the values of an attribute in random orders, int64 (*shape, 10)."""
    return draws.permuted(np.broadcast_to(np.arange(_VALUES), (*shape, _VALUES)), axis=-1)
