from __future__ import annotations

import json

from server.mailbox import Mailbox, MailboxState, Parcel


def parcel(owner: int, version: int = 1, arrives: int = 1, generation: int = 0) -> Parcel:
    return Parcel(owner=owner, generation=generation, version=version, sha256=f"{owner}.{generation}.{version}", size=10, arrives=arrives)


def delivered(mailbox: MailboxState, holder: int, *parcels: Parcel) -> None:
    mailbox.confirm(holder, [], parcels)


def test_seeds_reach_neighbours_only_and_only_once() -> None:
    mailbox = MailboxState()
    mailbox.post(parcel(1))
    mailbox.open(1)
    assert mailbox.deliveries(0, [1]) == [parcel(1)]
    assert mailbox.deliveries(2, [0]) == []
    delivered(mailbox, 0, parcel(1))
    assert mailbox.deliveries(0, [1]) == []


def test_a_late_seed_waits_and_never_replaces_a_newer_one() -> None:
    mailbox = MailboxState()
    mailbox.post(parcel(1, version=1, arrives=4))
    mailbox.post(parcel(1, version=2, arrives=2))
    mailbox.open(2)
    assert mailbox.newest[1].version == 2
    mailbox.open(4)
    assert mailbox.newest[1].version == 2


def test_withdrawing_takes_seeds_out_of_circulation_even_under_way_and_every_holder_owes_a_receipt() -> None:
    mailbox = MailboxState()
    mailbox.post(parcel(1))
    mailbox.open(1)
    delivered(mailbox, 0, parcel(1))
    delivered(mailbox, 2, parcel(1))
    mailbox.post(parcel(1, version=2, arrives=3))
    assert mailbox.withdraw(1, erasure=0) == [0, 2]
    mailbox.open(3)
    assert mailbox.deliveries(0, [1]) == []
    assert mailbox.drops(0, [1]) == [1]
    mailbox.confirm(0, [1], [])
    assert mailbox.owed == {0: {}, 2: {1: (0,)}}
    assert mailbox.alive() == {"1.0.1"}, "the other holder has not dropped it yet"
    mailbox.confirm(2, [1], [])
    assert mailbox.alive() == set()


def test_a_seed_is_dropped_when_its_owner_is_no_neighbour_any_more() -> None:
    mailbox = MailboxState()
    delivered(mailbox, 0, parcel(1), parcel(2))
    assert mailbox.drops(0, [2]) == [1]


def test_a_peer_that_comes_back_after_an_erasure_is_another_peer_to_its_neighbours() -> None:
    mailbox = MailboxState()
    delivered(mailbox, 0, parcel(1, version=9))
    mailbox.withdraw(1, erasure=0)
    mailbox.post(parcel(1, version=1, generation=1))
    mailbox.open(1)
    assert mailbox.drops(0, [1]) == [1]
    assert mailbox.deliveries(0, [1]) == [parcel(1, version=1, generation=1)]
    mailbox.confirm(0, [1], [parcel(1, version=1, generation=1)])
    assert mailbox.owed == {0: {}}
    assert mailbox.held[0][1].generation == 1


def test_a_snapshot_survives_json() -> None:
    mailbox = MailboxState()
    mailbox.post(parcel(1))
    mailbox.post(parcel(3, arrives=7))
    mailbox.open(1)
    delivered(mailbox, 0, parcel(1))
    mailbox.withdraw(1, erasure=2)
    mailbox.requests[5] = {8, 3}
    again = MailboxState(Mailbox.model_validate(json.loads(json.dumps(mailbox.snapshot()))))
    assert again.snapshot() == mailbox.snapshot()
    assert again.owed == {0: {1: (2,)}}
    assert again.requests == {5: {3, 8}}


def test_what_a_peer_has_yet_to_forget_waits_for_it_though_it_leaves() -> None:
    mailbox = MailboxState()
    delivered(mailbox, 0, parcel(1))
    mailbox.requests[0], mailbox.arrivals[0] = {8}, {9}
    mailbox.forget_holder(0)
    assert 0 not in mailbox.held
    assert (mailbox.requests, mailbox.arrivals) == ({0: {8}}, {0: {9}})


def test_one_receipt_is_owed_for_each_erasure() -> None:
    mailbox = MailboxState()
    delivered(mailbox, 0, parcel(1))
    assert mailbox.withdraw(1, erasure=2) == mailbox.withdraw(1, erasure=3) == [0]
    assert mailbox.owed == {0: {1: (2, 3)}}
    mailbox.confirm(0, [1], [])
    assert mailbox.owed == {0: {}}


def test_a_journal_from_when_a_single_receipt_could_be_owed_still_reads() -> None:
    assert Mailbox.model_validate({"owed": {"0": {"1": 2}}}).owed == {0: {1: (2,)}}
