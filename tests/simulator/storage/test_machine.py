"""Membership, mailbox and store, whatever happens in whatever order: the erased stay erased, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from server.ledger import RoundRecord
from server.mailbox import MailboxState, Parcel
from server.membership import Membership
from simulator.storage.store import RunStore

from .machine import Federation

QUIET: dict[str, Any] = {"deadline": None, "database": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


class OnDisk(Federation):
    kept = True


@pytest.mark.parametrize(("machine", "examples"), [(Federation, 40), (OnDisk, 10)])
def test_what_must_hold_holds(machine: type[Federation], examples: int) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=20, **QUIET))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Federation, OnDisk])
def test_what_must_hold_holds_in_many_histories(machine: type[Federation]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=600, stateful_step_count=60, **QUIET))


class ForgetsWhatIsUnderWay(MailboxState):
    def withdraw(self, owner: int, erasure: int) -> list[int]:
        coming = list(self.coming)
        holders = super().withdraw(owner, erasure)
        self.coming = coming
        return holders


class BooksNoDebt(MailboxState):
    def withdraw(self, owner: int, erasure: int) -> list[int]:
        holders = super().withdraw(owner, erasure)
        for holder in holders:
            self.owed[holder].pop(owner)
        return holders


class KeepsWhatIsDropped(MailboxState):
    def confirm(self, holder: int, dropped: Iterable[int], delivered: Iterable[Parcel]) -> None:
        super().confirm(holder, [], delivered)


class LosesRequests(MailboxState):
    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "requests": {}}


class ComesBackAsItself(Membership):
    def rejoin(self, peer: int) -> bool:
        anew = super().rejoin(peer)
        self._generations[peer] = 0
        return anew


class HalfRefuses(Membership):
    def leave(self, peer: int, erase: bool) -> None:
        self._back.pop(peer, None)
        super().leave(peer, erase)
        self._states[peer] = "present" if self.round % 2 else self._states[peer]


class NeverSweeps(RunStore):
    def sweep(self) -> None:
        return


class SweepsWhatIsUnderWay(RunStore):
    def alive(self) -> set[str]:
        return super().alive() - {parcel.sha256 for parcel in self.mailbox().coming}


class SweepsTooEarly(RunStore):
    def commit(self, record: RoundRecord) -> None:
        for sha256 in self.on_disk() - set(record.artefacts):
            if self.folder is None:
                del self._memory[sha256]
            else:
                self._path(sha256).unlink()
        super().commit(record)


class CommitsInTwoSteps(RunStore):
    def commit(self, record: RoundRecord) -> None:
        events, record.events = record.events, []
        super().commit(record)
        for do, peers, detail in [*events, ("late", (), "")]:
            self.db.execute("insert into events values (?, ?, ?, ?)", (record.round, do, str(peers), detail))


FAULTS: dict[type, str] = {
    **dict.fromkeys((ForgetsWhatIsUnderWay, BooksNoDebt, KeepsWhatIsDropped, LosesRequests), "mailboxes"),
    **dict.fromkeys((ComesBackAsItself, HalfRefuses), "members"),
    **dict.fromkeys((NeverSweeps, SweepsWhatIsUnderWay, SweepsTooEarly, CommitsInTwoSteps), "stores"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: type) -> None:
    faulty = type(fault.__name__, (Federation,), {FAULTS[fault]: fault})
    # found is enough: no time is spent on making the history short
    once = settings(max_examples=1000, stateful_step_count=20, phases=[Phase.generate], report_multiple_bugs=False, **QUIET)
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(faulty, settings=once)
