"""What docstrings say of a table's keys, for the JSON schema of scenario files and the editors that read it."""

from __future__ import annotations

import inspect
import re
from typing import Any

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\S[^\n]*)\n((?:[ ]+[^\n]*\n|\n)+)", re.MULTILINE)


def keys_described(table: type[Any]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each key under *Parameters*, in one line; nearer classes count first."""
    found: dict[str, str] = {}
    for kind in reversed(table.__mro__):
        section = _PARAMETERS.search(inspect.cleandoc(kind.__dict__.get("__doc__") or "") + "\n")
        for names, text in _ENTRY.findall(section[1]) if section else ():
            found.update({name.strip(): _plain(text) for name in names.partition(" : ")[0].split(",")})
    return found


def summary(table: type[Any]) -> str:
    """Return what the docstring of a class says of it, without the sections on parts of it."""
    return _plain(re.split(r"\n\w[^\n]*\n-{3,}\n", inspect.cleandoc(table.__doc__ or ""))[0])


def _plain(text: str) -> str:
    """Return text in one line, without marks for code."""
    return " ".join(text.split()).replace("``", "")
