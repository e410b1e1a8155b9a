"""What is said where data cannot be used."""

from __future__ import annotations

import re


def one_line(text: str) -> str:
    """Return a text with line breaks and other control characters written as escapes: names from files may hold any."""
    return re.sub("[\x00-\x1f\x7f\x85\u2028\u2029]", lambda found: repr(found[0])[1:-1], text)


class DataError(ValueError):
    """Data that cannot be read or dealt out; the message is one line with place, value, and cure."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
