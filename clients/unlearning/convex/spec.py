"""Scenario table of convex learners."""

from __future__ import annotations

from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, model_validator

from clients.data.columns import expanded_shape
from clients.data.rows import Rows
from clients.unlearning.contract import ExactSpec, Problem
from clients.unlearning.convex.unit_rows import UnitRows
from clients.unlearning.limits import beyond, refusal, untrained

_NEWTON_STEPS = 20
"""Newton steps of a fit, roughly, for bounds on its time."""


class Convex(ExactSpec):
    """A linear model at the optimum of a convex loss, with a ridge penalty or an elastic net; forgets by solving again, from zero.

    Numbers are scaled to [0, 1] by their public bounds, categories become 0/1 columns, a constant 1 is added, and every row is divided by
    its own norm, so that no row is longer than 1 and none is scaled by others.

    Parameters
    ----------
    loss : {"logistic", "squared", "huber_hinge"}
        Loss of a score: logistic, squared distance to -1 or 1, or hinge loss with a quadratic corner.
    multiclass : {"one_vs_rest", "softmax"}
        More than two classes: one score each against the rest, or jointly (``logistic`` only).
    penalty : float
        Weight of half the squared parameters, per row; at least 1e-9, so that every Hessian can be inverted.
    lasso : float
        Weight of the absolute parameters, per row; with ``penalty`` it is an elastic net. Parameters that do not help are then 0.
    corner : float
        Half width of the quadratic corner of ``huber_hinge``; the others have none.
    low, high : float
        Public bounds of features without a declared column; values outside are refused.
    """

    implementation: ClassVar[str] = "clients.unlearning.convex.solved:Solved"
    summary: ClassVar[str] = "linear model at the optimum of a convex loss, solved again from zero on what is kept"
    source: ClassVar[str] = "Chapelle, Training a Support Vector Machine in the Primal, Neural Computation 2007"

    kind: Literal["convex"] = "convex"
    loss: Literal["logistic", "squared", "huber_hinge"] = "logistic"
    multiclass: Literal["one_vs_rest", "softmax"] = "one_vs_rest"
    penalty: Annotated[float, Setting(ge=1e-9)] = 1e-2
    # left out where it is 0, so that plans from before it existed keep their hash
    lasso: NonNegativeFloat = Setting(0.0, exclude_if=lambda lasso: not lasso)
    corner: PositiveFloat = 0.5
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _joint(self) -> Self:
        if self.multiclass == "softmax" and self.loss != "logistic":
            raise ValueError(f"multiclass 'softmax' is for the logistic loss, not {self.loss!r}: take one_vs_rest")
        return self

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if rows violate the public bounds or the Hessian exceeds a limit, else None."""
        wide = prod(expanded_shape(problem.shape, problem.columns)) + 1
        side = wide * (problem.classes if self.multiclass == "softmax" else 1)
        blocks = 1 if self.multiclass == "softmax" or problem.classes == 2 else problem.classes
        size, steps = 8 * (2 * blocks * side**2 + len(rows) * wide), _NEWTON_STEPS * len(rows) * blocks * side**2 // 10**6
        wrong = beyond(f"{self.kind} on {wide} columns", len(rows), size, steps, "ask for fewer columns or rows")
        return wrong or refusal(lambda: UnitRows(problem, (self.low, self.high)).checked(rows))

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the parameters."""
        return untrained(self, problem)
