"""Digests speak of what an outcome claims and notes, not of what it cost."""

from __future__ import annotations

import sqlite3

from clients.unlearning.contract import Cost, Outcome
from server.ledger import OutcomeLine
from simulator.storage import outcomes


def findings(*notes: str, cost: Cost | None = None) -> str:
    db = sqlite3.connect(":memory:")
    db.executescript(outcomes.TABLE)
    row = outcomes._row(OutcomeLine(0, 3, Outcome(cost or Cost(), "exact", notes=notes), None))
    db.execute(f"insert into outcomes values ({', '.join('?' * 10)})", (1, *row))
    assert outcomes.read(db)[0].outcome.notes == notes, "all notes are kept"
    return repr(outcomes.findings(db))


def test_what_an_erasure_cost_has_no_part_in_digests() -> None:
    assert findings() == findings("cost: a refit") == findings(cost=Cost(parts=9)) == "[]"
    assert findings("cost: a refit", "budget half spent") == findings("budget half spent") != "[]"
