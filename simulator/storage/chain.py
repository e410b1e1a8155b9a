"""Hashes of a ledger: a chain over its rounds, then its audits, and hashes of all tables once the run is finished."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any

from simulator.storage import history
from simulator.storage.tables import CHAINED, ROUND_TABLES, described, quoted

SEAL = "finished"
"""Key, in the table meta of a finished run, of the hashes of all tables."""


def link(db: sqlite3.Connection, number: int, journal: str, previous: str) -> str:
    """Return the hash (SHA-256) of a round's rows in the tables, its journal's hash, and the previous round's hash."""
    content: dict[str, Any] = {}
    for table in (*ROUND_TABLES, *CHAINED):
        lines = _rows(db, f"select * from {table} where round = ? order by rowid", number)
        if lines or table not in CHAINED:
            content[table] = lines
    content |= history.changes(db, number)
    for edge in ("since", "until"):
        content[edge] = _rows(db, f"select holder, owner, version, sha256 from holdings where {edge} = ? order by 1, 2", number)
    return hashed(f"{previous}{journal}{_plain(content)}")


def audit_link(previous: str, name: str, body: str) -> str:
    """Return the hash of an audit's row and the previous hash, which for the first audit is that of the last round."""
    return hashed(_plain([previous, name, body]))


def last_link(db: sqlite3.Connection) -> str:
    """Return the hash of the last round; empty before the first."""
    row = db.execute("select chain from rounds order by round desc limit 1").fetchone()
    return "" if row is None else str(row[0])


def seal(db: sqlite3.Connection) -> dict[str, str]:
    """Return the hash of all rows of each table, by table, without the row of the seal itself."""
    tables = [name for kind, name in described(db) if kind == "table" and not name.startswith("sqlite_")]
    return {table: _table(db, table) for table in tables}


def _table(db: sqlite3.Connection, table: str) -> str:
    without = f"where key is not '{SEAL}'" if table == "meta" else ""
    digest = hashlib.sha256()
    for row in db.execute(f"select * from {quoted(table)} {without} order by rowid"):
        digest.update(_plain(row).encode() + b"\n")
    return digest.hexdigest()


def _rows(db: sqlite3.Connection, query: str, number: int) -> list[tuple[Any, ...]]:
    return db.execute(query, (number,)).fetchall()


def _plain(content: Any) -> str:
    """Return plain data as JSON; bytes, which no run writes into these columns, are encoded unlike any text."""
    return json.dumps(content, default=lambda value: {"bytes": value.hex()})


def hashed(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
