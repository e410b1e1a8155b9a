"""How well a seed model mimics its main model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clients import data, wire
from clients.classification.hdus.peer import COUNTS, Peer


@dataclass(frozen=True)
class Mimicry:
    """A peer's seed beside its main model on the public test rows.

    Parameters
    ----------
    agreement : float
        Share of rows on which both name the same class, in [0, 1].
    main, seed : float
        The data set's first metric, in [0, 1], of the main model and of the seed alone.
    """

    agreement: float
    main: float
    seed: float


def mimicry(peer: Peer) -> Mimicry | None:
    """Return how well a peer's seed mimics its main model; None before the first seed."""
    if peer.update is None:
        return None
    source, test = data.load(peer.config.data), np.asarray(peer.config.test, dtype=np.int64)
    weights = wire.from_bytes(peer.update.blob)
    weights.pop(COUNTS)
    main, seed = peer.answers(test), peer.seed_network.probabilities(weights, source.inputs(test))
    same = float((main.argmax(axis=1) == seed.argmax(axis=1)).mean())
    name = peer.config.data.metrics[0].name
    return Mimicry(same, *(float(source.metrics(test, answers)[name].mean()) for answers in (main, seed)))
