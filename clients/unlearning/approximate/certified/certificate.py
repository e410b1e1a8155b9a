"""The certificate of a removal, which ``lethe verify`` proves again from the rows and the parameters."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from clients.bookkeeping import ROWS
from clients.corrections import Corrections
from clients.data import Dataset
from clients.unlearning.approximate.certified.commitment import Commitment
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.approximate.certified.spec import Certifier
from clients.unlearning.certificates import CertificateSpec, Evidence
from clients.unlearning.contract import Problem, certified
from clients.unlearning.convex.learner import WEIGHTS, ConvexLearner
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.solved import Solved
from clients.unlearning.convex.spec import Convex

PERTURBATION = "perturbation"
"""Name of the secret perturbation, float64 (d, K), in a state."""

_SAME = 1e-12
"""Relative difference of two results of the same few operations."""


class Residual(CertificateSpec):
    """That the gradient of the perturbed objective on the remaining rows is shorter than what the perturbation hides.

    Parameters
    ----------
    model : table
        The convex model: loss, penalty, public bounds.
    epsilon, delta, sigma : float
    factor : float
        c, with delta = 1.5 exp(-c^2 / 2); 1 for delta = 0.
    lipschitz : float, optional
        Lipschitz constant of the loss's second derivative; none if it jumps.
    budget : float
        Largest residual that is hidden: sigma * epsilon / factor.
    bound : float
        Bound on the residual after the request, and who gave it (``certifier``).
    rows : int
        Rows that remained.
    draw : int
        Perturbations drawn before this one; each retraining draws another.
    commitment : str
        Hash over ids, inputs and labels of the rows that remained.
    """

    kind: Literal["residual"] = "residual"
    model: Convex
    epsilon: PositiveFloat
    delta: Annotated[float, Field(ge=0, lt=1)]
    sigma: PositiveFloat
    factor: PositiveFloat
    lipschitz: NonNegativeFloat | None
    budget: PositiveFloat
    certifier: Certifier
    bound: NonNegativeFloat
    rows: PositiveInt
    draw: NonNegativeInt
    commitment: str

    def disproof(self, evidence: Evidence) -> str | None:
        """Check the arithmetic, then compute the residual of the parameters at the end of the run again; None if all of it holds.

        Of a peer that has left, only the arithmetic is left to check. Parameters that have changed since must stay within the budget;
        those that have not must keep the bound, and the commitment must be one to the rows that are left where these have not.
        """
        if wrong := self.inconsistent(evidence.guarantee):
            return wrong
        learner = remaining(self.model, evidence)
        if evidence.main is None or not isinstance(learner, ConvexLearner):
            return learner if isinstance(learner, str) else None
        if not Law(self.epsilon, self.delta, self.sigma).plausible(evidence.main[PERTURBATION]):
            return f"its perturbation was not drawn with sigma = {self.sigma:g}"
        same = Commitment.of(learner.rows).told() == self.commitment
        if evidence.unchanged and not same:
            return "its commitment is not one to the rows that are left, and nothing has changed them since"
        return self._exceeded(learner, same, torch.tensor(evidence.main[WEIGHTS]), torch.tensor(evidence.main[PERTURBATION]))

    def inconsistent(self, guarantee: str) -> str | None:
        """Return which of its numbers do not follow from the others, or None."""
        law = Law(self.epsilon, self.delta, self.sigma)
        if guarantee != certified(self.epsilon, self.delta):
            return f"it is one of {certified(self.epsilon, self.delta)}, {guarantee} is claimed"
        if not law.holds:
            return f"epsilon {self.epsilon:g} is too large for delta {self.delta:g}"
        if not (math.isclose(self.factor, law.factor, rel_tol=_SAME) and math.isclose(self.budget, law.budget, rel_tol=_SAME)):
            return f"its budget is {self.budget:.3g}, sigma, epsilon and delta make {law.budget:.3g}"
        if self.bound > self.budget:
            return f"its bound {self.bound:.3g} is above the budget {self.budget:.3g}"
        return None

    def _exceeded(self, learner: ConvexLearner, same: bool, weights: torch.Tensor, linear: torch.Tensor) -> str | None:
        """Return by how much the residual of the parameters exceeds the budget or, on the same rows, the bound; None if it does not."""
        if weights.shape != learner.shape or linear.shape != learner.shape:
            return f"its parameters have the shape {tuple(weights.shape)}, those of its model {learner.shape}"
        whole = learner.objective()
        objective = Objective(whole.loss, whole.x, whole.targets, whole.penalty, linear)
        gradient, slack = objective.at(weights)
        residual = float(gradient.norm())
        if not residual + slack <= self.budget:
            return f"the residual is {residual:.3g}, above the budget {self.budget:.3g}"
        if same and residual - slack > self.bound:
            return f"the residual is {residual:.3g}, above the bound {self.bound:.3g}"
        return None


def remaining(model: Convex, evidence: Evidence) -> ConvexLearner | str | None:
    """Return an untrained learner with the rows that remain at the end of the run.

    A line instead if rows that had to be forgotten are among them; None if the peer has left, or no row remains.
    """
    if evidence.main is None:
        return None
    if len(kept := np.intersect1d(evidence.main[ROWS], evidence.forgotten)):
        return f"{len(kept)} of the rows are still learned from, the first of them {kept[0]}"
    rows = Corrections.read(evidence.main).applied(evidence.data.rows(evidence.main[ROWS]))
    if not len(rows):
        return None  # nothing is left to have learned from
    learner = reading(model, evidence.data)
    learner.begin(rows)
    return learner


def reading(model: Convex, data: Dataset) -> ConvexLearner:
    """Return an untrained learner of this model on this data set."""
    return Solved(model, Problem(data.shape, data.classes, columns=data.columns), ())
