"""Errors that are meant for the person at the keyboard."""

from __future__ import annotations

from collections.abc import Iterable


class LetheError(Exception):
    """Something the user can mend; the message is one line with place, value and cure. The command line exits with status 2."""


class ScenarioError(LetheError):
    """A scenario that cannot be; ``lines`` holds one line for each thing that is wrong, the message all of them."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))
