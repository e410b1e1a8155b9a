"""Progress of long work on a checkpoint: bars in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


class Bars:
    """One progress bar per stage, on standard error; lines if that is no terminal, so that a log shows that work goes on."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        self.bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bars.stop()

    def stage(self, what: str, total: int, done: int = 0) -> Callable[[int], None]:
        """Begin a stage of ``total`` steps; return a function to call with the number of steps made."""
        bar = self.bars.add_task(what, total=total, completed=done)

        def advance(steps: int) -> None:
            self.bars.update(bar, advance=steps)
            if self.bars.disable and time.monotonic() - self._said >= EVERY:
                print(f"{what}: {self.bars.tasks[bar].completed:.0f} of {total}", file=sys.stderr, flush=True)
                self._said = time.monotonic()

        return advance
