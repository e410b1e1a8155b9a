"""Inversion: what an adversary recovers of forgotten rows from what it sees before a request and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from server.timeline import Erasure
from simulator.audits.contract import (
    AGAIN,
    NOTHING,
    ORIGINAL,
    RETRAINED,
    ROWS,
    RUN,
    AuditSpec,
    Branches,
    Column,
    NotJudgedError,
    Row,
    keyed,
)

if TYPE_CHECKING:
    from clients.config import PeerConfig
    from server.audit.margins import Floats
    from simulator.audits.views import View

_OF = (RUN, AGAIN, NOTHING)
_PAIRS = {RUN: (ORIGINAL, RUN), AGAIN: (RETRAINED, AGAIN), NOTHING: (ORIGINAL, NOTHING)}
"""The two views behind each row: two retrainings, and two rounds without a request, are the controls."""


def _column(suffix: str, heading: str, unit: str, format: Any, meaning: str, rows: tuple[Row, ...] = _OF) -> Column:
    name = f"inversion_{suffix}" if suffix else "inversion"
    counts = None if suffix else "inversion_rows"
    return Column(name, f"inversion{heading}", unit, format, meaning, rows=rows, shown=not suffix, counts=counts)


class Inversion(AuditSpec):
    """Inverts the difference of two views: of the round before a request, and of the end of the run.

    It is a figure beside others and lets no method pass or fail: exact deletion does not protect from whoever keeps the view before it.
    Put the request into the last round to judge what follows at once.

    Parameters
    ----------
    adversary : {"server", "neighbour", "outsider"}
        The server of an averaging federation sees its model, that of a federation of sums the sums; an outsider sees the averaged model,
        where it is released; a neighbour sees the seed of the peer that forgets.
    """

    adversary: Literal["server", "neighbour", "outsider"] = "server"

    columns: ClassVar[tuple[Column, ...]] = (
        _column("", "", "share", "share", "Share of the forgotten rows that come first among rows nobody held, by what was recovered."),
        _column("low", ", low", "share", "share", "Lower end of the 95 % interval (Wilson)."),
        _column("high", ", high", "share", "share", "Upper end of the 95 % interval (Wilson)."),
        _column("cosine", ", cosine", "cosine", "area", "Mean cosine of a forgotten row with what matches it best of what was recovered."),
        _column("cosine_low", ", cosine, low", "cosine", "area", "Lower end of its 95 % interval over rows."),
        _column("cosine_high", ", cosine, high", "cosine", "area", "Upper end of its 95 % interval over rows."),
        _column("psnr", ", signal", "dB", "area", "Mean peak signal-to-noise ratio of that match, at most 150."),
        _column("labels", ", labels", "share", "share", "Share of the forgotten rows whose classes were recovered."),
        _column("rows", ", rows", "count", "steps", "Forgotten rows."),
        _column("other", ", another row", "cosine", "area", "Mean cosine of what was recovered with the nearest row that stayed.", (RUN,)),
        _column("candidates", ", candidates", "count", "steps", "Rows that nobody held.", (RUN,)),
    )

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return all runs, whatever the guarantee: two retrainings are a control."""
        return ROWS

    def unfit_for(self, config: PeerConfig) -> str | None:
        """Return why its adversary sees no two models of such peers that can be inverted, with the cure, or None."""
        from simulator.audits.views import unseen

        return unseen(self.adversary, config)

    def barred(self, erasure: Erasure) -> str | None:
        """Return why no two views show what was forgotten, or None."""
        if not erasure.rows:
            return "edges were deleted, rows are what is recovered"
        if erasure.correction is not None:
            return "rows were corrected and stay"
        return "the request came in the first round: nobody saw anything before it" if erasure.round == 1 else None

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return what is recovered, and by the same attack on the controls; see `AuditSpec.judge`."""
        found: dict[str, float | None] = {}
        for row in _OF:
            one = self._view(erasure, branches, row)
            figures = [None] * (len(self.columns) - 2) if one is None else _figures(one)
            found |= keyed(self.columns[:-2], row, figures)
            if row == RUN and one is not None:
                more = _nearest(one), float(len(one.candidates))
                found |= {column.name: figure for column, figure in zip(self.columns[-2:], more, strict=True)}
        if found[self.columns[0].name] is None:
            raise NotJudgedError("both views are equal, or give no single row away: there is nothing to invert")
        return found

    def _view(self, erasure: Erasure, branches: Branches, row: Row) -> View | None:
        from simulator.audits.views import view

        before, after = _PAIRS[row]
        return view(self.adversary, erasure, branches.learned(before), branches[before], branches[after])


def _figures(one: View) -> list[float | None]:
    """Return the figures of what was recovered."""
    from server.audit.calibration import grand_mean
    from server.audit.intervals import wilson
    from server.audit.inversion import likeness

    near = likeness(one.found, one.truth, one.candidates)
    share, cosine = float(near.first.mean()), grand_mean(near.cosines[None], ("inversion",))
    ends = (cosine.low, cosine.high) if len(near.cosines) > 1 else (None, None)
    return [share, *wilson(share, len(near.first)), cosine.value, *ends, float(near.psnr.mean()), one.labels, float(len(one.truth))]


def _nearest(one: View) -> float:
    from server.audit.inversion import cosines

    middle: Floats = one.candidates.mean(axis=0)
    return float(cosines(one.found - middle, one.kept - middle).max(axis=1).mean())
