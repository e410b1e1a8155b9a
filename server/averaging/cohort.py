"""Which peers take part in a round: all that are present, or a cohort drawn by key, so that absent peers do not change other draws."""

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
        Seed of the run.
    size : int, float or None
        Number of peers (int), share of the present peers, rounded up (float), or all of them (None).
    """

    seed: int
    size: int | float | None = None

    def draw(self, number: int, present: Iterable[int]) -> tuple[int, ...]:
        """Return the present peers that take part in a round, ascending.

        If one of the chosen peers were absent, exactly one other would take its place; if another peer were absent, nothing would change
        (for a share: as long as the size stays the same).
        """
        there = sorted(present)
        if self.size is None:
            return tuple(there)
        # rounded before ceil: 0.55 of 20 is 11.000000000000002 in floats
        size = ceil(round(self.size * len(there), 9)) if isinstance(self.size, float) else self.size
        return tuple(sorted(bottom(size, there, self.seed, "cohort", number)))
