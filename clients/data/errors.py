"""The error for data that cannot be used."""

from __future__ import annotations

import re


def one_line(text: str) -> str:
    """Return a text with control characters, which names from files may contain, written as escapes."""
    return re.sub("[\x00-\x1f\x7f\x85\u2028\u2029]", lambda found: repr(found[0])[1:-1], text)


class DataError(ValueError):
    """Data that cannot be read or partitioned; the message is one line with place, value, and cure."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
