"""Errors that are shown to the user."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import ClassVar

_LONGEST = 2000


def one_line(text: str) -> str:
    """Return a text as one line for a terminal: control characters are escaped, very long text is cut."""
    plain = text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def short(text: str) -> str:
    """Return a text for a message, cut if it is long."""
    return text if len(text) < 100 else text[:97] + "..."


class LetheError(Exception):
    """An error that the user can fix; the message is one line with place, value and remedy. The command line exits with ``status``."""

    status: ClassVar[int] = 2

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ScenarioError(LetheError):
    """An invalid scenario; ``lines`` holds one line per error, the message all of them."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(map(one_line, lines))
        Exception.__init__(self, "\n".join(self.lines))


class StoppedError(LetheError):
    """Work stopped by its environment, which can be resumed: a full disk, an unreachable cluster, workers lost for good."""

    status: ClassVar[int] = 3


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def is_full(error: OSError) -> bool:
    """Return whether a write failed because of the device, not because of the user."""
    return error.errno in _FULL


def file_error(error: OSError, place: object) -> str:
    """Return a description of a file error with the file's name, or ``place`` if the system names none."""
    return f"{error.filename or place}: {error.strerror or error or type(error).__name__}"
