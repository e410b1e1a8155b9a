from __future__ import annotations

import json

from server.mailbox import Mailbox, Parcel, Post


def parcel(owner: int, version: int = 1, arrives: int = 1, generation: int = 0) -> Parcel:
    return Parcel(owner=owner, generation=generation, version=version, sha256=f"{owner}.{generation}.{version}", size=10, arrives=arrives)


def delivered(post: Post, holder: int, *parcels: Parcel) -> None:
    post.confirm(holder, [], parcels)


def test_seeds_reach_neighbours_only_and_only_once() -> None:
    post = Post()
    post.post(parcel(1))
    post.open(1)
    assert post.deliveries(0, [1]) == [parcel(1)]
    assert post.deliveries(2, [0]) == []
    delivered(post, 0, parcel(1))
    assert post.deliveries(0, [1]) == []


def test_a_late_seed_waits_and_never_replaces_a_newer_one() -> None:
    post = Post()
    post.post(parcel(1, version=1, arrives=4))
    post.post(parcel(1, version=2, arrives=2))
    post.open(2)
    assert post.newest[1].version == 2
    post.open(4)
    assert post.newest[1].version == 2


def test_withdrawing_takes_seeds_out_of_circulation_even_under_way_and_every_holder_owes_a_receipt() -> None:
    post = Post()
    post.post(parcel(1))
    post.open(1)
    delivered(post, 0, parcel(1))
    delivered(post, 2, parcel(1))
    post.post(parcel(1, version=2, arrives=3))
    assert post.withdraw(1, erasure=0) == [0, 2]
    post.open(3)
    assert post.deliveries(0, [1]) == []
    assert post.drops(0, [1]) == [1]
    post.confirm(0, [1], [])
    assert post.owed == {0: {}, 2: {1: (0,)}}
    assert post.alive() == {"1.0.1"}, "the other holder has not dropped it yet"
    post.confirm(2, [1], [])
    assert post.alive() == set()


def test_a_seed_is_dropped_when_its_owner_is_no_neighbour_any_more() -> None:
    post = Post()
    delivered(post, 0, parcel(1), parcel(2))
    assert post.drops(0, [2]) == [1]


def test_a_peer_that_comes_back_after_an_erasure_is_another_peer_to_its_neighbours() -> None:
    post = Post()
    delivered(post, 0, parcel(1, version=9))
    post.withdraw(1, erasure=0)
    post.post(parcel(1, version=1, generation=1))
    post.open(1)
    assert post.drops(0, [1]) == [1]
    assert post.deliveries(0, [1]) == [parcel(1, version=1, generation=1)]
    post.confirm(0, [1], [parcel(1, version=1, generation=1)])
    assert post.owed == {0: {}}
    assert post.held[0][1].generation == 1


def test_a_snapshot_survives_json() -> None:
    post = Post()
    post.post(parcel(1))
    post.post(parcel(3, arrives=7))
    post.open(1)
    delivered(post, 0, parcel(1))
    post.withdraw(1, erasure=2)
    post.requests[5] = {8, 3}
    again = Post(Mailbox.model_validate(json.loads(json.dumps(post.snapshot()))))
    assert again.snapshot() == post.snapshot()
    assert again.owed == {0: {1: (2,)}}
    assert again.requests == {5: {3, 8}}


def test_one_receipt_is_owed_for_each_erasure() -> None:
    post = Post()
    delivered(post, 0, parcel(1))
    assert post.withdraw(1, erasure=2) == post.withdraw(1, erasure=3) == [0]
    assert post.owed == {0: {1: (2, 3)}}
    post.confirm(0, [1], [])
    assert post.owed == {0: {}}


def test_a_journal_from_when_a_single_receipt_could_be_owed_still_reads() -> None:
    assert Mailbox.model_validate({"owed": {"0": {"1": 2}}}).owed == {0: {1: (2,)}}
