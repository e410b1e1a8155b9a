"""What audits by shadow models say of an erasure: whether its method passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.audits import AUDITS
from simulator.audits.contract import AuditSpec

PASSES, FAILS, UNDECIDED, NO_POWER, NO_OBJECTION = "passes", "fails", "undecided", "no power", "no objection"

Ends = tuple[float, float, float]


@dataclass(frozen=True)
class Judged:
    """An audit's figures of an erasure: value and interval of the method, of retraining again, and of doing nothing.

    ``planted`` is the figure of retrained models with a planted shift; None of an audit that can object, and let no method pass.
    """

    name: str
    method: Ends
    again: Ends
    nothing: Ends
    threshold: float
    planted: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the method's interval overlaps that of retrained models against retrained ones, and is apart from doing nothing.

        An audit that would not fail a method that did nothing, or misses a planted shift, could not have objected: it has no power.
        What overlaps both is undecided.
        """
        if not self._power:
            return NO_POWER
        if _apart(self.method, self.again):
            return FAILS
        if not _apart(self.method, self.nothing):
            return UNDECIDED
        return NO_OBJECTION if self.planted is None else PASSES

    @property
    def _power(self) -> bool:
        return _apart(self.nothing, self.again) and (self.planted is None or self.planted > self.threshold)


def _apart(one: Ends, other: Ends) -> bool:
    return one[1] > other[2] or other[1] > one[2]


def by_shadows() -> dict[str, type[AuditSpec]]:
    """Return the audits that judge a run by shadow models, by name: they need no other run beside it."""
    return {name: spec for name, spec in AUDITS.working().items() if spec.shadows}


def judged(name: str, figures: Mapping[str, Any]) -> Judged | None:
    """Return what an audit found of an erasure, whose figures in the results these are; None if it did not judge."""
    if figures.get(name) is None or figures.get(f"{name}_threshold") is None:
        return None
    method, again, nothing = (tuple(figures[f"{name}{end}{row}"] for end in ("", "_low", "_high")) for row in ("", "_again", "_nothing"))
    return Judged(name, method, again, nothing, figures[f"{name}_threshold"], figures.get(f"{name}_planted"))


def all_judged(audits: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Judged]]:
    """Yield what each audit found of each erasure, with the erasure's position."""
    for name in audits:
        for place, row in enumerate(rows):
            if (found := judged(name, row)) is not None:
                yield place, found


def told(name: str, found: Sequence[Judged], subjects: Sequence[str]) -> Iterator[str]:
    """Yield a line on how far an audit's figures of several erasures differ, and which is the worst; none of a single one.

    By chance a figure varies as its interval and that of its floor say.
    """
    from server.audit.spread import spread

    def variance(ends: Ends) -> float:
        return max(((ends[2] - ends[1]) / (2 * 1.96)) ** 2, 1e-12)

    if len(found) > 1:
        ends = [[one.method for one in found], [one.again for one in found]]
        figures, floors = ([end[0] for end in of] for of in ends)
        one = spread(figures, floors, *(list(map(variance, of)) for of in ends))
        yield (
            f"{name}: mean {one.mean:.3g} over {len(found)} erasures, standard deviation beyond chance {one.beyond_chance:.2g}; "
            f"farthest from retrained again: {subjects[one.worst]} (Holm p {one.p:.2g})"
        )
