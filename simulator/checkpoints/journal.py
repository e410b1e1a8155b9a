"""Journal of an unfinished output: an SQLite file next to it, with one transaction per layer group."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path


class Journal:
    """Values by kind and name, durable once ``keep`` returns."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path)
        with self._base:
            self._base.execute("CREATE TABLE IF NOT EXISTS kept (kind TEXT, name TEXT, value BLOB, PRIMARY KEY (kind, name))")

    def keep(self, kind: str, values: Mapping[str, str | bytes]) -> None:
        """Store all values in one transaction."""
        with self._base:
            self._base.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", [(kind, n, v) for n, v in values.items()])

    def of(self, kind: str) -> dict[str, str | bytes]:
        """Return the values of a kind, sorted by name."""
        return dict(self._base.execute("SELECT name, value FROM kept WHERE kind = ? ORDER BY name", (kind,)))

    def close(self) -> None:
        """Close the database."""
        self._base.close()
