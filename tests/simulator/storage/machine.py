"""A federation without learning, as a state machine: members come and go, seeds travel, rounds are committed, processes die."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from clients import wire
from clients.corrections import Correction
from server.ledger import PeerState, ReceiptLine, RoundRecord
from server.mailbox import MailboxState, Parcel
from server.membership import Membership, MembershipError
from simulator.storage.store import RunStore

PEERS = 5
HAPPENINGS = (
    *("join", "go_offline", "rejoin", "leave", "leave_erased", "erase", "refuse", "crash", "straggle"),
    *("delete", "arrive", "correct"),
)
EVENTS = st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, PEERS - 1), st.integers(0, 3)), max_size=4)
"""What happens in a round: what, to whom, and for how long, or to which row."""

DEATHS = ("first artefact", "last artefact", "begin immediate", "insert or replace into journal", "insert into rounds", "commit")
"""Where a process can die in a commit: once this is done."""


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class Model:
    """What must be true of a federation, kept by hand: all that a killed process takes up again is a copy from the last commit."""

    membership: Membership
    states: dict[int, PeerState] = field(default_factory=dict)
    erased: dict[int, int] = field(default_factory=dict)
    """The last erased generation of a peer."""
    unconfirmed: set[tuple[int, int]] = field(default_factory=set)
    """Pairs of a holder and an owner whose erased seed it held and has not had the occasion to drop."""
    rows: dict[int, set[int]] = field(default_factory=dict)
    """What a peer has yet to forget."""
    new_rows: dict[int, set[int]] = field(default_factory=dict)
    """What has reached a peer that it has yet to take in."""
    wrong: dict[int, list[int]] = field(default_factory=dict)
    """Rows that a peer has yet to correct, in the order of the requests."""
    refusing: set[int] = field(default_factory=set)
    requests: int = 0


class Federation(RuleBasedStateMachine):
    """Rules are what can happen to a federation; classes of its parts may be replaced by faulty ones."""

    members: ClassVar[type[Membership]] = Membership
    mailboxes: ClassVar[type[MailboxState]] = MailboxState
    stores: ClassVar[type[RunStore]] = RunStore
    kept: ClassVar[bool] = False
    """Whether the run is on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.folders = [Path(tempfile.mkdtemp())] if self.kept else []
        self.store = self.stores(self.folders[-1] if self.kept else None)
        self.model = Model(self.members(PEERS, outside=[PEERS - 1]))
        self.mailbox = self.mailboxes()
        self.committed = copy.deepcopy(self.model)
        self.begin()

    def begin(self) -> None:
        """Open the round after the last committed one."""
        self.leaving: list[int] = []
        self.crashing: set[int] = set()
        self.deletions: list[tuple[int, int]] = []
        self.arrivals: list[tuple[int, int]] = []
        self.corrections: list[tuple[int, int]] = []
        self.late: dict[int, int] = {}
        self.model.membership.open_round(self.store.last_round() + 1)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.store.close()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    # events ------------------------------------------------------------------------------------------------------------------

    def change(self, act: Callable[[Membership], Any]) -> Any:
        """Carry out a change of membership; one that is refused changes nothing."""
        before = copy.deepcopy(vars(self.model.membership))
        try:
            return act(self.model.membership)
        except MembershipError:
            assert vars(self.model.membership) == before
            return None

    def happen(self, events: list[tuple[str, int, int]]) -> None:
        """Let everything happen that a round brings, in order."""
        for name, peer, number in events:
            getattr(self, name)(peer, number)

    def join(self, peer: int, _: int) -> None:
        self.change(lambda membership: membership.join(peer))

    def go_offline(self, peer: int, number: int) -> None:
        self.change(lambda membership: membership.offline(peer, number or None))

    def rejoin(self, peer: int, _: int) -> None:
        erased = self.model.membership[peer] == "erased"
        before = self.model.membership.generation(peer)
        if (anew := self.change(lambda membership: membership.rejoin(peer))) is not None:
            assert anew == erased
            assert self.model.membership.generation(peer) == before + erased, "who comes back after an erasure is another"

    def leave(self, peer: int, _: int) -> None:
        self.change(lambda membership: membership.leave(peer, erase=False))

    def leave_erased(self, peer: int, _: int) -> None:
        self.erased(peer, lambda membership: membership.leave(peer, erase=True))

    def erase(self, peer: int, _: int) -> None:
        self.erased(peer, lambda membership: membership.erase(peer))

    def erased(self, peer: int, act: Callable[[Membership], None]) -> None:
        before = self.model.membership[peer]
        self.change(act)
        if before != "erased" and self.model.membership[peer] == "erased":
            self.leaving.append(peer)

    def refuse(self, peer: int, _: int) -> None:
        self.model.refusing.add(peer)

    def crash(self, peer: int, _: int) -> None:
        self.crashing.add(peer)

    def straggle(self, peer: int, number: int) -> None:
        self.late[peer] = number

    def delete(self, peer: int, number: int) -> None:
        self.deletions.append((peer, number))

    def arrive(self, peer: int, number: int) -> None:
        self.arrivals.append((peer, number))

    def correct(self, peer: int, number: int) -> None:
        self.corrections.append((peer, number))

    # rounds ------------------------------------------------------------------------------------------------------------------

    @rule(events=EVENTS)
    def play(self, events: list[tuple[str, int, int]]) -> None:
        """Play a round to its end."""
        self.store.commit(self.played(events))
        self.committed = copy.deepcopy(self.model)
        self.begin()

    @rule(events=EVENTS, death=st.sampled_from(DEATHS))
    def die(self, events: list[tuple[str, int, int]], death: str) -> None:
        """Play a round, die somewhere in its commit, and take the run up from what lies in the ledger."""
        record = self.played(events)
        with suppress(KilledError):
            with_death(self, death).commit(record)
        if death == "commit":
            self.committed = copy.deepcopy(self.model)
        self.take_up()
        assert self.store.last_round() == record.round - (death != "commit")

    @rule()
    def take_up(self) -> None:
        """Let another process open the run where its ledger ends."""
        if self.kept:
            self.store.close()
            self.store = self.stores(self.folders[-1])
        elif self.store.db.in_transaction:  # what the end of a process does
            self.store.db.execute("rollback")
        self.store.sweep()
        self.model = copy.deepcopy(self.committed)
        self.mailbox = self.mailboxes(self.store.mailbox())
        self.begin()

    def played(self, events: list[tuple[str, int, int]]) -> RoundRecord:
        """Do what the server does in a round; return its record."""
        self.happen(events)
        membership = self.model.membership
        record = RoundRecord(membership.round, events=[(name, (peer,), "") for name, peer, _ in events])
        self.withdraw(record)
        self.mailbox.open(membership.round)
        circle = membership.members()
        near = {peer: {circle[i - 1], circle[(i + 1) % len(circle)]} - {peer} for i, peer in enumerate(circle)}
        mail = {peer: self.mailbox.deliveries(peer, near[peer]) for peer in membership.online()}
        drops = {peer: self.mailbox.drops(peer, near[peer]) for peer in membership.online()}
        for peer in membership.online():
            if peer not in self.crashing:
                self.answer(peer, mail[peer], [] if peer in self.model.refusing else drops[peer], record)
                self.post(peer, membership.round + 1 + self.late.get(peer, 0), record)
        record.states = dict(self.model.states)
        record.mailbox = self.mailbox.snapshot()
        return record

    def withdraw(self, record: RoundRecord) -> None:
        """Take out of circulation who is to be erased."""
        membership = self.model.membership
        for gone in sorted(set(self.mailbox.held) - set(membership.members())):
            self.forget(gone)
        for peer in self.leaving:
            self.model.states.pop(peer, None)
            self.forget(peer)
            self.done(peer)
        for peer, row in self.deletions:
            if peer in membership.members():
                self.model.rows.setdefault(peer, set()).add(row)
                self.mailbox.requests.setdefault(peer, set()).add(row)
        for peer, row in self.arrivals:
            if peer in membership.members():
                self.model.new_rows.setdefault(peer, set()).add(row)
                self.mailbox.arrivals.setdefault(peer, set()).add(row)
        for peer, row in self.corrections:
            if peer in membership.members():
                self.model.wrong.setdefault(peer, []).append(row)
                self.mailbox.corrections.setdefault(peer, []).append(Correction(rows=(row,), label=1))
        for peer in self.leaving:
            self.model.unconfirmed |= {(holder, peer) for holder, seeds in self.mailbox.held.items() if peer in seeds}
            self.model.erased[peer] = membership.generation(peer)
            record.owed += [(self.model.requests, holder) for holder in self.mailbox.withdraw(peer, self.model.requests)]
            self.model.requests += 1

    def forget(self, holder: int) -> None:
        self.mailbox.forget_holder(holder)
        self.model.unconfirmed = {pair for pair in self.model.unconfirmed if pair[0] != holder}

    def done(self, peer: int) -> None:
        self.mailbox.carried_out(peer)
        for due in (self.model.rows, self.model.new_rows, self.model.wrong):
            due.pop(peer, None)

    def answer(self, peer: int, mail: list[Parcel], dropped: list[int], record: RoundRecord) -> None:
        held, owed = dict(self.mailbox.held.get(peer, {})), dict(self.mailbox.owed.get(peer, {}))
        self.done(peer)
        lines = [(erasure, held[owner]) for owner in dropped for erasure in owed.get(owner, ())]
        record.receipts += [ReceiptLine(erasure, peer, seed.owner, seed.version, seed.sha256) for erasure, seed in lines]
        self.mailbox.confirm(peer, dropped, mail)
        if peer not in self.model.refusing:
            self.model.unconfirmed = {pair for pair in self.model.unconfirmed if pair[0] != peer}

    def post(self, peer: int, arrives: int, record: RoundRecord) -> None:
        generation = self.model.membership.generation(peer)
        version = self.model.states[peer].version + 1 if peer in self.model.states else 1
        main, seed = (wire.to_bytes({name: np.array([peer, generation, version])}) for name in ("main", "seed"))
        hashes = wire.sha256(main), wire.sha256(seed)
        record.artefacts |= dict(zip(hashes, (main, seed), strict=True))
        self.model.states[peer] = PeerState(generation, *hashes, version)
        self.mailbox.post(Parcel(owner=peer, generation=generation, version=version, sha256=hashes[1], size=len(seed), arrives=arrives))

    # what must always hold ----------------------------------------------------------------------------------------------------

    @invariant()
    def everyone_is_somewhere_and_only_members_are_online(self) -> None:
        membership = self.model.membership
        assert set(membership.online()) <= set(membership.members())
        assert not {peer for peer in range(PEERS) if membership[peer] == "erased"} & set(membership.members())

    @invariant()
    def the_erased_stay_erased(self) -> None:
        for parcel in (*self.mailbox.newest.values(), *self.mailbox.coming):
            assert parcel.generation > self.model.erased.get(parcel.owner, -1), "an erased seed is in circulation"

    @invariant()
    def nobody_holds_an_erased_seed_after_confirming(self) -> None:
        for holder, seeds in self.mailbox.held.items():
            for owner, parcel in seeds.items():
                if parcel.generation <= self.model.erased.get(owner, -1):
                    assert (holder, owner) in self.model.unconfirmed
                    assert owner in self.mailbox.owed[holder], "and it still owes a receipt"

    @invariant()
    def the_journal_is_the_state(self) -> None:
        journal = self.store.mailbox()
        assert json.loads(json.dumps(self.mailboxes(journal).snapshot())) == json.loads(json.dumps(self.mailbox.snapshot()))
        assert {peer: set(rows) for peer, rows in journal.requests.items()} == self.model.rows
        assert {peer: set(rows) for peer, rows in journal.arrivals.items()} == self.model.new_rows
        assert {peer: [row for one in told for row in one.rows] for peer, told in journal.corrections.items()} == self.model.wrong
        assert self.store.states() == self.model.states
        held = {(h, o, p.version, p.sha256) for h, seeds in self.mailbox.held.items() for o, p in seeds.items()}
        assert set(self.store.rows("select holder, owner, version, sha256 from holdings where until is null")) == held

    @invariant()
    def the_disk_holds_what_is_alive_and_nothing_else(self) -> None:
        states = {sha256 for state in self.model.states.values() for sha256 in (state.main, state.seed)}
        assert self.store.on_disk() == self.mailbox.alive() | states
        assert all(wire.sha256(self.store.artefact(sha256)) == sha256 for sha256 in self.store.on_disk())

    @invariant()
    def the_chain_of_hashes_holds(self) -> None:
        previous = ""
        for number, journal, chain in self.store.rows("select round, journal, chain from rounds order by round"):
            assert self.store.link(number, journal, previous) == chain
            previous = chain


def with_death(machine: Federation, death: str) -> RunStore:
    """Return the machine's store, which dies in its next commit; what then lies on disk is set aside for who takes the run up."""
    store, db, write = machine.store, machine.store.db, machine.store._write
    left = 1 if death == "first artefact" else -1

    def die() -> None:
        if machine.kept:
            assert store.folder is not None
            copied = Path(tempfile.mkdtemp())
            shutil.copytree(store.folder, copied, dirs_exist_ok=True)
            machine.folders.append(copied)
        store.db, store._write = db, write  # type: ignore[method-assign]
        raise KilledError

    def writing(sha256: str, blob: bytes) -> None:
        nonlocal left
        write(sha256, blob)
        left -= 1
        if left == 0:
            die()

    class Dying:
        """The connection of a process that dies after a statement."""

        def __getattr__(self, name: str) -> Any:
            return getattr(db, name)

        def execute(self, statement: str, *values: Any) -> Any:
            if death.endswith("artefact") and statement.startswith("begin"):
                die()
            found = db.execute(statement, *values)
            if statement.startswith(death):
                die()
            return found

    store.db, store._write = Dying(), writing  # type: ignore[assignment, method-assign]
    return store
