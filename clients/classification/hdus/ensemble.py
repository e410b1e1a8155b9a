"""The neighbourhood ensemble: how a peer combines its main model with its neighbours' seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients.spec import Spec

_PRIOR = 0.1
"""Pseudo-count of rows that every member gets in every class: a class that nobody holds gets equal weights, without division by 0."""
_SHARPNESS = 4.0
"""How strongly an uncertain prediction is discounted, per nat of entropy."""

Probabilities = npt.NDArray[np.float64]


class Ensemble(Spec):
    """How a peer combines its main model with its neighbours' seeds.

    ``self_weight`` is ``"share"`` (the main model is one member among others) or the weight of the main model in [0, 1]; the members'
    seeds share the rest.

    A model also learns its owner's class distribution, and favours classes that are common there. ``prior = "own"`` takes its
    probabilities unchanged; ``"even"`` divides them by the owner's class frequencies first (label shift with known priors, Saerens
    et al. 2002), so that members with different distributions become comparable. Even is better if all classes are equally frequent at
    test time, own on a peer's own distribution. The correction, like the weights, is this project's own.

    Parameters
    ----------
    weights : {"uniform", "size", "class", "confidence"}
        How the seeds are weighted: equally, by rows, by rows of the class, by confidence.
    self_weight : float or "share"
        Weight of the main model.
    prior : {"own", "even"}
        Whether probabilities are taken unchanged, or divided by the owner's class frequencies.
    """

    weights: Literal["uniform", "size", "class", "confidence"] = "class"
    self_weight: Literal["share"] | Annotated[float, Field(ge=0, le=1)] = "share"
    prior: Literal["own", "even"] = "own"


@dataclass(frozen=True)
class Member:
    """One member: the model's owner, its probabilities ``(n, classes)``, and the owner's rows per class ``(classes,)``."""

    owner: int
    probabilities: npt.NDArray[np.floating]
    histogram: npt.NDArray[np.int64]


def combine(settings: Ensemble, own: Member, seeds: Sequence[Member]) -> Probabilities:
    """Return a peer's prediction, float64 (n, classes), rows summing to 1.

    Members are summed in the order of their owners, whatever the order of ``seeds``. Without seeds the result is the own prediction.
    Probabilities are averaged, never multiplied: a product would let one over-confident peer veto classes it never saw.
    """
    if not seeds:
        return own.probabilities.astype(np.float64)
    if settings.prior == "even":
        own, seeds = _even(own), [_even(seed) for seed in seeds]
    if settings.self_weight == "share":
        return _weighted(settings.weights, [own, *seeds])
    share = settings.self_weight
    return share * own.probabilities.astype(np.float64) + (1 - share) * _weighted(settings.weights, seeds)


def _even(member: Member) -> Member:
    """Return the member with its probabilities as if its owner had equally many rows of every class."""
    likelihoods = member.probabilities.astype(np.float64) / (member.histogram + _PRIOR)
    return replace(member, probabilities=likelihoods / likelihoods.sum(axis=1, keepdims=True))


def _weighted(rule: str, members: Sequence[Member]) -> Probabilities:
    """Return the members' weighted mean, normalised over classes."""
    ordered = sorted(members, key=lambda member: member.owner)
    votes = np.stack([member.probabilities.astype(np.float64) for member in ordered])  # (members, n, classes)
    total = (_weights(rule, ordered, votes) * votes).sum(axis=0)
    mean: Probabilities = total / total.sum(axis=1, keepdims=True)
    return mean


def _weights(rule: str, members: Sequence[Member], votes: Probabilities) -> Probabilities:
    """Return weights that sum to 1 over members, broadcastable to ``votes`` (members, n, classes)."""
    if rule == "confidence":
        logs = np.log(votes, out=np.zeros_like(votes), where=votes > 0)
        scores = _SHARPNESS * (votes * logs).sum(axis=2, keepdims=True)
        raw: Probabilities = np.exp(scores - scores.max(axis=0))
    else:
        counts = np.stack([member.histogram for member in members]).astype(np.float64)[:, None, :]  # (members, 1, classes)
        raw = {"uniform": np.ones((len(members), 1, 1)), "size": counts.sum(axis=2, keepdims=True), "class": counts + _PRIOR}[rule]
        if not raw.any():  # nobody holds a row
            raw = np.ones_like(raw)
    weights: Probabilities = raw / raw.sum(axis=0)
    return weights
