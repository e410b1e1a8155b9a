"""Attack rate: how many test rows a backdoor sends to its class, in the models of a run and of those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from clients.classification.averaging.trigger import Stamp
from server.timeline import Erasure
from simulator.audits.contract import RUN, AuditSpec, Branch, Branches, Column, NotJudgedError, keyed

if TYPE_CHECKING:
    from clients.data import Dataset
    from clients.unlearning.contract import Problem


class AttackRate(Stamp, AuditSpec):
    """Gives test rows a trigger, and counts those that the models at the end of a run take for its class.

    Rows of the class itself are left out. A rate of zero is not the aim: what counts is that of the run without the data. Keys that
    are left out are those of the backdoor that peers plant, if they do.
    """

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "attack_rate",
            "attack rate",
            "share",
            "share",
            "Share of test rows of other classes that a trigger sends to its class; mean over networks.",
            counts="attack_rate_rows",
        ),
        Column("attack_rate_low", "attack rate, low", "share", "share", "Lower end of the 95 % interval (Wilson).", shown=False),
        Column("attack_rate_high", "attack rate, high", "share", "share", "Upper end of the 95 % interval (Wilson).", shown=False),
        Column("attack_rate_rows", "attack rate, rows", "count", "steps", "Test rows that were given the trigger.", shown=False),
    )

    def unfit(self, data: Dataset) -> str | None:
        """Return why there is no such trigger or class in a data set, or None."""
        return no_trigger(self.target, self.size, data)

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return rates with their intervals; see `AuditSpec.judge`."""
        from server.audit.intervals import wilson

        found: dict[str, float | None] = {}
        for row in branches.rows:
            hits = self._hits(branches[row])
            if hits is None:
                continue
            share, rows = hits
            figures = (share, *wilson(share, rows), float(rows))
            found |= keyed(self.columns, row, figures)
        if self.columns[0].key(RUN) not in found:
            raise NotJudgedError("no network is left that answers for itself, or no test row is of another class")
        return found

    def _hits(self, branch: Branch) -> tuple[float, int] | None:
        """Return the mean share over networks, and the number of test rows; None if there is nothing to count."""
        import numpy as np

        from clients import data
        from simulator.audits.models import Model, models

        shares, rows = [], 0
        for one in models(branch):
            if not isinstance(one, Model):
                continue
            test = data.load(one.config.data).rows(np.asarray(one.config.test, np.int64))
            others = test.keep(test.y != self.target)
            if rows := len(others):
                answers = one.network.probabilities(one.weights, self.stamped(others.x))
                shares.append(float((answers.argmax(axis=1) == self.target).mean()))
        return (float(np.mean(shares)), rows) if shares else None


def no_trigger(target: int, size: int, data: Dataset | Problem) -> str | None:
    """Return why rows of a data set, or those that a main model learns from, cannot have such a trigger, with the cure, or None."""
    inputs = 1
    for length in data.shape:
        inputs *= length
    if target >= data.classes:
        return f"target = {target} is no class: take one below {data.classes}"
    if size >= inputs:
        return f"size = {size} leaves nothing of a row of {inputs} inputs: take fewer"
    if any(column.categories for column in data.columns):
        return "a trigger is a value of a number, and some columns are categories: take other data"
    return None
