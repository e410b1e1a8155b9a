"""Membership of every peer: the state machine behind the timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

State = Literal["outside", "present", "away", "silent", "erased"]

_MEANING: dict[State, str] = {
    "outside": "has not joined yet",
    "present": "is present",
    "away": "is offline",
    "silent": "has left",
    "erased": "has been erased",
}


class MembershipError(ValueError):
    """A change that contradicts a peer's state; the message is one line with peer, state and cure."""


class Membership:
    """The state of every peer and its permitted changes, at most one per peer and round.

    Parameters
    ----------
    peers : int
        Peers are ``0 .. peers - 1``.
    outside : iterable of int
        Peers that join later.
    """

    def __init__(self, peers: int, outside: Iterable[int] = ()) -> None:
        self._states: dict[int, State] = dict.fromkeys(range(peers), "present")
        self._states |= dict.fromkeys(outside, "outside")
        self._back: dict[int, int] = {}
        self._changed: dict[int, tuple[int, str]] = {}
        self._generations = dict.fromkeys(range(peers), 0)
        self.round = 0

    def __getitem__(self, peer: int) -> State:
        return self._states[peer]

    def generation(self, peer: int) -> int:
        """Return how often the peer has rejoined after an erasure."""
        return self._generations[peer]

    def members(self) -> list[int]:
        """Return the peers that belong to the federation, online or offline, ascending."""
        return [peer for peer, state in self._states.items() if state in ("present", "away")]

    def online(self) -> list[int]:
        """Return the members that are not offline, ascending."""
        return [peer for peer, state in self._states.items() if state == "present"]

    def open_round(self, now: int) -> list[int]:
        """Begin a round; return the peers, ascending, that come back online because their time offline is over."""
        self.round = now
        back = sorted(peer for peer, due in self._back.items() if due <= now)
        for peer in back:
            del self._back[peer]
            self._states[peer] = "present"
        return back

    def unchanged(self, peer: int) -> bool:
        """Return whether nothing has happened to the peer in this round."""
        return self._changed.get(peer, (0, ""))[0] < self.round

    def require_member(self, peer: int, verb: str) -> None:
        """Raise ``MembershipError`` unless the peer belongs to the federation."""
        if self._states[peer] not in ("present", "away"):
            raise MembershipError(f"peer {peer} cannot {verb}: it {self._why(peer)}: {self._cure(peer)}")

    def require_present(self, peer: int, verb: str) -> None:
        """Raise ``MembershipError`` unless the peer is present."""
        if self._states[peer] != "present":
            raise MembershipError(f"peer {peer} cannot {verb}: it {self._why(peer)}: {self._cure(peer)}")

    def join(self, peer: int) -> None:
        """Let a peer join that has not joined yet."""
        if self._states[peer] != "outside":
            cure = "use rejoin" if self._states[peer] != "present" else "let it join once, before anything else happens to it"
            raise MembershipError(f"peer {peer} cannot join: it {self._why(peer)}: {cure}")
        self._change(peer, "present", "join")

    def leave(self, peer: int, erase: bool) -> None:
        """Let a member leave, erased at once or silently."""
        self.require_member(peer, "leave")
        self._change(peer, "erased" if erase else "silent", "leave")

    def offline(self, peer: int, rounds: int | None) -> None:
        """Take a present member offline from this round on, for a number of rounds or (None) until it rejoins."""
        self.require_present(peer, "go offline")
        self._change(peer, "away", "go offline")
        if rounds is not None:
            self._back[peer] = self.round + rounds

    def rejoin(self, peer: int) -> bool:
        """Let a peer come back; return whether it starts from scratch, which it does after an erasure."""
        if self._states[peer] in ("outside", "present"):
            cure = "use join" if self._states[peer] == "outside" else "let it go offline or leave first"
            raise MembershipError(f"peer {peer} cannot rejoin: it {self._why(peer)}: {cure}")
        anew = self._states[peer] == "erased"
        self._change(peer, "present", "rejoin")
        self._generations[peer] += anew
        return anew

    def erase(self, peer: int) -> None:
        """Erase a member, which then no longer belongs to the federation, or a peer that has left silently."""
        if self._states[peer] in ("outside", "erased"):
            raise MembershipError(f"peer {peer} cannot be erased: it {self._why(peer)}: {self._cure(peer)}")
        self._change(peer, "erased", "be erased")

    def _change(self, peer: int, state: State, verb: str) -> None:
        """Enter a state; refuse a second change of one peer in one round."""
        past, did = self._changed.get(peer, (0, ""))
        if past == self.round:
            raise MembershipError(
                f"peer {peer} cannot {verb}: an event made it {did} in the same round {past}: move one of them to another round"
            )
        self._changed[peer] = (self.round, verb)
        self._states[peer] = state
        self._back.pop(peer, None)

    def _why(self, peer: int) -> str:
        """Describe a peer's state for an error message."""
        past = self._changed.get(peer)
        since = f" since round {past[0]}" if past and self._states[peer] != "present" else ""
        return _MEANING[self._states[peer]] + since

    def _cure(self, peer: int) -> str:
        """Return how to make the event possible, for an error message."""
        cures: dict[State, str] = {
            "outside": "move the event after its join",
            "away": "move the event to a round in which it is online",
            "silent": "move the event before it leaves, or let it rejoin first",
            "erased": "move the event before its erasure, or let it rejoin first",
        }
        return cures.get(self._states[peer], "remove the event")
