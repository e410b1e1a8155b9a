"""Errors that are meant for the person at the keyboard."""

from __future__ import annotations

import errno
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
    """Work that was stopped by what is around it, and can be taken up again: a full disk, a cluster out of reach, workers lost for good."""

    status: ClassVar[int] = 3


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def is_full(error: OSError) -> bool:
    """Return whether a device, not the user, is what keeps something from being written."""
    return error.errno in _FULL


def file_error(error: OSError, place: object) -> str:
    """Return in words what went wrong with a file, and which: ``place`` where the system does not say."""
    return f"{error.filename or place}: {error.strerror or error or type(error).__name__}"
