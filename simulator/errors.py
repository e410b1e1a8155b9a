"""Errors that are meant for the person at the keyboard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class LetheError(Exception):
    """Something the user can mend; the message is one line with place, value and cure. The command line exits with ``status``."""

    status: ClassVar[int] = 2


class ScenarioError(LetheError):
    """A scenario that cannot be; ``lines`` holds one line for each thing that is wrong, the message all of them."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class StoppedError(LetheError):
    """A run that was stopped by what is around it, and can be taken up again: a cluster out of reach, workers lost for good."""

    status: ClassVar[int] = 3
