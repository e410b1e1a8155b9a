"""The distance to the counterfactual, in which the erased data never existed: the test of every claim of exactness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from server.ledger import FEDERATION, RELEASE
from server.timeline import Erasure
from simulator.audits.contract import (
    AGAIN,
    NOTHING,
    ORIGINAL,
    RETRAINED,
    ROWS,
    RUN,
    AuditSpec,
    Branch,
    Branches,
    Column,
    NotJudgedError,
    Row,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from simulator.storage.store import RunStore

    Arrays = Mapping[str, npt.NDArray[Any]]

DIFFERENCE = Column(
    "max_abs_difference",
    "largest difference",
    "absolute",
    "difference",
    "The largest absolute difference to the run in which the data never existed, over all parameters that remain and all answers.",
    rows=(RUN, NOTHING, AGAIN, ORIGINAL),
    order=0,
)
TERMS = (
    (
        "never there",
        (
            "The counterfactual: the same plan, played again without the data. Retraining from nothing gives the same models, "
            "so its steps and seconds up to the round of the erasure are what retraining costs."
        ),
    ),
    ("did nothing", "The same plan with the requests ignored: what the others must be better than."),
)


class Counterfactual(AuditSpec):
    """Repeats the run without the erased data, and once more with every request ignored.

    Parameters
    ----------
    again : bool
        Repeat the counterfactual with other training keys even if every method is exact, to show how much retraining itself varies.
    original : bool
        Also examine the run just before the request, even if every method is exact.
    """

    again: bool = False
    original: bool = False

    columns: ClassVar[tuple[Column, ...]] = (
        DIFFERENCE,
        Column("retrain_gradient_steps", "steps of retraining", "steps", "steps", "", rows=(RETRAINED, AGAIN), shown=False),
        Column("retrain_seconds", "time of retraining", "seconds", "seconds", "", rows=(RETRAINED, AGAIN), shown=False),
        Column("retrain_bytes", "bytes of retraining", "bytes", "bytes", "", rows=(RETRAINED, AGAIN), shown=False),
        Column("utility", "utility", "share", "share", "The data set's first metric at the end, on all classes.", shown=False),
    )
    always_told: ClassVar[bool] = True

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """The runs that are compared; the report explains the difference itself with exactness."""
        return TERMS

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return the runs to compare: those that the settings request, or all if a method is not exact."""
        asked = {AGAIN: self.again, ORIGINAL: self.original}
        return tuple(row for row in ROWS if not exact or asked.get(row, True))

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return differences to the counterfactual, costs of retraining, and utilities of the models; see `AuditSpec.judge`."""
        never, found = branches[RETRAINED], dict[str, float | None]()
        for row in branches.rows:
            if row != RETRAINED:
                apart = difference(branches[row], never)
                if row == RUN and apart is None:
                    raise NotJudgedError("no peer is left at the end of both runs, so there is nothing to compare")
                found[DIFFERENCE.key(row)] = apart
            if row in (RETRAINED, AGAIN):
                spent = zip(self.columns[1:4], costs(branches[row].store, erasure.round), strict=True)
                found |= {column.key(row): cost for column, cost in spent}
            if row != ORIGINAL:
                found[self.columns[4].key(row)] = _utility(branches[row].store)
        return found


def difference(one: Branch, other: Branch) -> float | None:
    """Return the largest absolute difference over the peers that both branches have: parameters, predictions, and what the server releases.

    Trees of different structure have different parameters, so arrays that cannot be compared make the difference infinite only if all
    others are equal. The result is None, not zero, if there is nothing to compare.
    """
    found = [_apart(_everything(one, peer), _everything(other, peer)) for peer in sorted(set(one.peers) & set(other.peers))]
    found.append(_apart(_released(one), _released(other)))
    return max((apart for apart in found if apart is not None), default=None)


def _apart(mine: Arrays, theirs: Arrays) -> float | None:
    """Return the largest absolute difference of arrays by name; None if there are none."""
    from server.audit.differences import max_abs_difference

    both = [name for name in mine if name in theirs and mine[name].shape == theirs[name].shape]
    apart = max_abs_difference({name: mine[name] for name in both}, {name: theirs[name] for name in both})
    if not mine and not theirs:
        return None
    return apart if apart or len(both) == len({*mine, *theirs}) else math.inf


def _released(branch: Branch) -> Arrays:
    """Return the model that the server releases at the end; nothing if it releases none."""
    from clients import wire

    sha256 = branch.store.model(RELEASE)
    return {} if sha256 is None else wire.from_bytes(branch.store.artefact(sha256))


def _everything(branch: Branch, number: int) -> Arrays:
    """Return all floating-point arrays of a peer; row ids, counts and other integers are compared as bytes by `lethe verify`."""
    import numpy as np

    from clients import wire

    peer = branch.peers[number]
    assert peer.update is not None
    (final,) = branch.store.rows("select sha256 from probabilities where peer = ?", (number,))[0]
    parts = {"main": peer.main_blob, "seed": peer.update.blob, "ensemble": branch.store.artefact(final)}
    arrays = {f"{part}/{name}": array for part, blob in parts.items() for name, array in wire.from_bytes(blob).items()}
    return {name: array for name, array in arrays.items() if np.issubdtype(array.dtype, np.floating)}


def costs(store: RunStore, until: int) -> tuple[float, float, float]:
    """Return the federation's gradient steps, seconds and bytes of messages over the rounds up to and including ``until``."""
    steps = _total(store, "metrics", "gradient_steps", until) + _total(store, "metrics", "distillation_steps", until)
    return steps, _total(store, "timings", "round", until), _total(store, "metrics", "bytes_overlay", until)


def _total(store: RunStore, table: str, name: str, until: int) -> float:
    query = f"select value from {table} where name = ? and peer = ? and round <= ?"
    return math.fsum(value for (value,) in store.rows(query, (name, FEDERATION, until)))


def _utility(store: RunStore) -> float | None:
    """Return the final accuracy of the ensembles, or of the global model, on all classes; None if it is not measured."""
    names = "('accuracy.global.ensemble', 'accuracy.global.model')"
    query = f"select value from metrics where name in {names} and peer = ? order by round desc limit 1"
    rows = store.rows(query, (FEDERATION,))
    return rows[0][0] if rows else None
