"""The outcome of requests that were carried out by statistics."""

from __future__ import annotations

import math

from clients.unlearning.approximate.statistics.certificate import Distance
from clients.unlearning.approximate.statistics.spec import StatisticsSpec
from clients.unlearning.approximate.statistics.statistics import Statistics
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.convex.losses import loss_of
from clients.unlearning.mechanisms import hidden


def outcome(spec: StatisticsSpec, statistics: Statistics, kind: type[Distance]) -> Outcome:
    """Return what a request claims: certified, by a certificate of this kind, where the noise hides the bound on the distance."""
    distance = statistics.distance(loss_of(spec.base), spec.base.penalty)
    removed, cost = statistics.trained - statistics.rows, Cost(parts=1)
    told = f"{removed} rows removed since the training"
    if math.isfinite(distance):
        told += f": the optimum without them is at most {distance:.2g} away"
    if not spec.sigma or hidden(spec.epsilon, spec.sigma / distance) > spec.delta:
        why = f"{told}, more than sigma = {spec.sigma:g} hides: no certificate" if spec.sigma else told
        return Outcome(cost, "approximate", notes=(why,))
    certificate = kind(
        model=spec.base,
        epsilon=spec.epsilon,
        delta=spec.delta,
        sigma=spec.sigma,
        distance=distance,
        rows=statistics.rows,
        removed=removed,
    )
    return Outcome(cost, spec.claim, certificate.model_dump(mode="json"), (f"{told}, which sigma = {spec.sigma:g} hides",))
