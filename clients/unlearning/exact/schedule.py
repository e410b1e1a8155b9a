"""Which slices a shard learns from, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Schedule:
    """A sliced training cut into rounds; a function of public numbers only, so a training without some rows follows the same.

    Stage k = 1..R gets ``floor(k q) - floor((k - 1) q)`` epochs with ``q = 2e / (R + 1)``, e the epochs of a plain training: with
    equal slices as much work as plain training (Bourtoule et al. 2021, section V). Epochs are counted from 0 over all stages.

    Parameters
    ----------
    rounds, epochs, slices : int
        Rounds of a full fit, plain epochs a round, and R. ``ValueError`` if a stage would get no epoch for want of epochs.
    """

    rounds: int
    epochs: int
    slices: int

    def __post_init__(self) -> None:
        plain = self.rounds * self.epochs
        if 2 * plain < self.slices + 1:
            raise ValueError(f"sisa cannot spread {plain} epochs over {self.slices} slices: ask for at most {2 * plain - 1} slices")

    def start(self, stage: int) -> int:
        """Return the first epoch of a stage, 0 .. R - 1; for R, the end of the training."""
        return stage * 2 * self.rounds * self.epochs // (self.slices + 1)

    def reached(self, round_: int) -> int:
        """Return how many epochs are behind a shard after so many rounds."""
        return round_ * self.start(self.slices) // self.rounds

    def segments(self, begin: int, rounds: int) -> Iterator[tuple[int, range]]:
        """Yield ``(stage, epochs)`` from epoch ``begin`` to the end of the given number of rounds, cut where stages and rounds begin."""
        end = self.reached(rounds)
        starts = [self.start(stage) for stage in range(self.slices)]
        cuts = {begin, end, *starts, *(self.reached(round_) for round_ in range(rounds))}
        for first, last in pairwise(sorted(cut for cut in cuts if begin <= cut <= end)):
            yield sum(start <= first for start in starts) - 1, range(first, last)
