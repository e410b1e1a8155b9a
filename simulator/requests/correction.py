"""Corrections of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from clients.corrections import Correction, Corrections
from clients.participant import ROWS
from server.timeline import Erasure, Round
from simulator.requests.changes import with_configs, with_rounds
from simulator.requests.contract import Request
from simulator.requests.traces import Main, kept
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class CorrectionRequest(Request):
    """A peer must correct rows and forget what they held; the rows stay."""

    subject: ClassVar[str] = "what {count} of peer {peer} held"
    sentence: ClassVar[str] = "{peers} had {count} corrected"

    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the plan in which the rows were right from the start, so that earlier corrections of the same have nothing to do."""
        told = _correction(erasure)
        plan = with_configs(plan, erasure, lambda one: {"corrections": (*one.corrections, told)})
        first = _first(plan, erasure)

        def change(now: Round) -> Round:
            if erasure.peer not in now.correct or not first <= now.round <= erasure.round:
                return now
            these = now.correct[erasure.peer]
            until = these.index(told) + 1 if now.round == erasure.round else len(these)
            left = tuple(one for one in (*(_void(one, told) for one in these[:until]), *these[until:]) if one.rows)
            others = {peer: ones for peer, ones in now.correct.items() if peer != erasure.peer}
            return now.model_copy(update={"correct": dict(sorted({**others, **({erasure.peer: left} if left else {})}.items()))})

        return with_rounds(plan, change)

    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line if the peer's main artefact still holds rows as they were, or an older artefact of the peer remains."""
        told, config = _correction(erasure), plan.config(erasure.peer, erasure.generation)
        rounds = (now for now in plan.timeline.rounds if now.round >= _first(plan, erasure))
        last = Corrections().joined(config.corrections).joined(one for now in rounds for one in now.correct.get(erasure.peer, ()))

        def known(main: Main) -> list[Any]:
            return last.wrong(np.intersect1d(main[ROWS], told.rows), Corrections.read(main))

        return kept(self.name(erasure), erasure, plan, store, known)


def held(plan: Plan, erasure: Erasure) -> Corrections:
    """Return what the rows of an erasure's peer held otherwise than in the data set when the request came.

    Of a plan that ignores requests these are the corrections that the peer began with.
    """
    config = plan.config(erasure.peer, erasure.generation)
    rounds = (now for now in plan.timeline.rounds if _first(plan, erasure) <= now.round < erasure.round)
    return Corrections().joined(config.corrections).joined(one for now in rounds for one in now.correct.get(erasure.peer, ()))


def _correction(erasure: Erasure) -> Correction:
    """Return what the rows should have held."""
    assert erasure.correction is not None
    return erasure.correction


def _first(plan: Plan, erasure: Erasure) -> int:
    """Return the first round of the generation of the peer that corrects."""
    starts = [now.round for now in plan.timeline.rounds if now.generation.get(erasure.peer) == erasure.generation]
    return min(starts, default=1)


def _void(one: Correction, told: Correction) -> Correction:
    """Return an earlier correction without the rows that a later one corrects too."""
    return one.without(told.rows) if one.covers(told) else one
