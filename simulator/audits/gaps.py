"""Gaps between groups of test rows: how differently the models that had to forget, or to correct rows, treat them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveInt

from server.timeline import Erasure
from simulator.audits.contract import NOTHING, ORIGINAL, RETRAINED, ROWS, RUN, AuditSpec, Branch, Branches, Column, NotJudgedError, Row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clients.data import Dataset


class Gaps(AuditSpec):
    """Compares groups of test rows by what is predicted of them, before a request and after it.

    Parameters
    ----------
    column : str
        The column with categories whose values are the groups.
    label : int or str
        The name of the class whose share among the predictions is compared.
    least : int
        Smallest number of test rows of a group that is compared.
    """

    column: str
    label: int | str
    least: PositiveInt = 20

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "gap_positive",
            "gap in predictions",
            "share",
            "share",
            "The largest difference between groups of test rows in the share that is predicted to be of one class; mean over peers.",
        ),
        Column(
            "gap_accuracy",
            "gap in accuracy",
            "share",
            "share",
            "The largest difference between groups of test rows in accuracy; mean over peers.",
        ),
    )

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return the runs to compare: the run just before the request among them."""
        return (RUN, RETRAINED, NOTHING, ORIGINAL) if exact else ROWS

    def unfit(self, data: Dataset) -> str | None:
        """Return why there are no such groups or predictions in a data set, or None."""
        from clients.data.cells import repeated

        grouped = [one.name for one in data.columns if one.categories]
        if self.column not in grouped:
            known = f"name one of {', '.join(grouped)}" if grouped else "this data set has none: remove the audit"
            return f"column {self.column!r} is none with categories: {known}"
        if twice := repeated([one.name for one in data.columns], self.column):
            return twice
        if str(self.label) not in data.labels:
            return f"no class is called {self.label}: name one of {', '.join(data.labels[:20])}"
        return None

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return the gaps of the final predictions of the target peers, mean over these; see `AuditSpec.judge`."""
        found: dict[str, float | None] = {}
        for row in branches.rows:
            gaps = [gap for peer in targets if (gap := self._gaps(branches[row], peer)) is not None]
            for column, values in zip(self.columns, zip(*gaps, strict=True) if gaps else ((), ()), strict=True):
                found[column.key(row)] = fmean(values) if values else None
        if found[self.columns[0].name] is None:
            raise NotJudgedError(f"fewer than two groups of {self.least} test rows, or no peer, are there to compare")
        return found

    def _gaps(self, branch: Branch, number: int) -> tuple[float, float] | None:
        """Return the largest difference between groups in predicted share and in accuracy; None without predictions or groups."""
        import numpy as np

        from clients import data, wire

        stored = branch.store.rows("select sha256 from probabilities where peer = ?", (number,))
        if number not in branch.peers or not stored:
            return None
        config = branch.peers[number].config
        source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
        chosen = wire.from_bytes(branch.store.artefact(stored[0][0]))["probabilities"].argmax(axis=1)
        place = [one.name for one in source.columns].index(self.column)
        groups = source.inputs(test)[:, place].astype(np.int64)
        large = np.flatnonzero(np.bincount(groups) >= self.least)
        if len(large) < 2 or len(chosen) != len(test):
            return None
        positive = chosen == source.labels.index(str(self.label))
        return _largest(positive, groups, large), _largest(chosen == source.classes_of(test), groups, large)


def _largest(hits: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> float:
    """Return the largest difference in the share of hits between some groups."""
    shares = [float(hits[groups == group].mean()) for group in of]
    return max(shares) - min(shares)
