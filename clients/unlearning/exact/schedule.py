"""The training schedule of a shard's slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Schedule:
    """A sliced training divided into rounds; a function of public numbers only, so that training without some rows has the same one.

    Stage k = 1..R gets ``floor(k q) - floor((k - 1) q)`` epochs with ``q = 2e / (R + 1)``, where e is the number of epochs of plain
    training. With equal slices the work equals that of plain training (Bourtoule et al. 2021, section V). Epochs are counted from 0 over
    all stages.

    Parameters
    ----------
    rounds, epochs, slices : int
        Rounds of a full fit, plain epochs per round, and R. ``ValueError`` if there are too few epochs for every stage to get one.
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
        """Return the number of epochs that a shard has trained after a number of rounds."""
        return round_ * self.start(self.slices) // self.rounds

    def segments(self, begin: int, rounds: int) -> Iterator[tuple[int, range]]:
        """Yield ``(stage, epochs)`` from epoch ``begin`` to the end of the given number of rounds, split at starts of stages and rounds."""
        end = self.reached(rounds)
        starts = [self.start(stage) for stage in range(self.slices)]
        cuts = {begin, end, *starts, *(self.reached(round_) for round_ in range(rounds))}
        for first, last in pairwise(sorted(cut for cut in cuts if begin <= cut <= end)):
            yield sum(start <= first for start in starts) - 1, range(first, last)
