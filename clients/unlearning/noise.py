"""Table of noise that is added to a result before it is released."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field as Setting
from pydantic import PositiveFloat, model_validator

from clients.spec import Spec
from clients.streams import Field, generator
from clients.unlearning.mechanisms import analytic_gaussian, classical_gaussian, laplace
from clients.unlearning.tabular import Floats


class Noise(Spec):
    """Noise that hides a difference of a given size between two results: ``{ kind = "analytic_gaussian", sensitivity = 0.1 }``.

    Parameters
    ----------
    kind : {"analytic_gaussian", "gaussian", "laplace"}
        The analytic Gaussian mechanism, for every epsilon; the classical one, for epsilon below 1; the Laplace mechanism, with delta = 0.
    sensitivity : float
        Largest difference that is hidden, in the Euclidean norm, for Laplace the sum of absolute coordinates.
    epsilon, delta : float
        How well it is hidden: epsilon above 0; delta above 0 and below 1, or 0 for Laplace.
    """

    kind: Literal["analytic_gaussian", "gaussian", "laplace"] = "analytic_gaussian"
    sensitivity: PositiveFloat
    epsilon: PositiveFloat = 1.0
    delta: Annotated[float, Setting(ge=0, lt=1)] = 1e-5

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if self.kind == "laplace" and self.delta:
            raise ValueError("delta of Laplace noise is 0: set delta = 0")
        if self.kind != "laplace" and not self.delta:
            raise ValueError(f"delta of {self.kind} is above 0: set one, or take laplace")
        if self.kind == "gaussian":
            classical_gaussian(self.sensitivity, self.epsilon, self.delta)
        return self

    @property
    def scale(self) -> float:
        """Standard deviation of Gaussian noise in each coordinate; for Laplace, the mean absolute noise."""
        if self.kind == "laplace":
            return laplace(self.sensitivity, self.epsilon)
        sigma = classical_gaussian if self.kind == "gaussian" else analytic_gaussian
        return sigma(self.sensitivity, self.epsilon, self.delta)

    def draw(self, size: int, *key: Field) -> Floats:
        """Return noise, float64 (size,); each key gives another, to be used for one release only."""
        chance = generator(*key)
        return chance.laplace(0, self.scale, size) if self.kind == "laplace" else chance.normal(0, self.scale, size)
