"""The tables of a scenario in which peers send sums to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from clients.classification.sums.config import AnySummed
from clients.spec import Spec
from simulator.events import EVENTS
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common

if TYPE_CHECKING:
    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()


class Sums(Spec):
    """A server adds up the sums that peers send; ``model`` defines the sums and the model computed from them.

    Parameters
    ----------
    model : table
        The model computed from the sums.
    """

    kind: Literal["sums"] = "sums"
    model: AnySummed


class SumsScenario(common.Scenario):
    """A scenario in which peers classify with one model of all their rows; the server forgets deletions and departures by subtraction."""

    task: Literal["classification"] = Field("classification", exclude=True)
    federation: Sums
    event: tuple[AnyEvent, ...] = ()
