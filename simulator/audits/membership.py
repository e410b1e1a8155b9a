"""Membership inference: whether erased rows still look more familiar to the models than fresh ones."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from server.timeline import Erasure
from simulator.audits.contract import RUN, AuditSpec, Branch, Branches, Column, NotJudgedError

if TYPE_CHECKING:
    from clients.data.rows import Rows


class MembershipInference(AuditSpec):
    """An attacker ranks erased rows and test rows by the confidence of the models that may still remember them."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "mia_auc",
            "membership inference",
            "area under the curve",
            "area",
            "An attacker ranks rows by the models\u2019 confidence in the true label, within each class. 0.5 is a coin toss. "
            "The attacker\u2019s gain is the mean distance to the run without the data.",
        ),
    )
    always_told: ClassVar[bool] = True
    sections: ClassVar[tuple[str, ...]] = ("simulator.report.audits.membership:SECTION",)

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return the class-matched area under the curve of the attack, mean over the target peers; see `AuditSpec.judge`."""
        (column,) = self.columns
        _need_rows(erasure, targets)
        found = {column.key(row): _area(branches.learned(row), branches[row], targets) for row in branches.rows}
        if found[column.key(RUN)] is None:
            raise NotJudgedError("no class of the erased rows is among the test rows, with which they are compared")
        return found


def _need_rows(erasure: Erasure, targets: Sequence[int]) -> None:
    """Raise ``NotJudgedError`` without erased rows or without target peers."""
    if not erasure.rows:
        raise NotJudgedError("edges were deleted, the attack is on rows")
    if erasure.correction is not None:
        raise NotJudgedError("rows were corrected and stay")
    if not targets:
        raise NotJudgedError("nobody who is left held a model that had to forget")


def _area(members: Rows, branch: Branch, targets: Sequence[int]) -> float | None:
    import numpy as np

    from clients import data
    from server.audit.membership import Predictions, membership_auc

    scores = []
    for peer in (_classifier(branch.peers[number]) for number in targets if number in branch.peers):
        source = data.load(peer.config.data)
        others = np.asarray(peer.config.test)
        inside = Predictions(peer.predict_proba(members.x), members.y)
        outside = Predictions(peer.predict_proba(source.inputs(others)), source.classes_of(others))
        scores.append(membership_auc(inside, outside))
    known = [score for score in scores if score is not None]
    return fmean(known) if known else None


def _classifier(peer: Any) -> Any:
    """Return the peer if it predicts class probabilities; ``NotJudgedError`` otherwise."""
    if not hasattr(peer, "predict_proba"):
        raise NotJudgedError(f"peers of the role {type(peer).__name__} give no class probabilities, by which rows are ranked")
    return peer
