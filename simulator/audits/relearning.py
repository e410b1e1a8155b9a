"""Relearning: how many steps the remaining seeds need to relearn the erased rows."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Annotated, ClassVar

from pydantic import Field

from server.timeline import Erasure
from simulator.audits.contract import NOTHING, RETRAINED, RUN, AuditSpec, Branches, Column, NotJudgedError

Cap = Annotated[int, Field(ge=1, le=100_000)]
"""Largest number of gradient steps of relearning; more would only run on."""


class Relearning(AuditSpec):
    """Trains a target peer's best seed on the erased rows until it fits them as well as if nothing had been erased.

    Parameters
    ----------
    cap : int
        Largest number of gradient steps, at most 100,000; read a figure of this size as *at least*.
    """

    cap: Cap = 2000

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "relearn_steps",
            "relearn steps",
            "gradient steps",
            "steps",
            "Gradient steps until the best seed a holder has fits the erased rows as well as if nothing had been forgotten. "
            "Few mean that something was left.",
        ),
    )
    always_told: ClassVar[bool] = True

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return the mean steps over the target peers; see `AuditSpec.judge`."""
        from clients.classification.hdus.peer import Peer
        from server.audit.relearning import best_loss, relearning_steps

        if not erasure.rows:
            raise NotJudgedError("edges were deleted, rows are what is learned again")
        if erasure.correction is not None:
            raise NotJudgedError("rows were corrected and stay")
        (column,) = self.columns
        steps: dict[str, list[int]] = {column.key(row): [] for row in branches.rows}
        for number in targets:
            peers = {row: branches[row].peers.get(number) for row in branches.rows}
            if strange := next((peer for peer in peers.values() if peer is not None and not isinstance(peer, Peer)), None):
                raise NotJudgedError(f"peers of the role {type(strange).__name__} have no seed models, which are what learns again")
            there = {row: peer for row, peer in peers.items() if isinstance(peer, Peer)}
            if not there.keys() >= {RUN, RETRAINED, NOTHING}:
                continue
            target = best_loss(there[NOTHING], branches.learned(NOTHING))
            for row, peer in there.items():
                steps[column.key(row)].append(relearning_steps(peer, branches.learned(row), target, self.cap))
        if not steps[column.key(RUN)]:
            raise NotJudgedError("nobody who is left in all runs held a model that had to forget")
        return {key: fmean(counts) if counts else None for key, counts in steps.items()}
