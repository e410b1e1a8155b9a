"""Rows of comparisons of methods, which the ledger keeps among its audits."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

PREFIX = "compare"
"""How the names of such rows begin: ``compare/0/finetune``, with the position of the table in the scenario."""


def key(table: int, row: str) -> str:
    """Return the name of a row."""
    return f"{PREFIX}/{table}/{row}"


def timeless(db: sqlite3.Connection) -> list[tuple[str, dict[str, Any]]]:
    """Return all rows in order, without seconds and texts, which have no part in digests."""
    query = f"select name, body from audits where name like '{PREFIX}/%' order by name"
    found = [(name, json.loads(body)) for name, body in db.execute(query)]
    return [(name, {key: value for key, value in body.items() if key not in ("seconds", "notes", "failed")}) for name, body in found]
