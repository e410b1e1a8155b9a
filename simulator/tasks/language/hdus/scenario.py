"""The tables of a scenario in which peers exchange seed language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.hdus.distillation import Distillation
from clients.language.hdus.mixture import Mixing
from clients.language.spec import AnyLanguageModel, TransformerSpec
from clients.training import Adam, Training
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common
from simulator.scenarios.scenario import AnyTopology
from simulator.tasks.classification.hdus.scenario import Hdus
from simulator.tasks.language.events import EVENTS

if TYPE_CHECKING:
    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()


class Peers(common.Peers):
    """The peers: their number ``count``, main models assigned in turn, one common seed model, and names for groups of peers.

    Parameters
    ----------
    main : list of tables
        Main language models, assigned to the peers in turn.
    seed : table
        The small language model that every peer distils for its neighbours.
    """

    main: Annotated[tuple[AnyLanguageModel, ...], Field(min_length=1)] = (TransformerSpec(),)
    seed: AnyLanguageModel = TransformerSpec(layers=1, width=32)


class HdusLanguageScenario(common.Scenario):
    """A scenario in which each peer has a language model of its own, and answers with its neighbours' seed models.

    Parameters
    ----------
    compute : table
        Where the models are trained.
    training : table
        A round's local work on the main model.
    distillation : table
        Distillation of seed models.
    ensemble : table
        How a peer mixes its main model with its neighbours' seeds.
    topology : table
        The graph of neighbours.
    """

    task: Literal["language"]
    federation: Hdus
    peers: Peers
    training: Training = Training(epochs=10, optimizer=Adam(lr=1e-3))
    compute: ClassifierCompute = USUAL
    distillation: Distillation = Distillation()
    ensemble: Mixing = Mixing()
    topology: AnyTopology
    event: tuple[AnyEvent, ...] = ()
