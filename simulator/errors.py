"""Errors that are meant for the person at the keyboard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

_LONGEST = 2000


def one_line(text: str) -> str:
    """Return a text as one line for a terminal: control characters as escapes, cut where it is very long."""
    plain = text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def short(text: str) -> str:
    """Return a text for a message, cut where it is long."""
    return text if len(text) < 100 else text[:97] + "..."


class LetheError(Exception):
    """Something the user can mend; the message is one line with place, value and cure. The command line exits with ``status``."""

    status: ClassVar[int] = 2

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ScenarioError(LetheError):
    """A scenario that cannot be; ``lines`` holds one line for each thing that is wrong, the message all of them."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(map(one_line, lines))
        Exception.__init__(self, "\n".join(self.lines))


class StoppedError(LetheError):
    """A run that was stopped by what is around it, and can be taken up again: a cluster out of reach, workers lost for good."""

    status: ClassVar[int] = 3
