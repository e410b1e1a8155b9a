"""Relearning: how many gradient steps a seed model needs until it fits the erased rows again.

Rows that were only hidden are relearned faster than rows that were never trained on: the relearn time of Golatkar et al., "Eternal
sunshine of the spotless net", CVPR 2020, applied to seed models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from clients import wire
from clients.classification.hdus.peer import Peer
from clients.data.rows import Rows
from clients.models.network import Network
from clients.progress import stage
from clients.streams import Field
from clients.training import Steps, from_arrays, train

Weights = Mapping[str, npt.NDArray[Any]]

CAP = 2000
"""Largest number of gradient steps of relearning."""


def best_loss(peer: Peer, rows: Rows) -> float:
    """Return the lowest mean cross-entropy, in nats, that the peer's own seed or one that it holds has on rows, as it had learned them."""
    return lowest_loss(peer.seed_network, _seeds(peer), rows)


def relearning_steps(peer: Peer, rows: Rows, target: float, cap: int = CAP) -> int:
    """Return how many gradient steps the peer's best seed needs to reach the target loss on rows, as they had been learned.

    Batch size and optimiser are those of the peer's own training. A result of ``cap`` means *at least* that many.
    """
    key = (peer.config.run_seed, peer.config.peer)
    return steps_to_loss(peer.seed_network, _seeds(peer), rows, target, key, peer.config.training, cap)


def _seeds(peer: Peer) -> list[Weights]:
    seeds = ([peer.update] if peer.update else []) + [peer.held[owner] for owner in sorted(peer.held)]
    return [wire.from_bytes(seed.blob) for seed in seeds]


def lowest_loss(seed: Network, starts: Sequence[Weights], rows: Rows) -> float:
    """Return the lowest mean cross-entropy, in nats, that any of the seeds has on the rows: the target for ``steps_to_loss``.

    Parameters
    ----------
    seed : Network
        The common architecture of seed models.
    starts : sequence of weights
        The seeds available to a peer: its own and those it holds. Not empty; arrays that are not weights are ignored.
    rows : Rows
        The erased rows; not empty.
    """
    return min(_losses(seed, starts, rows))


def steps_to_loss(
    seed: Network, starts: Sequence[Weights], rows: Rows, target: float, key: tuple[Field, ...], settings: Steps, cap: int = CAP
) -> int:
    """Return how many gradient steps on the erased rows bring a seed's mean loss on them down to the target.

    Relearning starts from the seed with the lowest loss (the first, if several have it), so the result is 0 if a seed that fits the rows
    was left behind.

    Parameters
    ----------
    seed, starts, rows
        As in ``lowest_loss``.
    target : float
        Mean cross-entropy in nats; usually the ``lowest_loss`` of a run without unlearning.
    key : tuple
        Key of the random order of the rows.
    settings : Training or Distillation
        Batch size and optimiser.
    cap : int
        Largest number of steps; returned if the target is not reached, so read it as *at least*.
    """
    losses = _losses(seed, starts, rows)
    module = _module(seed, starts[losses.index(min(losses))])
    epochs = range(math.ceil(cap / math.ceil(len(rows) / settings.batch_size)) + 1)
    with stage("relearning: gradient steps", cap) as advance:
        watch = _Watch(module, seed.inputs(rows.x), seed.targets(rows.y), target, cap, advance)
        try:
            train(module, watch.x, watch.y, watch, epochs=epochs, ids=np.asarray(rows.ids), key=(*key, "relearn"), settings=settings)
        except _DoneError:
            return watch.steps
    raise AssertionError("the watch ends every relearning at its cap")


class _DoneError(Exception):
    """The target or the cap is reached."""


class _Watch:
    """The training loss; before each step it evaluates the loss on all rows and stops the training at the target or the cap."""

    def __init__(
        self, module: nn.Module, x: torch.Tensor, y: torch.Tensor, target: float, cap: int, advance: Callable[[int], None]
    ) -> None:
        self.module, self.x, self.y = module, x, y
        self.target, self.cap, self.advance = target, cap, advance
        self.steps = 0

    def __call__(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if self.steps >= self.cap or _loss(self.module, self.x, self.y) <= self.target:
            raise _DoneError
        self.advance(self.steps)
        self.steps += 1
        return cross_entropy(logits, wanted)


def _loss(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    training = module.training
    module.eval()
    with torch.no_grad():
        loss = float(cross_entropy(module(x), y))
    module.train(training)
    return loss


def _losses(seed: Network, starts: Sequence[Weights], rows: Rows) -> list[float]:
    x, y = seed.inputs(rows.x), seed.targets(rows.y)
    return [_loss(_module(seed, weights), x, y) for weights in starts]


def _module(seed: Network, weights: Weights) -> nn.Module:
    module = seed.build(("audit",))
    from_arrays(module, weights)
    return module.eval()
