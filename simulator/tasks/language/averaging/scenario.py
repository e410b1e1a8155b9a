"""The tables of a scenario of an averaged language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from clients.classification.compute import USUAL, ClassifierCompute
from clients.language.spec import AnyLanguageModel, TransformerSpec
from clients.training import Adam, Training
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common
from simulator.tasks.averaging.tables import FedAvg, FedProx
from simulator.tasks.language.events import EVENTS

if TYPE_CHECKING:
    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()


class LanguageScenario(common.Scenario):
    """A scenario in which peers train one language model on their records, and a server averages it.

    Parameters
    ----------
    language : table
        The language model.
    training : table
        A round's local work.
    compute : table
        Where the model is trained.
    """

    task: Literal["language"]
    federation: Annotated[FedAvg | FedProx, Field(discriminator="kind")]
    language: AnyLanguageModel = TransformerSpec()
    training: Training = Training(epochs=10, optimizer=Adam(lr=1e-3))
    compute: ClassifierCompute = USUAL
    event: tuple[AnyEvent, ...] = ()
