"""The progress of one run among many, told to whoever shows them together."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from simulator.progress import Watch

Tell = Callable[[str], None]
"""Takes what a run is doing now, in one line."""


class Relay(Watch):
    """Draws nothing, and hands each line on.

    Parameters
    ----------
    tell : callable
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__(Console(file=io.StringIO(), force_terminal=False))
        self.tell = tell

    def _say(self, line: str) -> None:
        self.tell(line)
