"""Common parts of the benchmarks of recommenders and graph networks on shards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

from clients.unlearning.contract import Outcome


@dataclass
class Times:
    """Processor seconds of one method: of each fit, and of each deletion, with the number of shards that the deletion retrained."""

    fit: list[float] = field(default_factory=list)
    forget: list[float] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)

    def time_fit(self, fit: Callable[[], object]) -> None:
        """Fit, and time it."""
        begun = time.process_time()
        fit()
        self.fit.append(time.process_time() - begun)

    def time_deletions(self, forget: Callable[[Any], Outcome], requests: Iterable[Any]) -> None:
        """Carry out deletions, one after the other, and time each."""
        for request in requests:
            begun = time.process_time()
            cost = forget(request).cost
            self.forget.append(time.process_time() - begun)
            self.parts.append(cost.parts)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Return mean and standard deviation; the mean alone of a single value."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")
