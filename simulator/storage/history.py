"""The ledger's table of what a server keeps: models and updates by round, with the rounds from and until which they are kept."""

from __future__ import annotations

import sqlite3
from typing import Any

from server.ledger import Kept, RoundRecord

TABLE = """
create table if not exists history (name text, peer integer, made integer, sha256 text, size integer, since integer, until integer);
"""
"""What is open, ``until`` being null, has its bytes among the artefacts; of what is closed only the hash stays."""


def kept(db: sqlite3.Connection) -> list[Kept]:
    """Return what is kept of all committed rounds, by round, name and peer."""
    query = "select name, peer, made, sha256, size from history where until is null order by made, name, peer"
    return [Kept(*row) for row in db.execute(query)]


def insert(db: sqlite3.Connection, record: RoundRecord) -> None:
    """Close and open the intervals in which something is kept, where a record changes them."""
    if record.history is None:
        return
    if record.rewritten is not None:  # also where a replay gave the same bytes again: they are others, made without the erased data
        db.execute("update history set until = ? where until is null and made >= ?", (record.round, record.rewritten))
    current = set(kept(db))
    ended = [(record.round, one.name, one.peer, one.made, one.sha256) for one in current.difference(record.history)]
    begun = [(*vars(one).values(), record.round, None) for one in record.history if one not in current]
    closing = "update history set until = ? where name = ? and peer = ? and made = ? and sha256 = ? and until is null"
    db.executemany(closing, ended)
    db.executemany("insert into history values (?, ?, ?, ?, ?, ?, ?)", begun)


def changes(db: sqlite3.Connection, number: int) -> dict[str, Any]:
    """Return what was opened and closed in a round, for the chain of hashes; nothing where nothing was."""
    found: dict[str, Any] = {}
    for edge in ("since", "until"):
        query = f"select name, peer, made, sha256 from history where {edge} = ? order by made, name, peer, sha256"
        if lines := db.execute(query, (number,)).fetchall():
            found[f"history {edge}"] = lines
    return found
