"""Scenario tables of learners that keep statistics instead of rows."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field as Setting
from pydantic import PositiveFloat, model_validator

from clients.data.rows import Rows
from clients.unlearning.approximate.certified.spec import LARGEST, LinearBase
from clients.unlearning.contract import Guarantee, Problem, UnlearnerSpec, certified
from clients.unlearning.convex.spec import Convex
from clients.unlearning.limits import ID_BYTES, untrained


class StatisticsSpec(UnlearnerSpec):
    """A convex linear model that drops its rows once it is trained.

    A request brings the rows that are to leave; the remaining ones are not needed. With noise on the parameters that answer, drawn anew for
    every request, a request is certified where the noise hides the bound on the distance to the optimum on the remaining rows; the bound
    is of all rows removed since the training, because every step begins at the parameters before any noise.

    Parameters
    ----------
    base : table
        The linear model, of kind ``convex``.
    epsilon, delta : float
        What is certified: epsilon above 0, delta above 0 and below 1.
    sigma : float
        Standard deviation of the noise in each parameter; without noise nothing is certified.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    needs_rows: ClassVar[bool] = True

    base: LinearBase = Convex()
    epsilon: PositiveFloat = 1.0
    delta: Annotated[float, Setting(gt=0, lt=1)] = 1e-4
    sigma: Annotated[float, Setting(ge=0, le=LARGEST)] = 0.0

    @model_validator(mode="after")
    def _provable(self) -> Self:
        if self.sigma and self.base.loss == "huber_hinge":
            raise ValueError("sigma hides a bound that needs a second derivative without jumps, huber_hinge has some: set sigma = 0")
        if self.sigma and self.base.lasso:
            raise ValueError("sigma hides a bound that needs a penalty without corners, lasso has some: set sigma = 0, or lasso = 0")
        return self

    @property
    def claim(self) -> str:
        """What each request claims: ``certified(epsilon, delta)`` with noise, else ``approximate``."""
        return certified(self.epsilon, self.delta) if self.sigma else self.guarantee

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return why the base cannot learn these rows, or None."""
        return self.base.check(problem, rows)

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of parameters and statistics, and of the ids of the rows that they stand for."""
        return untrained(self, problem) + ID_BYTES * rows


class NewtonStatistics(StatisticsSpec):
    """Keeps the optimum, the Hessian and the number of rows; takes rows out by a Newton step with the Hessian of the remaining ones."""

    implementation: ClassVar[str] = "clients.unlearning.approximate.statistics.learner:Newton"
    summary: ClassVar[str] = "convex linear model that keeps its Hessian and no row; a Newton step forgets rows that come with the request"
    source: ClassVar[str] = "Sekhari, Acharya, Kamath, Suresh, Remember What You Want to Forget, NeurIPS 2021"

    kind: Literal["newton_statistics"] = "newton_statistics"

    @model_validator(mode="after")
    def _smooth(self) -> Self:
        if self.base.lasso:
            raise ValueError("a Newton step needs a penalty without corners, lasso has some: take infinitesimal_jackknife, or lasso = 0")
        return self


class InfinitesimalJackknife(StatisticsSpec):
    """Keeps the optimum, the inverse Hessian of all rows and their number; takes rows out by one product with it.

    With ``lasso`` in its base it keeps the Hessian and solves the proximal problem, so that parameters that are 0 stay 0.
    """

    implementation: ClassVar[str] = "clients.unlearning.approximate.statistics.learner:Jackknife"
    summary: ClassVar[str] = "convex linear model that keeps its inverse Hessian and no row; one product forgets rows, in any order"
    source: ClassVar[str] = "Suriyakumar and Wilson, Algorithms that Approximate Data Removal, NeurIPS 2022"

    kind: Literal["infinitesimal_jackknife"] = "infinitesimal_jackknife"
