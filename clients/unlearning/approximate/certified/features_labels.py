"""Scenario table of a convex model that corrects features and labels of its rows."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field as Setting

from clients.unlearning.approximate.certified.spec import LARGEST, PerturbedSpec
from clients.unlearning.contract import Guarantee, certified


class FeaturesLabels(PerturbedSpec):
    """A convex linear model that corrects labels and features of its rows in closed form, and forgets rows as the case of no correction.

    The change is that of the gradients of the affected rows, corrected and as they were. A column that has the same value in all held rows,
    as one that was corrected in all of them, counts as having it in questions too: what the model knew of it is gone, and does not act.

    Parameters
    ----------
    order : {"first", "second"}
        Whether the change is taken as it is, as far as it makes the gradient on the corrected rows smaller, or divided by their Hessian.
    sigma : float
        Scale of a secret perturbation of the training; with it, corrections are certified within the budget of ``certified_removal``, and
        the model is trained again where it is spent. Without, nothing is certified.
    """

    implementation: ClassVar[str] = "clients.unlearning.approximate.certified.correcting:Correcting"
    guarantee: ClassVar[Guarantee] = "approximate"
    corrects: ClassVar[bool] = True
    summary: ClassVar[str] = "convex linear model that corrects features and labels of its rows by a first- or second-order step"
    source: ClassVar[str] = "Warnecke, Pirch, Wressnegger, Rieck, Machine Unlearning of Features and Labels, NDSS 2023"

    kind: Literal["features_labels"] = "features_labels"
    order: Literal["first", "second"] = "second"
    sigma: Annotated[float, Setting(ge=0, le=LARGEST)] = 0.0

    @property
    def claim(self) -> str:
        """What each request claims: ``certified(epsilon, delta)`` with a perturbation, else ``approximate``."""
        return certified(self.epsilon, self.delta) if self.sigma else self.guarantee
