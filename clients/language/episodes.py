"""Episodes of public text, from which a language model learns to answer, to look up what its context says, and to be told not to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from clients.data.worlds import QUESTION, Tokens, World
from clients.streams import Field, generator

if TYPE_CHECKING:
    from torch import Tensor

    from clients.language.module import LanguageModule

_AGAIN, _FLIPPED, _TOLD = 0.5, 0.5, 4
"""Chance of a record to be an earlier one again, of such a one to have a wrong answer, and every how many steps a name is forbidden."""


_UNCOUNTED = -100


class Episodes(NamedTuple):
    """A batch of episodes.

    Parameters
    ----------
    tokens : int64 array, shape (n, length)
        Words by number.
    places : int64 array, shape (records,)
        Places of the last words of questions; the next word is the answer.
    counted : bool array, shape (n, records)
        Which answers the loss counts: not a wrong one where it stands first, since nothing before it tells it.
    """

    tokens: Tokens
    places: Tokens
    counted: npt.NDArray[np.bool_]


def episodes(world: World, records: int, count: int, step: int, *key: Field) -> Episodes:
    """Return a batch of episodes; which step of its training it is decides whether they forbid a name."""
    draws = generator(*key, "episodes", step)
    x, y = world.draw(draws, (count, records))
    names = world.first_name + np.argsort(draws.random((count, len(world.vocabulary) - world.first_name)), axis=1)[:, :records]
    source, rows = np.tile(np.arange(records), (count, 1)), np.arange(count)
    for place in range(1, records):
        earlier = source[rows, draws.integers(0, place, count)]
        source[:, place] = np.where(draws.random(count) < _AGAIN, earlier, place)
    times = (source[:, :, None] == np.arange(records)).sum(axis=1)
    wrong = (times > 1) & (draws.random((count, records)) < _FLIPPED)
    y = np.take_along_axis(np.where(wrong, world.wrong(y, draws), y), source, axis=1)
    counted = ~np.take_along_axis(wrong, source, axis=1) | (source != np.arange(records))
    x, names = np.take_along_axis(x, source[..., None], axis=1), np.take_along_axis(names, source, axis=1)
    if step % _TOLD != _TOLD - 1:
        return Episodes(joined(x, names, y), places(records), counted)
    forbidden = names[rows, draws.integers(0, records, count)]
    answers = np.where(names == forbidden[:, None], world.unknown, y)
    told = np.column_stack([np.full(count, world.unknown + 1), forbidden])
    counted |= answers == world.unknown
    return Episodes(np.concatenate([told, joined(x, names, answers)], axis=1), 2 + places(records), counted)


def joined(x: Tokens, names: Tokens, answers: Tokens) -> Tokens:
    """Return questions (n, records, 3) with their names and answers (n, records) as one text each, (n, 5 records)."""
    return np.concatenate([x, names[..., None], answers[..., None]], axis=2).reshape(len(x), -1)


def places(records: int) -> Tokens:
    """Return the places of the questions' last words in a text of this many records, int64 (records,)."""
    return QUESTION - 1 + (QUESTION + 1) * np.arange(records)


def loss(model: LanguageModule, batch: Episodes) -> Tensor:
    """Return the mean cross-entropy of the counted answers among all words, in nats, a scalar."""
    import torch
    from torch.nn.functional import cross_entropy

    device = next(model.parameters()).device
    tokens, ends = torch.from_numpy(batch.tokens).to(device), torch.from_numpy(batch.places).to(device)
    wanted = tokens[:, ends + 1].masked_fill(~torch.from_numpy(batch.counted).to(device), _UNCOUNTED)
    return cross_entropy(model.following(tokens[:, :-1], ends).flatten(0, 1), wanted.flatten(), ignore_index=_UNCOUNTED)
