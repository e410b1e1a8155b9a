import pytest

from server.membership import Membership, MembershipError


def at(membership: Membership, number: int) -> Membership:
    membership.open_round(number)
    return membership


def test_everyone_is_in_but_those_that_join_later():
    membership = at(Membership(4, outside=[2]), 1)
    assert membership.members() == membership.online() == [0, 1, 3]
    membership.join(2)
    assert membership.members() == [0, 1, 2, 3]


def test_offline_ends_by_itself_or_early():
    membership = at(Membership(3), 1)
    membership.offline(0, 2)
    membership.offline(1, 5)
    membership.offline(2, None)
    assert membership.online() == []
    assert membership.members() == [0, 1, 2]
    assert membership.open_round(2) == []
    membership.rejoin(1)
    assert membership.open_round(3) == [0]
    assert membership.open_round(99) == []
    assert membership.online() == [0, 1]


def test_an_erased_peer_returns_as_another_generation_a_silent_one_does_not():
    membership = at(Membership(3), 1)
    membership.leave(0, erase=True)
    membership.leave(1, erase=False)
    assert membership.members() == [2]
    at(membership, 2)
    assert membership.rejoin(0) is True
    assert membership.rejoin(1) is False
    assert [membership.generation(peer) for peer in (0, 1, 2)] == [1, 0, 0]


def test_a_late_erasure_of_a_silent_leaver():
    membership = at(Membership(2), 1)
    membership.leave(0, erase=False)
    at(membership, 4).erase(0)
    assert membership[0] == "erased"


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (("leave", 0, True), ("leave", 0, True), "peer 0 cannot leave: it has been erased since round 1: move the event before"),
        (("leave", 0, False), ("leave", 0, True), "peer 0 cannot leave: it has left since round 1"),
        (("leave", 0, True), ("erase", 0), "peer 0 cannot be erased: it has been erased since round 1"),
        (("leave", 0, True), ("offline", 0, 1), "peer 0 cannot go offline: it has been erased"),
        (("offline", 0, 5), ("offline", 0, 1), "peer 0 cannot go offline: it is offline since round 1"),
        (None, ("rejoin", 0), "peer 0 cannot rejoin: it is present: let it go offline or leave first"),
        (None, ("rejoin", 3), "peer 3 cannot rejoin: it has not joined yet: use join"),
        (None, ("join", 0), "peer 0 cannot join: it is present"),
        (("leave", 0, True), ("join", 0), "peer 0 cannot join: it has been erased since round 1: use rejoin"),
        (None, ("leave", 3, True), "peer 3 cannot leave: it has not joined yet: move the event after its join"),
        (None, ("erase", 3), "peer 3 cannot be erased: it has not joined yet"),
    ],
)
def test_contradictions_name_peer_state_and_cure(first, then, words):
    membership = at(Membership(4, outside=[3]), 1)
    if first:
        getattr(membership, first[0])(*first[1:])
    at(membership, 2)
    with pytest.raises(MembershipError, match=words):
        getattr(membership, then[0])(*then[1:])


def test_one_change_a_round():
    membership = at(Membership(2, outside=[1]), 3)
    membership.join(1)
    with pytest.raises(MembershipError, match=r"peer 1 cannot leave: an event made it join in the same round 3: move one of them"):
        membership.leave(1, erase=True)
    at(membership, 4).leave(1, erase=True)
    with pytest.raises(MembershipError, match="cannot rejoin: an event made it leave in the same round 4"):
        membership.rejoin(1)
