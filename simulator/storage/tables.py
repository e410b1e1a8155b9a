"""The tables of a run's ledger, and which of them the chain of hashes covers by round."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache

from simulator.storage import history, outcomes

_TABLES = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists rounds (round integer primary key, journal text not null, chain text not null);
create table if not exists events (round integer, do text, peers text, detail text);
create table if not exists metrics (round integer, peer integer, name text, value real);
create table if not exists timings (round integer, peer integer, name text, value real);
create table if not exists receipts (round integer, erasure integer, holder integer, owner integer, version integer, sha256 text);
create table if not exists owed (round integer, erasure integer, holder integer);
create table if not exists incidents (round integer, text text);
create table if not exists states (round integer, peer integer, generation integer, main text, seed text, version integer);
create table if not exists probabilities (round integer, peer integer, sha256 text);
create table if not exists models (round integer, name text, sha256 text);
create table if not exists findings (round integer, name text, body text);
create table if not exists holdings (holder integer, owner integer, version integer, sha256 text, since integer, until integer);
create table if not exists journal (id integer primary key check (id = 1), body text not null);
create table if not exists audits (name text primary key, body text not null, chain text not null);
"""

SCHEMA = _TABLES + outcomes.TABLE + history.TABLE

ROUND_TABLES = ("events", "metrics", "timings", "receipts", "owed", "incidents", "states", "probabilities")
"""Tables whose rows belong to the round that they name; the chain of hashes covers them, holdings and history."""

SERVER_TABLES = ("models", "findings")
"""The same for the models and findings of a server; omitted while empty, so that hashes of runs older than these tables stay the same."""

CHAINED = (*SERVER_TABLES, "outcomes")
"""Tables that the chain of hashes omits while they are empty."""

EDGES = ("round", "since", "until")
"""Columns with numbers of rounds."""


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns."""
    return [name for _, name, *_ in db.execute(f"pragma table_info({quoted(table)})")]


def described(db: sqlite3.Connection) -> dict[tuple[str, str], str | None]:
    """Return the SQL statement of every object in a database (table, index, view, trigger), by its type and name."""
    return {(kind, name): sql for kind, name, sql in db.execute("select type, name, sql from sqlite_master order by 1, 2")}


@cache
def own() -> Mapping[tuple[str, str], str | None]:
    """Return what `described` returns for an unchanged ledger."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        return described(db)


def quoted(name: str) -> str:
    """Return a name quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
