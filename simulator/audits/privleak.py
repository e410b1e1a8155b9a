"""Privacy leakage of networks: an attack on forgotten rows, beside the network that never had them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from server.timeline import Erasure
from simulator.audits.contract import RETRAINED, RUN, AuditSpec, Branch, Branches, Column, NotJudgedError, keyed

if TYPE_CHECKING:
    from clients.data.rows import Rows
    from server.audit.privleak import Attacked


class Privleak(AuditSpec):
    """Ranks forgotten rows and test rows by the log-probability of the true answer, and compares with the run without the data (MUSE)."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "privleak",
            "privacy leakage",
            "share",
            "difference",
            "How much larger the area under the curve of the attack is than on the network that never had the rows, as a share of that; 0 "
            "is the aim. Above, forgotten rows still look learned; below, they stand out as forgotten.",
            counts="privleak_rows",
        ),
        Column("privleak_low", "privacy leakage, low", "share", "difference", "Lower end of the 95 % interval (bootstrap).", shown=False),
        Column("privleak_high", "privacy leakage, high", "share", "difference", "Upper end of the 95 % interval (bootstrap).", shown=False),
        Column("privleak_area", "area of the attack", "area under the curve", "area", "0.5 is a coin toss.", shown=False),
        Column("privleak_rows", "attacked rows", "count", "steps", "Forgotten rows; each is compared with all test rows.", shown=False),
    )

    def barred(self, erasure: Erasure) -> str | None:
        """Return that no row was deleted, or None."""
        return "no row was deleted, and the attack is on rows" if not erasure.rows or erasure.correction is not None else None

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return the leakage of the network that had to forget, with its interval; see `AuditSpec.judge`."""
        from server.audit.privleak import leakage

        found = {row: one for row in branches.rows if (one := _attacked(erasure, branches.learned(row), branches[row])) is not None}
        if RUN not in found or RETRAINED not in found:
            raise NotJudgedError("no network that had to forget answers for itself, in the run and without the data")
        told: dict[str, float | None] = {}
        for row, scores in found.items():
            try:
                leak = leakage(scores, found[RETRAINED], ("privleak", erasure.index))
            except ValueError as reason:
                raise NotJudgedError(str(reason)) from None
            told |= keyed(self.columns, row, (leak.value, leak.low, leak.high, scores.area, float(len(scores.forgotten))))
        return told


def _attacked(erasure: Erasure, gone: Rows, branch: Branch) -> Attacked | None:
    """Return the scores of the network that had to forget; None if there is none, or nothing to compare with."""
    import numpy as np

    from clients import data
    from server.audit.privleak import Attacked
    from simulator.audits.models import asked

    if (known := asked(erasure, branch)) is None:
        return None
    network, weights = known
    config = next(iter(branch.peers.values())).config
    test = data.load(config.data).rows(np.setdiff1d(np.asarray(config.test, np.int64), gone.ids))
    if not len(gone) or not len(test):
        return None
    tiny = np.finfo(np.float32).tiny  # a probability that rounds to 0 ranks last
    parts = [(network.probabilities(weights, rows.x)[np.arange(len(rows)), rows.y], rows) for rows in (gone, test)]
    return Attacked(*(np.log(np.maximum(right.astype(np.float64), tiny)) for right, _ in parts))
