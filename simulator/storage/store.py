"""The run store: an SQLite ledger with one transaction per round, and artefacts named by the hash of their bytes.

The order of writing lets a run be killed at any instant: first the artefacts (complete files, renamed into place), then one transaction
that references them, then the removal of all artefacts that are no longer referenced. The next process to open the run removes what a
killed one left.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clients import wire
from server.ledger import Kept, OutcomeLine, PeerState, RoundRecord
from server.mailbox import Mailbox
from simulator.errors import LetheError
from simulator.storage import chain, comparisons, history, outcomes
from simulator.storage.tables import SCHEMA, SERVER_TABLES

LAYOUT = "3"
"""Version of run directories (the ledger's tables, plan and results), increased when older ones can no longer be read."""

PASSING = "memory"
"""Name of the only model of which only the last version is kept."""


class RunStore:
    """The ledger and the artefacts of one run.

    Parameters
    ----------
    folder : path, optional
        The run directory; None keeps everything in memory, for runs that must leave no files.
    db : sqlite3.Connection, optional
        A ledger that is open for reading; see `simulator.storage.reading`.
    """

    def __init__(self, folder: Path | None = None, db: sqlite3.Connection | None = None) -> None:
        self.folder = folder
        self._memory: dict[str, bytes] = {}
        if db is not None:
            self.db = db
            return
        if folder is not None:
            (folder / "artefacts").mkdir(parents=True, exist_ok=True)
        # Flower runs server apps in a thread of its own, but only one thread at a time uses the store
        where = ":memory:" if folder is None else folder / "run.sqlite"
        self.db = sqlite3.connect(where, isolation_level=None, timeout=30, check_same_thread=False)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = normal")
        self.db.execute("pragma secure_delete = on")  # the bytes of a deleted or replaced row are overwritten, not only unlinked
        self.db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the database, which removes its side files."""
        self.db.close()

    # meta and audits ---------------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """Return the value of a key, or None."""
        row = self.db.execute("select value from meta where key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Set the value of a key."""
        self.db.execute("insert or replace into meta values (?, ?)", (key, value))

    def audit(self, name: str) -> Any:
        """Return a finished audit's result, None if it is not finished."""
        row = self.db.execute("select body from audits where name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_audit(self, name: str, result: Any) -> None:
        """Append a finished audit's result; a repeated one is not written again.

        ``LetheError`` if the result differs from the one that was written before.
        """
        body = json.dumps(result, sort_keys=True)
        if known := self.rows("select body from audits where name = ?", (name,)):
            if known != [(body,)]:
                raise LetheError(f"run.sqlite: audit {name} came out otherwise than before the run was interrupted: run the scenario again")
            return
        last = self.rows("select chain from audits order by rowid desc limit 1")
        previous = last[0][0] if last else chain.last_link(self.db)
        self.db.execute("insert into audits values (?, ?, ?)", (name, body, chain.audit_link(previous, name, body)))

    @property
    def finished(self) -> bool:
        """Whether all rounds and audits are written."""
        return bool(self.meta(chain.SEAL))

    def finish(self) -> None:
        """Mark the run as finished, with the hashes of all tables."""
        self.set_meta(chain.SEAL, json.dumps(chain.seal(self.db)))

    # the Ledger protocol -----------------------------------------------------------------------------------------------------

    def last_round(self) -> int:
        """Return the last committed round, 0 before the first."""
        return int(self.db.execute("select coalesce(max(round), 0) from rounds").fetchone()[0])

    def states(self) -> dict[int, PeerState]:
        """Return the last committed state of every peer that has one and was not erased."""
        return {int(peer): PeerState(*state) for peer, state in self._journal().get("states", {}).items()}

    def mailbox(self) -> Mailbox:
        """Return the mailbox after the last committed round."""
        return Mailbox.model_validate(self._journal().get("mailbox", {}))

    def model(self, name: str, round_: int | None = None) -> str | None:
        """Return the hash of the model that the server keeps under a name from a round, by default the last one; None if none."""
        if self.rows("select 1 from history where name = ? limit 1", (name,)):  # of these, a replay may have left none
            query = "select sha256 from history where name = ? and made = coalesce(?, made) and until is null order by made desc limit 1"
            rows = self.rows(query, (name, round_))
            return str(rows[0][0]) if rows else None
        where = "name = ?" if round_ is None else "name = ? and round = ?"
        values = (name,) if round_ is None else (name, round_)
        rows = self.rows(f"select sha256 from models where {where} order by round desc limit 1", values)
        return str(rows[0][0]) if rows else None

    def history(self) -> list[Kept]:
        """Return what the server keeps of all committed rounds, sorted by round, name and peer."""
        return history.kept(self.db)

    def findings(self, name: str) -> list[dict[str, Any]]:
        """Return what the server measured under a name in all committed rounds, oldest first."""
        return [json.loads(body) for (body,) in self.rows("select body from findings where name = ? order by rowid", (name,))]

    def outcomes(self) -> dict[int, OutcomeLine]:
        """Return the outcome of every erasure that has been carried out, by its index in the timeline."""
        return outcomes.read(self.db)

    def artefact(self, sha256: str) -> bytes:
        """Return an artefact's bytes; ``LetheError`` if they are missing or have another hash."""
        if self.folder is None:
            return self._memory[sha256]
        path = self._path(sha256)
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            raise LetheError(f"{path}: missing, though the ledger points to it; the run directory was changed from outside") from None
        if wire.sha256(blob) != sha256:
            raise LetheError(f"{path}: its bytes have another hash than its name; the run directory was changed from outside")
        return blob

    def size(self, sha256: str) -> int | None:
        """Return an artefact's size in bytes; None if it is not there."""
        if self.folder is None:
            return len(self._memory[sha256]) if sha256 in self._memory else None
        path = self._path(sha256)
        return path.stat().st_size if path.exists() else None

    def commit(self, record: RoundRecord) -> None:
        """Write a round record atomically, then remove the artefacts that it made obsolete."""
        for sha256, blob in record.artefacts.items():
            self._write(sha256, blob)
        states = {peer: list(vars(state).values()) for peer, state in sorted(record.states.items())}
        journal = json.dumps({"states": states, "mailbox": record.mailbox}, sort_keys=True)
        self.db.execute("begin immediate")
        try:
            self._insert(record)
            self._insert_holdings(record)
            outcomes.insert(self.db, record)
            history.insert(self.db, record)
            self.db.execute("insert or replace into journal values (1, ?)", (journal,))
            link = chain.hashed(journal)
            here = self.link(record.round, link, chain.last_link(self.db))
            self.db.execute("insert into rounds values (?, ?, ?)", (record.round, link, here))
            self.db.execute("commit")
        except BaseException:
            if self.db.in_transaction:  # an interrupt may come just after the commit
                self.db.execute("rollback")
            raise
        self.sweep()

    def copied(self) -> RunStore:
        """Return a copy, in memory, of a store that is kept in memory."""
        other = RunStore()
        self.db.backup(other.db)
        other._memory = dict(self._memory)
        return other

    # reading -----------------------------------------------------------------------------------------------------------------

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.db.execute(query, tuple(values)).fetchall()

    def link(self, number: int, journal: str, previous: str) -> str:
        """Return the hash of a round's rows in the tables, its journal's hash, and the previous round's hash."""
        return chain.link(self.db, number, journal, previous)

    def digest(self) -> str:
        """Return the hash of final states, receipts, metrics, final predictions, the server's models and comparisons of methods; equal on
        every engine.
        """
        content = {
            "states": {peer: list(vars(state).values()) for peer, state in sorted(self.states().items())},
            "receipts": self.rows("select * from receipts order by round, erasure, holder, owner"),
            "metrics": self.rows("select * from metrics order by round, peer, name"),
            "probabilities": self.rows("select * from probabilities order by round, peer"),
        }
        for table in SERVER_TABLES:
            if lines := self.rows(f"select * from {table} order by round, name, rowid"):
                content[table] = lines
        if lines := outcomes.findings(self.db):
            content["outcomes"] = lines
        if lines := comparisons.timeless(self.db):
            content["comparisons"] = lines
        return chain.hashed(json.dumps(content, sort_keys=True))

    def alive(self) -> set[str]:
        """Return the hashes of all artefacts that the journal references, and of the models that the server keeps."""
        states = self.states().values()
        mailbox = self.mailbox()
        parcels = [*mailbox.newest.values(), *mailbox.coming, *(p for seeds in mailbox.held.values() for p in seeds.values())]
        final = {sha256 for (sha256,) in self.rows("select sha256 from probabilities")}
        kept = {sha256 for (sha256,) in self.rows("select sha256 from history where until is null")}
        apart = "name not in (select name from history)"  # of these, the history determines which are kept
        kept |= {sha256 for (sha256,) in self.rows(f"select sha256 from models where name != ? and {apart}", (PASSING,))}
        last = f"select sha256 from models where name = ? and {apart} order by round desc limit 1"
        kept |= {sha256 for (sha256,) in self.rows(last, (PASSING,))}
        held = {hash_ for state in states for hash_ in (state.main, state.seed)} | {parcel.sha256 for parcel in parcels}
        return held | final | kept

    def on_disk(self) -> set[str]:
        """Return the names, without suffix, of all artefact files, complete or not."""
        if self.folder is None:
            return set(self._memory)
        return {path.name.removesuffix(".safetensors") for path in (self.folder / "artefacts").iterdir()}

    def sweep(self) -> None:
        """Remove every artefact that the ledger does not reference."""
        for name in self.on_disk() - self.alive():
            if self.folder is None:
                del self._memory[name]
            else:
                self._path(name).unlink(missing_ok=True)
                (self.folder / "artefacts" / name).unlink(missing_ok=True)

    # writing -----------------------------------------------------------------------------------------------------------------

    def _insert(self, record: RoundRecord) -> None:
        now = record.round
        states = self._journal().get("states", {})
        moved = [(peer, state) for peer, state in sorted(record.states.items()) if states.get(str(peer)) != list(vars(state).values())]
        many: Mapping[str, list[tuple[Any, ...]]] = {
            "events": [(now, do, json.dumps(peers), detail) for do, peers, detail in record.events],
            "metrics": [(now, *line) for line in record.metrics],
            "timings": [(now, *line) for line in record.timings],
            "receipts": [(now, *vars(line).values()) for line in record.receipts],
            "owed": [(now, *line) for line in record.owed],
            "incidents": [(now, line) for line in record.incidents],
            "states": [(now, peer, *vars(state).values()) for peer, state in moved],
            "probabilities": [(now, *line) for line in sorted(record.probabilities.items())],
            "models": [(now, *line) for line in sorted(record.models.items())],
            "findings": [(now, name, json.dumps(body, sort_keys=True)) for name, body in record.findings],
        }
        for table, lines in many.items():
            if lines:
                marks = ", ".join("?" * len(lines[0]))
                self.db.executemany(f"insert into {table} values ({marks})", lines)

    def _insert_holdings(self, record: RoundRecord) -> None:
        """Close and open rows of the seeds' holdings where they changed."""
        current = {(h, o): (v, s) for h, o, v, s in self.rows("select holder, owner, version, sha256 from holdings where until is null")}
        wanted = {
            (holder, owner): (parcel["version"], parcel["sha256"])
            for holder, seeds in record.mailbox["held"].items()
            for owner, parcel in seeds.items()
        }
        ended = [(record.round, *pair) for pair, seed in current.items() if wanted.get(pair) != seed]
        begun = [(*pair, *seed, record.round, None) for pair, seed in wanted.items() if current.get(pair) != seed]
        self.db.executemany("update holdings set until = ? where holder = ? and owner = ? and until is null", ended)
        self.db.executemany("insert into holdings values (?, ?, ?, ?, ?, ?)", begun)

    def _journal(self) -> dict[str, Any]:
        row = self.db.execute("select body from journal").fetchone()
        return {} if row is None else dict(json.loads(row[0]))

    def _path(self, sha256: str) -> Path:
        assert self.folder is not None
        return self.folder / "artefacts" / f"{sha256}.safetensors"

    def _write(self, sha256: str, blob: bytes) -> None:
        if self.folder is None:
            self._memory[sha256] = blob
            return
        path = self._path(sha256)
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            unfinished.write_bytes(blob)
            os.replace(unfinished, path)  # noqa: PTH105  atomic on one file system, unlike a write in place
