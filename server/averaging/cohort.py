"""Who takes part in a round: all that are present, or a cohort that is drawn by key, so that a peer's absence moves nobody else's draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from clients.streams import bottom


@dataclass(frozen=True)
class Cohorts:
    """How cohorts are drawn.

    Parameters
    ----------
    seed : int
        Of the run.
    size : int, float or None
        So many of the present peers, a share of them (rounded up), or all.
    """

    seed: int
    size: int | float | None = None

    def draw(self, number: int, present: Iterable[int]) -> tuple[int, ...]:
        """Return who of the present peers takes part in a round, ascending.

        Without one of the chosen, exactly one other takes its place; without one that was not chosen, nothing changes (for a share, where
        the size stays the same).
        """
        there = sorted(present)
        if self.size is None:
            return tuple(there)
        # a share such as 0.55 of 20 is 11.000000000000002 in floats
        size = ceil(round(self.size * len(there), 9)) if isinstance(self.size, float) else self.size
        return tuple(sorted(bottom(size, there, self.seed, "cohort", number)))
