"""The contract of a request: one object for everything that differs between kinds of requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class Request(ABC):
    """A kind of request. The content of one request is in its `Erasure`: the owner of the data, rows, edges, and further ``details``.

    A request need not remove rows: one that corrects labels names the affected rows and gives the right labels in ``details``; its
    counterfactual is the plan in which the labels were right from the start. An event creates the erasures and adds the peers' tasks to the
    timeline. A new kind is one file with a subclass, registered under ``lethe.requests``:

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

    Requests depend on plans, but plans do not depend on requests; they hold erasures as plain data.
    """

    unit: ClassVar[tuple[str, str]] = ("row", "rows")
    """The counted unit, singular and plural."""
    subject: ClassVar[str]
    """Phrase for the data to forget, with ``{peer}`` and ``{count}`` ("7 rows")."""
    short: ClassVar[str] = "{count} of peer {peer}"
    """A shorter phrase, for narrow columns."""
    sentence: ClassVar[str]
    """Summary of a whole run's requests without the full stop, with ``{peers}`` ("peers 2 and 3") and ``{count}``."""

    def ids(self, erasure: Erasure) -> tuple[int, ...]:
        """Return the ids of the counted units, ascending; by default rows."""
        return erasure.rows

    @abstractmethod
    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the counterfactual: the plan in which the request was fulfilled from the start.

        Erasures that become meaningless are removed or reduced; the presence of other peers and the graph stay unchanged.
        """

    @abstractmethod
    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line for every piece of evidence in a finished run that the request was not carried out, or that data remain."""

    def name(self, erasure: Erasure) -> str:
        """Return the name of an erasure in the output of ``lethe verify``."""
        return f"erasure {erasure.index} ({erasure.kind} of peer {erasure.peer})"
