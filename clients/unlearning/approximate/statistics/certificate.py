"""The certificate of a removal by statistics, which ``lethe verify`` proves again from the rows and the parameters."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat

from clients.unlearning.approximate.certified.certificate import remaining
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.certificates import CertificateSpec, Evidence
from clients.unlearning.contract import certified
from clients.unlearning.convex.learner import WEIGHTS, ConvexLearner
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.spec import Convex
from clients.unlearning.mechanisms import hidden

NOISE = "noise"
"""Name of the noise of the present release, float64 (d, K), in a state."""


class Distance(CertificateSpec):
    """That the parameters before noise lie no further from the optimum on the remaining rows than the noise hides.

    Parameters
    ----------
    model : table
        The convex model: loss, penalty, public bounds.
    epsilon, delta : float
    sigma : float
        Standard deviation of the noise in each parameter.
    distance : float
        Bound on the distance to the optimum on the remaining rows.
    rows, removed : int
        Rows that remained, and all that were removed since the training, in this request and those before it.
    """

    kind: Literal["distance"] = "distance"
    model: Convex
    epsilon: PositiveFloat
    delta: Annotated[float, Field(gt=0, lt=1)]
    sigma: PositiveFloat
    distance: PositiveFloat
    rows: NonNegativeInt
    removed: NonNegativeInt

    def disproof(self, evidence: Evidence) -> str | None:
        """Check the arithmetic, then solve on the rows that remain and measure the distance again; None if all of it holds.

        Of parameters that later requests have changed, and of a peer that has left, only the arithmetic is left to check.
        """
        if wrong := self.inconsistent(evidence.guarantee):
            return wrong
        learner = remaining(self.model, evidence)
        if evidence.main is None or not isinstance(learner, ConvexLearner):
            return learner if isinstance(learner, str) else None
        if not Law(self.epsilon, self.delta, self.sigma).plausible(evidence.main[NOISE]):
            return f"its noise was not drawn with sigma = {self.sigma:g}"
        if len(learner.rows) != self.rows:
            return None
        objective = learner.objective()
        optimum = minimise(objective).weights
        away = float((torch.tensor(evidence.main[WEIGHTS]) - optimum).norm()) - objective.at(optimum).residual / objective.ridge
        if not away <= self.distance:
            return f"the optimum on the remaining rows is {away:.3g} away, not {self.distance:.3g}"
        return None

    def inconsistent(self, guarantee: str) -> str | None:
        """Return which of its numbers do not follow from the others, or None."""
        if guarantee != certified(self.epsilon, self.delta):
            return f"it is one of {certified(self.epsilon, self.delta)}, {guarantee} is claimed"
        if (needed := hidden(self.epsilon, self.sigma / self.distance)) > self.delta:
            return f"noise of sigma = {self.sigma:g} hides a distance of {self.distance:.3g} with delta = {needed:.3g}, not {self.delta:g}"
        return None


class SharedDistance(Distance):
    """Of a model of several peers' rows: ``rows`` and ``removed`` are those of all peers.

    No peer's artefact alone shows the distance, so that it is measured again where all peers are at hand, by the federation's own check.
    """

    kind: Literal["shared_distance"] = "shared_distance"  # type: ignore[assignment]  # the tag of another class

    def disproof(self, evidence: Evidence) -> str | None:
        """Check the arithmetic, and that the peer learns from none of the rows; None if all of it holds."""
        found = self.inconsistent(evidence.guarantee) or remaining(self.model, evidence)
        return found if isinstance(found, str) else None
