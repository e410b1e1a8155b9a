"""Training schedules of a shard's slices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Stages(ABC):
    """A sliced training divided into rounds; a function of public numbers only, so that training without some rows has the same one.

    Progress is counted from 0 over all stages, in epochs or gradient steps.

    Parameters
    ----------
    rounds : int
        Rounds of a full fit.
    length : int
        Epochs or gradient steps per round.
    slices : int
        R, the number of stages. ``ValueError`` if the training is too short for every stage to get an epoch or a step.
    """

    rounds: int
    length: int
    slices: int

    @abstractmethod
    def start(self, stage: int) -> int:
        """Return the progress at which a stage, 0 .. R - 1, begins; for R, the end of the training. Strictly increasing."""

    def reached(self, round_: int) -> int:
        """Return the progress of a shard after a number of rounds."""
        return round_ * self.start(self.slices) // self.rounds

    def last(self, progress: int) -> int:
        """Return the last stage that has been trained by then; -1 before the first."""
        return sum(self.start(stage) < progress for stage in range(self.slices)) - 1

    def segments(self, begin: int, rounds: int) -> Iterator[tuple[int, range]]:
        """Yield ``(stage, progress)`` from ``begin`` to the end of the given number of rounds, split at starts of stages and rounds."""
        end = self.reached(rounds)
        starts = [self.start(stage) for stage in range(self.slices)]
        cuts = {begin, end, *starts, *(self.reached(round_) for round_ in range(rounds))}
        for first, last in pairwise(sorted(cut for cut in cuts if begin <= cut <= end)):
            yield sum(start <= first for start in starts) - 1, range(first, last)


@dataclass(frozen=True)
class Schedule(Stages):
    """A schedule in epochs.

    Stage k = 1..R gets ``floor(k q) - floor((k - 1) q)`` epochs with ``q = 2e / (R + 1)``, where e is the number of epochs of plain
    training. With equal slices the work equals that of plain training (Bourtoule et al. 2021, section V).
    """

    def __post_init__(self) -> None:
        plain = self.rounds * self.length
        if 2 * plain < self.slices + 1:
            raise ValueError(f"sisa cannot spread {plain} epochs over {self.slices} slices: ask for at most {2 * plain - 1} slices")

    def start(self, stage: int) -> int:
        """Return the first epoch of a stage; for R, the end of the training."""
        return stage * 2 * self.rounds * self.length // (self.slices + 1)


@dataclass(frozen=True)
class StepSchedule(Stages):
    """A schedule in gradient steps, for models whose training is a number of steps whatever the number of rows.

    Stage k = 1..R gets a share ``2k / (R (R + 1))`` of the steps. With equal slices each of its rows is then used as often as under
    ``Schedule``, whose stages have equally many epochs on k slices.
    """

    def __post_init__(self) -> None:
        total, needed = self.rounds * self.length, self.slices * (self.slices + 1) // 2
        if total < needed:
            raise ValueError(f"sisa cannot spread {total} steps of a shard over {self.slices} slices, which need {needed}: ask for fewer")

    def start(self, stage: int) -> int:
        """Return the first step of a stage; for R, the end of the training."""
        return self.rounds * self.length * stage * (stage + 1) // (self.slices * (self.slices + 1))
