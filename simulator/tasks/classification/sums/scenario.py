"""The tables of a scenario in which peers send sums to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from clients.spec import Spec
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.exact.statistical.specs import NaiveBayes, Pca, Ridge
from simulator.events import EVENTS
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common

if TYPE_CHECKING:
    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()


Stepped = CertifiedRemoval | NewtonStatistics | InfinitesimalJackknife
"""Tables of models whose sums are derivatives."""

AnyModel = Annotated[NaiveBayes | Pca | Ridge | Stepped, Field(discriminator="kind")]


class Sums(Spec):
    """A server adds up the sums that peers send; ``model`` defines the sums and the model computed from them.

    Parameters
    ----------
    model : table
        The model computed from the sums. Those of ``certified_removal``, ``newton_statistics`` and ``infinitesimal_jackknife`` are
        derivatives at parameters that the server sends, for its steps.
    colluding : int
        For ``certified_removal``: peers whose shares of the secret perturbation need not be secret, or may leave; the shares of the others
        alone then have the scale ``sigma``.
    """

    kind: Literal["sums"] = "sums"
    model: AnyModel
    # left out where nothing is set: plans from before it existed keep their hash
    colluding: NonNegativeInt = Field(0, exclude_if=lambda colluding: not colluding)

    @model_validator(mode="after")
    def _summable(self) -> Self:
        if self.colluding and not isinstance(self.model, CertifiedRemoval):
            raise ValueError(f"colluding is about shares of a perturbation, {self.model.tag} has none: remove the key")
        if isinstance(self.model, Stepped) and self.model.base.loss == "huber_hinge":
            raise ValueError("huber_hinge has a second derivative with jumps, over which steps on sums do not settle: take another loss")
        if isinstance(self.model, Stepped) and self.model.base.lasso:
            raise ValueError("optima with lasso are found with all rows in one place: set lasso = 0")
        if not isinstance(self.model, CertifiedRemoval):
            return self
        if self.model.certifier != "measured" or self.model.hessian != "fresh":
            raise ValueError('peers measure the residual together, with a fresh Hessian: take certifier = "measured" and hessian = "fresh"')
        if not self.model.delta:
            raise ValueError("a perturbation for delta = 0 is no sum of shares: take a delta above 0")
        return self


class SumsScenario(common.Scenario):
    """A scenario in which peers classify with one model of all their rows; the server forgets deletions and departures by subtraction."""

    task: Literal["classification"] = Field("classification", exclude=True)
    federation: Sums
    event: tuple[AnyEvent, ...] = ()
