"""Deletions of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from clients.participant import ROWS
from server.timeline import Erasure
from simulator.requests.changes import not_arriving, not_forgetting, same_life, with_configs, with_erasures
from simulator.requests.contract import Request
from simulator.requests.traces import Main, kept
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class RowsRequest(Request):
    """A peer must forget rows; the peer stays."""

    subject: ClassVar[str] = "{count} of peer {peer}"
    sentence: ClassVar[str] = "{peers} had {count} deleted"

    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the plan in which the peer never had the rows, without earlier deletions of edges at these rows."""
        gone = set(erasure.rows)
        void: set[int] = set()
        left: list[Erasure] = []
        for one in plan.timeline.erasures:
            edges = {edge: ends for edge, ends in one.edges.items() if not (same_life(one, erasure) and gone.intersection(ends))}
            void.update(one.edges.keys() - edges.keys())
            if edges or not one.edges:
                left.append(one.model_copy(update={"edges": edges}))
        plan = with_configs(plan, erasure, lambda one: {"rows": tuple(row for row in one.rows if row not in gone)})
        plan = not_arriving(plan, erasure.peer, gone)
        return with_erasures(not_forgetting(plan, erasure.peer, gone | void), left)

    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line if the peer's main artefact still holds the rows, or an older artefact of the peer remains."""

        def known(main: Main) -> list[Any]:
            return [int(row) for row in np.intersect1d(main[ROWS], erasure.rows)]

        return kept(self.name(erasure), erasure, plan, store, known)
