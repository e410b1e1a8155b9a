"""The contract of a request: one object answers for everything that is not the same for every kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class Request(ABC):
    """A kind of request. What one request asks for stands in its `Erasure`: whose data, rows, edges, and ``details`` of any sort.

    A request need not take rows away: one that corrects labels names the rows that stay and says in ``details`` what they should have
    been; its counterfactual is the plan in which they were so from the start. An event makes the erasures and puts what peers must do into
    the timeline; a new kind is one file with a subclass, registered under ``lethe.requests``:

    >>> class Correct(Request):
    ...     unit = ("label", "labels")
    ...     subject = "{count} of peer {peer}"
    ...     sentence = "{peers} had {count} corrected"
    ...
    ...     def without(self, plan, erasure):
    ...         return with_configs(plan, erasure, lambda config: {"labels": config.labels | erasure.details})
    ...
    ...     def problems(self, erasure, plan, store):
    ...         yield from ()

    Requests know plans, and plans know nothing of requests: they hold erasures as plain data.
    """

    unit: ClassVar[tuple[str, str]] = ("row", "rows")
    """What is counted, one and several."""
    subject: ClassVar[str]
    """What had to be forgotten, in words, with ``{peer}`` and ``{count}`` ("7 rows")."""
    short: ClassVar[str] = "{count} of peer {peer}"
    """The same for narrow places."""
    sentence: ClassVar[str]
    """What was done to whom over a whole run, without the full stop, with ``{peers}`` ("peers 2 and 3") and ``{count}``."""

    def ids(self, erasure: Erasure) -> tuple[int, ...]:
        """Return the ids of what is counted, ascending: rows unless told otherwise."""
        return erasure.rows

    @abstractmethod
    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the counterfactual: the plan in which what the erasure asks for had been so from the start.

        Erasures that have no meaning in it go, or lose that part; who else is there when, and the graph, stay.
        """

    @abstractmethod
    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line for everything in a finished run that shows that the request was not carried out, or that something is left."""

    def name(self, erasure: Erasure) -> str:
        """Return by what name lines of ``lethe verify`` call an erasure."""
        return f"erasure {erasure.index} ({erasure.kind} of peer {erasure.peer})"
