from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from server.ledger import PeerState, ReceiptLine, RoundRecord
from server.mailbox import MailboxState, Parcel
from simulator.errors import LetheError
from simulator.storage.store import RunStore


def blob(value: float) -> tuple[str, bytes]:
    data = wire.to_bytes({"w": np.full(3, value)})
    return wire.sha256(data), data


def record(number: int, value: float, post: MailboxState | None = None) -> RoundRecord:
    (main, main_bytes), (seed, seed_bytes) = blob(value), blob(value + 0.5)
    return RoundRecord(
        number,
        events=[("leave", (4,), "erase")],
        metrics=[(0, "accuracy.global.main", value)],
        timings=[(-1, "round", 0.1)],
        receipts=[ReceiptLine(0, 1, 4, 2, "abc")],
        states={0: PeerState(0, main, seed, number)},
        artefacts={main: main_bytes, seed: seed_bytes},
        mailbox=(post or MailboxState()).snapshot(),
    )


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "run" if request.param == "disk" else None)


def test_only_the_last_state_is_kept(store: RunStore) -> None:
    for number in (1, 2, 3):
        store.commit(record(number, float(number)))
    assert store.last_round() == 3
    assert store.on_disk() == {blob(3.0)[0], blob(3.5)[0]}
    assert store.states()[0].version == 3
    assert store.artefact(blob(3.0)[0]) == blob(3.0)[1]


def test_the_digest_leaves_timings_out_and_nothing_else(store: RunStore) -> None:
    store.commit(record(1, 1.0))
    digest = store.digest()
    store.db.execute("update timings set value = 9")
    assert store.digest() == digest
    for change in ("update metrics set value = 0.9999999", "update receipts set sha256 = 'abd'", "delete from receipts"):
        store.db.execute("begin")
        store.db.execute(change)
        assert store.digest() != digest
        store.db.execute("rollback")


@pytest.mark.parametrize("table", ["events", "metrics", "timings", "receipts", "states"])
def test_the_chain_notices_any_changed_row(store: RunStore, table: str) -> None:
    store.commit(record(1, 1.0))
    ((journal, chain),) = store.rows("select journal, chain from rounds")
    assert store.link(1, journal, "") == chain
    store.db.execute(f"delete from {table}")
    assert store.link(1, journal, "") != chain


def test_a_failed_commit_changes_nothing(store: RunStore) -> None:
    store.commit(record(1, 1.0))
    digest = store.digest()
    broken = record(2, 2.0)
    broken.metrics.append((0, "m", object()))  # type: ignore[arg-type]
    with pytest.raises(Exception, match="type 'object' is not supported"):
        store.commit(broken)
    assert store.last_round() == 1
    assert store.digest() == digest
    store.sweep()
    assert store.on_disk() == {blob(1.0)[0], blob(1.5)[0]}


@pytest.mark.parametrize(("word", "written"), [("begin immediate", 1), ("insert into rounds", 1), ("commit", 2)])
def test_ctrl_c_at_any_place_of_a_commit_is_heard_and_leaves_a_whole_ledger(store: RunStore, word: str, written: int) -> None:
    class Interrupted:
        """The connection, but Ctrl-C comes as soon as a statement has been carried out."""

        def __getattr__(self, name: str) -> Any:
            return getattr(db, name)

        def execute(self, statement: str, *values: Any) -> Any:
            found = db.execute(statement, *values)
            if statement.startswith(word):
                raise KeyboardInterrupt
            return found

    store.commit(record(1, 1.0))
    db = store.db
    store.db = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        store.commit(record(2, 2.0))
    store.db = db
    if db.in_transaction:  # what the end of the process does
        db.execute("rollback")
    assert store.last_round() == written
    assert store.artefact(blob(float(written))[0])


def test_opening_again_finds_everything_and_sweeps_what_a_killed_process_left(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    post = MailboxState()
    post.post(Parcel(owner=0, generation=0, version=1, sha256=blob(1.5)[0], size=3, arrives=2))
    store.commit(record(1, 1.0, post))
    digest = store.digest()
    store.close()
    (tmp_path / "artefacts" / "0123.unfinished").write_bytes(b"half")
    (tmp_path / "artefacts" / f"{'0' * 64}.safetensors").write_bytes(b"written, never committed")
    again = RunStore(tmp_path)
    again.sweep()
    assert again.digest() == digest
    assert again.mailbox().coming[0].sha256 == blob(1.5)[0]
    assert again.on_disk() == {blob(1.0)[0], blob(1.5)[0]}


def test_a_changed_artefact_is_refused(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.commit(record(1, 1.0))
    path = tmp_path / "artefacts" / f"{blob(1.0)[0]}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(LetheError, match="another hash"):
        store.artefact(blob(1.0)[0])
    path.unlink()
    with pytest.raises(LetheError, match="missing"):
        store.artefact(blob(1.0)[0])


def test_holdings_are_kept_as_intervals(store: RunStore) -> None:
    post = MailboxState()
    first = Parcel(owner=1, generation=0, version=1, sha256="a", size=3, arrives=1)
    post.confirm(0, [], [first])
    store.commit(record(1, 1.0, post))
    post.confirm(0, [], [first.model_copy(update={"version": 2, "sha256": "b"})])
    store.commit(record(2, 2.0, post))
    post.confirm(0, [1], [])
    store.commit(record(3, 3.0, post))
    assert store.rows("select version, sha256, since, until from holdings order by since") == [(1, "a", 1, 2), (2, "b", 2, 3)]


@pytest.mark.parametrize("wiped", [True, False])
def test_what_is_deleted_or_replaced_is_overwritten_on_disk(tmp_path: Path, wiped: bool) -> None:
    store = RunStore(tmp_path / "run")
    if not wiped:  # the negative control: without the setting it can be read in the file
        store.db.execute("pragma secure_delete = off")
    secret = "never-to-be-read-again-" * 400
    store.set_meta("note", secret)
    store.db.execute("insert into events values (1, 'delete', '[]', ?)", (secret,))
    store.set_meta("note", "gone")
    store.db.execute("delete from events")
    store.close()
    assert (b"never-to-be-read-again" in (tmp_path / "run" / "run.sqlite").read_bytes()) is not wiped
