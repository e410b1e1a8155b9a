"""Which rounds must be replayed after a request, and with which peers: pure functions of the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from server.averaging.cohort import Cohorts
from server.timeline import Round, Timeline

ANSWERS = "after_sending"
"""The one phase of a crash in which the peer has answered."""


@dataclass(frozen=True)
class Past:
    """The rounds of a timeline as they were run, and as they are without the data erased since."""

    timeline: Timeline
    cohorts: Cohorts

    @cached_property
    def _generations(self) -> list[dict[int, int]]:
        """Generation, in each round, of the peers that have rejoined after an erasure."""
        found: list[dict[int, int]] = []
        now: dict[int, int] = {}
        for one in self.timeline.rounds:
            now = now | one.generation
            found.append(now)
        return found

    def drawn(self, number: int, known: int) -> tuple[int, ...]:
        """Return the cohort of a round, drawn among those that were present and have not been erased up to round ``known``."""
        gone = {(one.peer, one.generation) for one in self.timeline.erasures if one.round <= known and self.timeline.departs(one)}
        now, generation = self.timeline.rounds[number - 1], self._generations[number - 1]
        return self.cohorts.draw(number, (peer for peer in now.present if (peer, generation.get(peer, 0)) not in gone))

    def contributing(self, number: int, known: int) -> tuple[int, ...]:
        """Return the peers of the cohort that answer, that is, do not crash before they have sent their update."""
        crash = self.timeline.rounds[number - 1].crash
        return tuple(peer for peer in self.drawn(number, known) if crash.get(peer, ANSWERS) == ANSWERS)

    def contact(self, number: int) -> int:
        """Return the first round that would differ without the data forgotten in round ``number``; ``number`` if none would."""
        due = [one for one in self.timeline.erasures if one.round == number]
        rows = {(one.peer, one.generation) for one in due if not self.timeline.departs(one)}
        for earlier in range(1, number):
            before, generation = self.drawn(earlier, number - 1), self._generations[earlier - 1]
            if before != self.drawn(earlier, number) or any((peer, generation.get(peer, 0)) in rows for peer in before):
                return earlier
        return number

    def rollback(self, number: int, latest: int | None = None) -> int:
        """Return the first round to replay for the requests of round ``number``; at most ``latest``.

        This is the round of first contact, or an earlier one if one of its updates was still in transit then, or if a peer that is not
        asked again made its last state since then, so that this state must be made again too.
        """
        first = min(self.contact(number), number if latest is None else latest)
        while (earlier := min([first, *self._crossing(first, number), *self._lost(first, number)])) < first:
            first = earlier
        return first

    def again(self, number: int, known: int) -> Round:
        """Return a round as it is replayed: peers that answered and are not erased up to round ``known`` train; none crashes."""
        present = self.contributing(number, known)
        changes = {"present": present, "members": present, "erased": (), "forget": {}, "crash": {}, "generation": {}, "happenings": ()}
        return self.timeline.rounds[number - 1].model_copy(update=changes)

    def touched(self, first: int, number: int) -> list[int]:
        """Return the peers whose last state may come from rounds ``first`` to ``number - 1``, as run or as replayed."""
        rounds = range(first, number)
        return sorted({peer for one in rounds for known in (number - 1, number) for peer in self.contributing(one, known)})

    def unreachable(self, first: int, number: int) -> tuple[int, int] | None:
        """Return a peer that is away in round ``number`` and the round from ``first`` on that it would have to replay; None if all can."""
        there = set(self.timeline.rounds[number - 1].present)
        for one in range(first, number):
            if away := sorted(set(self.contributing(one, number)) - there):
                return away[0], one
        return None

    def _crossing(self, first: int, known: int) -> Sequence[int]:
        """Return the rounds before ``first`` with an update that arrives in round ``first`` or later."""
        late = [(now.round, now.late) for now in self.timeline.rounds[: first - 1] if now.late]
        return [one for one, delays in late if any(one + delays.get(peer, 0) >= first for peer in self.contributing(one, known))]

    def _lost(self, first: int, number: int) -> Sequence[int]:
        """Return, for peers whose later states are dropped and not made again, their last round before ``first``."""
        rounds = range(first, number)
        before = {peer for one in rounds for peer in self.contributing(one, number - 1)}
        after = {peer for one in rounds for peer in self.contributing(one, number)}
        lost = before - after
        last: dict[int, int] = {}
        for one in range(1, first) if lost else ():
            last |= dict.fromkeys(lost.intersection(self.contributing(one, number)), one)
        return list(last.values())
