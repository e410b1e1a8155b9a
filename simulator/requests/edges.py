"""Deletions of edges among a peer's rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from clients.participant import EDGES, ROWS
from server.timeline import Erasure
from simulator.requests.changes import not_forgetting, with_configs
from simulator.requests.contract import Request
from simulator.requests.traces import Main, kept
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class EdgesRequest(Request):
    """A peer must forget edges between some of its rows; the rows stay."""

    unit: ClassVar[tuple[str, str]] = ("edge", "edges")
    subject: ClassVar[str] = "{count} of peer {peer}"
    sentence: ClassVar[str] = "{peers} had {count} deleted"

    def ids(self, erasure: Erasure) -> tuple[int, ...]:
        """Return the ids of the edges, ascending."""
        return tuple(sorted(erasure.edges))

    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the plan in which the peer never had the edges."""
        plan = with_configs(plan, erasure, lambda one: {"absent_edges": tuple(sorted({*one.absent_edges, *erasure.edges}))})
        return not_forgetting(plan, erasure.peer, set(erasure.edges))

    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line if the peer's main artefact still holds the edges, or an older artefact of the peer remains."""

        def known(main: Main) -> list[Any]:
            edges = erasure.edges.items()
            if EDGES in main:
                return [list(ends) for edge, ends in edges if edge in main[EDGES]]
            return [list(ends) for _, ends in edges if np.isin(ends, main[ROWS]).all()]

        return kept(self.name(erasure), erasure, plan, store, known)
