"""What a sweep shows while it plays: one bar for all of its runs, and what the runs under way are doing; elsewhere a line for each run."""

from __future__ import annotations

import threading
from pathlib import Path

from simulator.progress import Watch
from simulator.runs.run import Run
from simulator.runs.verdict import Verdict
from simulator.sweeps.design import Design, Planned
from simulator.sweeps.playing import Ended

BAR = 78
"""Characters that the bar, its count and its times take."""


class Progress:
    """Shows a sweep, and keeps how its runs have ended.

    Parameters
    ----------
    design : Design
    watch : Watch
        Shows it.
    """

    def __init__(self, design: Design, watch: Watch) -> None:
        self.ends: dict[str, tuple[Path | None, Ended]] = {}
        self._design = design
        self._doing: dict[str, str] = {}
        self._lock = threading.Lock()
        self._advance = watch.items(design.name, len(design.runs))
        self._room = watch.console.width - BAR

    def now(self, one: Planned, text: str) -> None:
        """Show what a run is doing."""
        with self._lock:
            self._doing[one.digest] = f"{one.label}: {text.removeprefix(f'{self._design.name}: ')}"
            self._advance(0, self._under_way(), "")

    def ended(self, one: Planned, folder: Path | None, end: Ended) -> None:
        """Show how a run has ended, and keep it."""
        with self._lock:
            self.ends[one.digest] = folder, end
            self._doing.pop(one.digest, None)
            status, why = end
            told = why if status or folder is None else Verdict.of(Run(folder).results).name
            number = f"{len(self.ends)} of {len(self._design.runs)}"
            self._advance(1, self._under_way(), f"{self._design.name}: run {number}: {one.label}: {told}")

    def _under_way(self) -> str:
        """Return what runs are doing, cut to what fits beside the bar."""
        text = "; ".join(self._doing.values())
        return text if len(text) <= self._room else text[: max(self._room - 1, 0)] + "\u2026"
