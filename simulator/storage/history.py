"""The ledger's table of a server's history: models and updates by round, with the rounds since and until which they are kept."""

from __future__ import annotations

import sqlite3
from typing import Any

from server.ledger import Kept, RoundRecord

TABLE = """
create table if not exists history (name text, peer integer, made integer, sha256 text, size integer, since integer, until integer);
"""
"""An open row, whose ``until`` is null, has its bytes among the artefacts; of a closed one only the hash remains."""


def kept(db: sqlite3.Connection) -> list[Kept]:
    """Return what is kept of all committed rounds, sorted by round, name and peer."""
    query = "select name, peer, made, sha256, size from history where until is null order by made, name, peer"
    return [Kept(*row) for row in db.execute(query)]


def insert(db: sqlite3.Connection, record: RoundRecord) -> None:
    """Close and open rows as a round record requires."""
    if record.history is None:
        return
    if record.rewritten is not None:  # even if a replay gave the same bytes, because these were made without the erased data
        db.execute("update history set until = ? where until is null and made >= ?", (record.round, record.rewritten))
    current = set(kept(db))
    ended = [(record.round, one.name, one.peer, one.made, one.sha256) for one in current.difference(record.history)]
    begun = [(*vars(one).values(), record.round, None) for one in record.history if one not in current]
    closing = "update history set until = ? where name = ? and peer = ? and made = ? and sha256 = ? and until is null"
    db.executemany(closing, ended)
    db.executemany("insert into history values (?, ?, ?, ?, ?, ?, ?)", begun)


def changes(db: sqlite3.Connection, number: int) -> dict[str, Any]:
    """Return the rows opened and closed in a round, for the chain of hashes; empty if there are none."""
    found: dict[str, Any] = {}
    for edge in ("since", "until"):
        query = f"select name, peer, made, sha256 from history where {edge} = ? order by made, name, peer, sha256"
        if lines := db.execute(query, (number,)).fetchall():
            found[f"history {edge}"] = lines
    return found
