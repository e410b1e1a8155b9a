"""Progress bars for long work on a checkpoint, shown in terminals only."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bars:
    """One progress bar per stage, on standard error if that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        self.bars = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bars.stop()

    def stage(self, what: str, total: int, done: int = 0) -> Callable[[int], None]:
        """Begin a stage of ``total`` steps; return a function to call with the number of steps made."""
        bar = self.bars.add_task(what, total=total, completed=done)
        return lambda steps: self.bars.update(bar, advance=steps)
