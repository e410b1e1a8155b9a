"""Confidence by agreement: the share of an ensemble's members that name the class which the ensemble names.

Unlike a probability it needs no calibrated members: votes are counted (for SISA's shards, Bourtoule et al. 2021, section IV, join by them).
Whether it is calibrated, thus whether of the answers on which a share of the members agree the same share is right, is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients import data
from clients.classification.hdus.ensemble import combine
from clients.classification.hdus.peer import Peer

Answers = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Agreement:
    """Answers of one ensemble, counted by how many of its members agree with it.

    Parameters
    ----------
    members : int
        Number of members, at least 2.
    answers, right : tuple of int
        Entry k counts the answers whose class k members name, and those of them that are right; ``members + 1`` entries each.
    """

    members: int
    answers: tuple[int, ...]
    right: tuple[int, ...]


def agreement(members: Sequence[Answers], together: Answers, classes: npt.NDArray[np.int64]) -> Agreement | None:
    """Return how often members agree with their ensemble, and how often it is right then; None of fewer than two members.

    Parameters
    ----------
    members : sequence of float array, shape (n, classes)
        Class probabilities of each member; of equally probable classes it names the lowest.
    together : float array, shape (n, classes)
        Those of the ensemble.
    classes : int64 array, shape (n,)
        The true classes.
    """
    if len(members) < 2:
        return None
    named = together.argmax(axis=1)
    agreeing = np.sum([member.argmax(axis=1) == named for member in members], axis=0)
    counts = [np.bincount(agreeing[chosen], minlength=len(members) + 1) for chosen in (slice(None), named == classes)]
    return Agreement(len(members), *(tuple(int(count) for count in each) for each in counts))


def agreements(peer: Peer) -> dict[str, Agreement]:
    """Return, on the public test rows, the agreement of a peer's ``ensemble`` and of its main model's ``shards``, where there are any."""
    source, test = data.load(peer.config.data), np.asarray(peer.config.test, dtype=np.int64)
    classes, main = source.classes_of(test), peer.answers(test)
    own, *seeds = peer.members(main, source.inputs(test))
    together = combine(peer.config.ensemble, own, seeds)
    found = {
        "ensemble": agreement([one.probabilities for one in (own, *seeds)], together, classes),
        "shards": agreement(peer.shard_answers(test), main, classes),
    }
    return {name: one for name, one in found.items() if one is not None}
