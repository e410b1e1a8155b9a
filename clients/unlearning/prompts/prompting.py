"""The prompts of unlearning in context, and its control prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clients.data.rows import Rows
from clients.data.worlds import Tokens, World, unpadded
from clients.streams import Field, bottom, generator
from clients.training import Arrays
from clients.unlearning.prompts.model import LanguageModel, Logits

CONTROLS = ("flipped", "true", "other", "repeat", "none")
"""The method's prompt; the same with the record's true answer, with another record flipped in its place, with the flipped record twice; no
context at all. The method's effect is the difference to ``true`` and ``other``: any context moves an answer.
"""


@dataclass(frozen=True)
class Prompts:
    """Writes the prompts about one record to forget.

    Parameters
    ----------
    world : World
    record : Rows
        The record to forget, one row.
    others : Rows
        Records that are kept, from which those of the context are drawn.
    context : int
        How many.
    key : tuple
        Key of what is drawn, together with the record's id.
    """

    world: World
    record: Rows
    others: Rows
    context: int
    key: tuple[Field, ...]

    def text(self, control: str) -> Tokens:
        """Return the words of a prompt by number, int64 (length,); ``ValueError`` if there are too few records for the context."""
        question = unpadded(self.record.x[0])
        return question if control == "none" else np.concatenate([*self._first(control), *self._context(), question])

    def _first(self, control: str) -> list[Tokens]:
        """Return what stands in the first place: the record to forget, once or twice, or another one, with the label of the control."""
        if control == "true":
            return [_shown(self.record, 0, int(self.record.y[0]))]
        if control == "other":
            place = self._drawn()[-1]
            return [_shown(self.others, place, self._wrong(self.others, place))]
        return [_shown(self.record, 0, self._wrong(self.record, 0))] * (2 if control == "repeat" else 1)

    def _context(self) -> list[Tokens]:
        """Return the records of the context with their own answers."""
        return [_shown(self.others, place, int(self.others.y[place])) for place in self._drawn()[: self.context]]

    def _drawn(self) -> list[int]:
        """Return the places of the records that are drawn: those of the context, then the other one of the control."""
        names = self.others.x[:, -1] != self.record.x[0, -1]
        able = self.others.ids[names]
        if len(able) <= self.context:
            raise ValueError(f"context = {self.context} needs {self.context + 1} kept records of other people, there are {len(able)}")
        chosen = bottom(self.context + 1, able, *self.key, "context", int(self.record.ids[0]))
        return [int(np.searchsorted(self.others.ids, one)) for one in chosen]

    def _wrong(self, rows: Rows, place: int) -> int:
        """Return the wrong answer that is shown for a record: the same in every prompt."""
        draws = generator(*self.key, "flip", int(rows.ids[place]))
        return int(self.world.wrong(rows.y[place : place + 1], draws)[0])


@dataclass(frozen=True)
class Prompted:
    """A language model that is asked with a prompt where the text is a question about a record forgotten in context; see `LanguageModel`.

    Parameters
    ----------
    model : LanguageModel
    prompts : mapping of tuple of int to int64 array
        The prompt for each such question, both as words by number. Any other text, in other words or longer, is asked as it stands.
    """

    model: LanguageModel
    prompts: Mapping[tuple[int, ...], Tokens]

    @property
    def world(self) -> World:
        """The world whose words it knows."""
        return self.model.world

    @property
    def longest(self) -> int:
        """Words of its longest text."""
        return self.model.longest

    def logits(self, arrays: Arrays, texts: Tokens) -> Logits:
        """Return the logits of the word that follows each text, float64 (n, vocabulary), of texts of one length, int64 (n, length)."""
        told = [self.prompts.get(tuple(text.tolist()), text) for text in texts]
        return np.concatenate([self.model.logits(arrays, one[None]) for one in told])


def _shown(rows: Rows, place: int, answer: int) -> Tokens:
    """Return a record and an answer as words, int64 (5,)."""
    return np.append(unpadded(rows.x[place]), answer)
