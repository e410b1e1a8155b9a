"""The ledger's table of outcomes: how each erasure was carried out."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from clients.unlearning.contract import COST_NOTE, Cost, Outcome
from server.ledger import OutcomeLine, RoundRecord

TABLE = """
create table if not exists outcomes (round integer, erasure integer, peer integer, guarantee text, gradient_steps integer, parts integer,
    certificate text, notes text, weights_before text, weights_after text);
"""


def insert(db: sqlite3.Connection, record: RoundRecord) -> None:
    """Write the outcomes of a round."""
    lines = [(record.round, *_row(line)) for line in record.outcomes]
    db.executemany(f"insert into outcomes values ({', '.join('?' * 10)})", lines)


def _row(line: OutcomeLine) -> tuple[Any, ...]:
    told = line.outcome
    certificate = None if told.certificate is None else json.dumps(told.certificate, sort_keys=True)
    weights = line.weights or (None, None)
    costs = told.cost.gradient_steps, told.cost.parts
    return line.erasure, line.peer, told.guarantee, *costs, certificate, json.dumps(told.notes), *weights


def read(db: sqlite3.Connection) -> dict[int, OutcomeLine]:
    """Return the outcome of every erasure that has been carried out, by its index in the timeline."""
    found = {}
    for erasure, peer, guarantee, steps, parts, certificate, notes, *weights in db.execute(
        "select erasure, peer, guarantee, gradient_steps, parts, certificate, notes, weights_before, weights_after from outcomes"
    ):
        told = Outcome(Cost(steps, parts), guarantee, None if certificate is None else json.loads(certificate), tuple(json.loads(notes)))
        found[erasure] = OutcomeLine(erasure, peer, told, None if weights[0] is None else (weights[0], weights[1]))
    return found


def findings(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the part of the outcomes that enters digests: certificates and notes, which plan, states and metrics do not determine.

    Costs, and notes on them, do not enter digests.
    """
    found = []
    columns = "round, erasure, peer, guarantee, certificate, notes"
    for *head, certificate, notes in db.execute(f"select {columns} from outcomes order by round, erasure, peer"):
        told = [note for note in json.loads(notes) if not note.startswith(COST_NOTE)]
        if certificate is not None or told:
            found.append((*head, certificate, json.dumps(told)))
    return found
