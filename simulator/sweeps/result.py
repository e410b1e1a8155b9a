"""What came of a sweep: its runs, its table, its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.runs.run import Run
from simulator.runs.verdict import Verdict
from simulator.sweeps.design import Design, Planned
from simulator.sweeps.estimates import Line, lines
from simulator.sweeps.measures import Measure, measures
from simulator.sweeps.tables import frame
from simulator.sweeps.verdict import of_all

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Played:
    """A run of a sweep: ``run`` where it is finished; if not, ``why``, with the exit ``status`` that it comes to, and ``run`` is None."""

    planned: Planned
    run: Run | None
    status: int = 0
    why: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """What became of it; None if it is not finished."""
        return None if self.run is None else Verdict.of(self.run.results)


class Sweep:
    """Many runs of one scenario and what came of them.

    Parameters
    ----------
    folder : path
        Its directory: ``runs``, ``table.csv``, ``table.tex``, ``report.html``.
    design : Design
    played : sequence of Played
        Its runs, in the order of the design.
    """

    def __init__(self, folder: Path, design: Design, played: Sequence[Played]) -> None:
        self.folder, self.design, self.played = folder, design, tuple(played)

    def __repr__(self) -> str:
        return f"Sweep({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows of it."""
        return str(self.table.to_html(index=False, na_rep=""))

    @property
    def runs(self) -> list[Run]:
        """The finished runs."""
        return [one.run for one in self.played if one.run is not None]

    @property
    def stopped(self) -> dict[str, str]:
        """Why runs are not finished, by what is varied and seed."""
        return {one.planned.label: one.why for one in self.played if one.run is None}

    @property
    def status(self) -> int:
        """The worst, that is highest, exit status of its runs: 0 where all are proven or measured."""
        return max(one.status or int(one.verdict is not None and not one.verdict.holds) for one in self.played)

    @cached_property
    def verdict(self) -> Verdict:
        """The worst verdict of its runs, and why; not better than measured where some are not finished."""
        return of_all({one.planned.label: one.verdict for one in self.played})

    @cached_property
    def measured(self) -> list[dict[Measure, float] | None]:
        """What each run measured; None where it is not finished."""
        return [None if one.run is None else measures(one.run) for one in self.played]

    @cached_property
    def lines(self) -> list[Line]:
        """The table, line by line."""
        return lines(self.design, self.measured)

    @property
    def table(self) -> pd.DataFrame:
        """The content of ``table.csv``: a row for each measure and variant, with n, mean, interval, and the difference to the first."""
        return frame(self.design, self.lines)

    @property
    def values(self) -> pd.DataFrame:
        """A row for each finished run: what is varied, ``seed``, ``verdict``, ``digest``, and its figures by their names."""
        import pandas as pd

        rows = []
        for one, found in zip(self.played, self.measured, strict=True):
            if one.run is not None and one.verdict is not None and found is not None:
                row: dict[str, Any] = self.design.variants[one.planned.variant].cells
                row |= {"seed": one.planned.seed, "verdict": one.verdict.name, "digest": one.run.digest}
                rows.append(row | {measure.name: value for measure, value in found.items()})
        return pd.DataFrame(rows)
