"""Descriptions of a table's keys, read from docstrings, for the JSON schema of scenario files and editors that use it."""

from __future__ import annotations

import inspect
import re
from typing import Any

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\S[^\n]*)\n((?:[ ]+[^\n]*\n|\n)+)", re.MULTILINE)


def keys_described(table: type[Any]) -> dict[str, str]:
    """Return each key's description, in one line, from *Parameters* in the docstrings of a class and its bases; subclasses win."""
    found: dict[str, str] = {}
    for kind in reversed(table.__mro__):
        section = _PARAMETERS.search(inspect.cleandoc(kind.__dict__.get("__doc__") or "") + "\n")
        for names, text in _ENTRY.findall(section[1]) if section else ():
            found.update({name.strip(): _plain(text) for name in names.partition(" : ")[0].split(",")})
    return found


def summary(table: type[Any]) -> str:
    """Return the docstring of a class without its sections."""
    return _plain(re.split(r"\n\w[^\n]*\n-{3,}\n", inspect.cleandoc(table.__doc__ or ""))[0])


def _plain(text: str) -> str:
    """Return the text in one line, without backticks."""
    return " ".join(text.split()).replace("``", "")
