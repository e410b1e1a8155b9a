"""Scenario tables of convex models with a secret perturbation, and of certified removal from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, PositiveFloat, model_validator
from pydantic import Field as Setting

from clients.data.rows import Rows
from clients.spec import Spec
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.contract import Guarantee, Problem, UnlearnerSpec, certified
from clients.unlearning.convex.spec import Convex
from clients.unlearning.limits import ID_BYTES, untrained

LARGEST = 1e100
"""Largest scale of a perturbation or of noise: squares of the parameters that it leads to, divided by any penalty, stay in float64."""

Certifier = Literal["measured", "data_dependent", "worst_case"]

_UNIT = 2.0**-53
"""Largest relative error of one rounded operation in float64."""


def _linear(value: Any) -> Any:
    """Refuse a base of another kind: nothing is proven of it."""
    kind = value.get("kind", "convex") if isinstance(value, Mapping) else value.tag if isinstance(value, Spec) else value
    if isinstance(kind, str) and kind != "convex":
        raise ValueError(f'nothing is proven of removals from {kind!r}: take a linear model with a convex loss, {{ kind = "convex" }}')
    return value


LinearBase = Annotated[Convex, BeforeValidator(_linear)]
"""The table of a base about which something can be proven."""


class PerturbedSpec(UnlearnerSpec):
    """A convex linear model that can be trained with a secret perturbation, which hides what is left of rows within a budget.

    Parameters
    ----------
    base : table
        The linear model, of kind ``convex``.
    epsilon, delta : float
        What is certified: epsilon above 0; delta at least 0 and below 1, where 0 takes a perturbation with heavier tails.
    sigma : float
        Scale of the secret perturbation. A large one costs accuracy, a small one leaves no budget: the residual may be at most
        sigma * epsilon / sqrt(2 ln(1.5 / delta)), or sigma * epsilon if delta is 0.
    """

    base: LinearBase = Convex()
    epsilon: PositiveFloat = 1.0
    delta: Annotated[float, Setting(ge=0, lt=1)] = 1e-4
    sigma: Annotated[float, Setting(ge=0, le=LARGEST)]

    @model_validator(mode="after")
    def _hidden(self) -> Self:
        if self.sigma and not self.law.holds:
            raise ValueError(f"epsilon {self.epsilon:g} is too large for delta {self.delta:g}: the proof's Gaussian tail ends before it")
        if self.base.lasso:
            raise ValueError("the proof is of penalties without corners, lasso has some: set lasso = 0")
        return self

    @property
    def law(self) -> Law:
        """The law of the perturbation, and what follows from it."""
        return Law(self.epsilon, self.delta, self.sigma)

    @property
    def claim(self) -> str:
        """What each request claims: ``certified(epsilon, delta)``."""
        return certified(self.epsilon, self.delta)

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return why the base cannot learn these rows, or that rounding alone would spend the budget, else None."""
        if wrong := self.base.check(problem, rows):
            return wrong
        least = _UNIT * len(rows) ** 2  # of the sum of slopes, which are at least 1/2 long at the start
        if self.sigma and least > self.law.budget:
            return (
                f"{self.tag} with sigma = {self.sigma:g} has a budget of {self.law.budget:.2g}, below the {least:.2g} that rounding may "
                f"take for {len(rows)} rows: take a larger sigma"
            )
        return None

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of parameters, perturbation and what is kept, and of the ids of all rows that the parameters learned from."""
        return untrained(self, problem) + ID_BYTES * rows


class CertifiedRemoval(PerturbedSpec):
    """A convex linear model, perturbed by a secret, that forgets by a Newton step with a proof of how little is left of the rows.

    Parameters
    ----------
    certifier : {"measured", "data_dependent", "worst_case"}
        What bounds the residual: the gradient itself, the step and the remaining rows, or constants alone.
    hessian : {"fresh", "kept"}
        Whether a removal forms the Hessian of the remaining rows, or keeps its inverse, takes the rows out of it and forms it anew only
        where the measured residual asks for it: one pass over the rows, for squared columns in memory.
    """

    implementation: ClassVar[str] = "clients.unlearning.approximate.certified.removal:Removing"
    guarantee: ClassVar[Guarantee] = "certified"
    summary: ClassVar[str] = "convex linear model with a secret perturbation; a Newton step within a proven budget, else trained again"
    source: ClassVar[str] = "Guo, Goldstein, Hannun, van der Maaten, Certified Data Removal from Machine Learning Models, ICML 2020"

    kind: Literal["certified_removal"] = "certified_removal"
    sigma: Annotated[float, Setting(gt=0, le=LARGEST)] = 0.1
    certifier: Certifier = "measured"
    hessian: Literal["fresh", "kept"] = "fresh"

    @model_validator(mode="after")
    def _provable(self) -> Self:
        if self.base.loss == "huber_hinge" and self.certifier != "measured":
            raise ValueError(f"certifier {self.certifier!r} needs a second derivative without jumps, huber_hinge has some: take measured")
        if self.hessian == "kept" and self.certifier != "measured":
            raise ValueError(f"certifier {self.certifier!r} is for Newton steps, those with a kept Hessian are none: take measured")
        if self.base.loss == "squared" and self.certifier == "worst_case":
            raise ValueError("certifier 'worst_case' needs bounded gradients, those of the squared loss are not: take measured")
        return self
