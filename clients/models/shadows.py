"""Shadow models: networks of one architecture trained on keyed subsets of some rows, stack by stack, and remembered.

Every stack that is complete lies in the simulator's cache (`clients.cache`) under the hash of what determines it, so that whoever asks for
the same models again, after an interruption or for another purpose, gets them without training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.data.rows import Ids, Rows
from clients.models.stacked import Members, Stack
from clients.progress import told
from clients.streams import Field
from clients.training import Arrays, Steps

if TYPE_CHECKING:
    import torch

AT_ONCE = 64
"""Networks in one stack: more are not trained faster, and an interruption loses at most one stack."""


def halves(ids: Ids, count: int, key: tuple[Field, ...]) -> Members:
    """Return which rows each of ``count`` models has: a keyed half of them (rounded down), bool (count, len(ids)).

    The half of a model depends on its number, not on how many there are.
    """
    members = np.zeros((count, len(ids)), bool)
    for k in range(count):
        members[k, streams.order(ids, *key, "half", k)[: len(ids) // 2]] = True
    return members


def shadows(
    stack: Stack,
    rows: Rows,
    members: Members,
    *,
    rounds: Sequence[range],
    key: tuple[Field, ...],
    settings: Steps,
    start: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Arrays:
    """Return the weights of trained shadow models, with the models on the first axis.

    Model k is the same whatever the number of models, to rounding.

    Parameters
    ----------
    stack : Stack
    rows : Rows
        All rows.
    members : bool array, shape (models, len(rows))
        Which rows each model trains on.
    rounds : sequence of range
        Epochs of each round, counted over a model's whole life; every round starts with a fresh optimiser.
    key : tuple
        Model k draws its initial weights and the order of its rows from ``(*key, k)``.
    settings : Training or Distillation
    start : mapping, optional
        Weights from which to train on, shape (models, ...); initial ones unless given.
    """
    parts = []
    for first in range(0, len(members), AT_ONCE):
        these = range(first, min(first + AT_ONCE, len(members)))
        began = None if start is None else {name: array[these.start : these.stop] for name, array in start.items()}
        parts.append(_remembered(stack, rows, members[these.start : these.stop], rounds, [(*key, k) for k in these], settings, began))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _remembered(
    stack: Stack,
    rows: Rows,
    members: Members,
    rounds: Sequence[range],
    keys: Sequence[tuple[Field, ...]],
    settings: Steps,
    start: Mapping[str, npt.NDArray[Any]] | None,
) -> Arrays:
    """Return one trained stack, from the cache if it is there."""
    from clients.cache import data_hash, remembered

    def make() -> Arrays:
        weights = stack.initial([(*key, "init") for key in keys]) if start is None else dict(start)
        for epochs in told("shadow models: rounds of training", rounds, len(rounds)):
            weights = stack.train(weights, rows.x, rows.y, members=members, epochs=epochs, ids=rows.ids, keys=keys, settings=settings)
        return weights

    configuration = {
        "what": "shadow models",
        "network": repr(stack.network),
        "place": stack.network.place.type,
        "settings": repr((settings.batch_size, settings.optimizer)),
        "rounds": [[epochs.start, epochs.stop] for epochs in rounds],
        "keys": streams.key_hash(*keys),
        "data": data_hash(*tensors(rows.ids, rows.x, rows.y, members)),
        "start": None if start is None else [sorted(start), data_hash(*tensors(*(start[name] for name in sorted(start))))],
    }
    return remembered(configuration, make)


def tensors(*arrays: npt.NDArray[Any]) -> list[torch.Tensor]:
    """Return arrays as tensors, whose hash `clients.cache.data_hash` takes."""
    import torch

    return [torch.tensor(np.ascontiguousarray(array)) for array in arrays]
