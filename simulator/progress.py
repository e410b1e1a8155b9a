"""Progress display of long work: bars in a terminal, one line per round elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from server.timeline import Round


class Watch:
    """A bar for each stage of a run: rounds done, what happens in them, time left. Without a terminal, one line per round, which in
    a notebook replaces the previous line.

    Parameters
    ----------
    console : Console, optional
        Where to draw; default: standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[event]}"),
        )
        self.bars = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self._line: Any = _cell_line() if console is None else None

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bars.stop()

    def stage(self, what: str, rounds: int, done: int) -> Callable[[Round | None], None]:
        """Begin a stage of ``rounds`` rounds and a final evaluation, ``done`` of which are complete; return a callback for each."""
        bar = self.bars.add_task(what, total=rounds + 1, completed=done, event="")

        def advance(now: Round | None) -> None:
            events = ", ".join(f"{one.do} {' '.join(map(str, one.peers))}" for one in now.happenings) if now else "final evaluation"
            self.bars.update(bar, advance=1, event=events, refresh=True)
            self._say(f"{what}: round {now.round} of {rounds}{': ' * bool(events)}{events}" if now else f"{what}: {events}")

        return advance

    def steps(self, what: str, total: int) -> Callable[[], None]:
        """Begin a stage of ``total`` steps; return a callback for each step."""
        bar = self.bars.add_task(what, total=total, event="")
        self._say(f"{what}: {total} steps")
        return lambda: self.bars.update(bar, advance=1)

    def loop(self, what: str, total: int) -> Callable[[int], None]:
        """Begin a loop of at most ``total`` items, whose bar goes when it ends; return a callback that takes how many are done.

        Without a bar, a line is printed for every tenth of the items, and none for a single one.
        """
        if total < 2:
            return lambda done: None
        bar, lines = self.bars.add_task(what, total=total, event=""), iter(range(-(-total // 10), total, -(-total // 10)))
        due = next(lines)

        def advance(done: int) -> None:
            nonlocal due
            self.bars.update(bar, completed=done)
            if done == total:
                self.bars.update(bar, visible=False)
            elif done == due:
                self._say(f"{what}: {done} of {total}")
                due = next(lines, total)

        return advance

    def items(self, what: str, total: int) -> Callable[[int, str, str], None]:
        """Begin a stage of ``total`` items; return a callback.

        It takes how many more are done, what is under way, and, for where no bar is drawn, a line, empty for none.
        """
        bar = self.bars.add_task(what, total=total, event="")

        def advance(count: int, now: str, line: str) -> None:
            self.bars.update(bar, advance=count, event=now)
            if line:
                self._say(line)

        return advance

    def _say(self, line: str) -> None:
        """Print a line if no bar is drawn."""
        if self._line is not None:
            self._line.update({"text/plain": line}, raw=True)
        elif self.bars.disable:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _cell_line() -> Any:
    """Return a line under a notebook's cell that can be replaced, None outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
