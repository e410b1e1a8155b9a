"""Common parts of the benchmarks of recommenders and graph networks on shards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from clients.unlearning.contract import Outcome


@dataclass
class Times:
    """Processor seconds of one method, a number per seed: of the fit; of a deletion, and the shards it retrained, means over deletions."""

    fit: list[float] = field(default_factory=list)
    forget: list[float] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)

    def time_fit(self, fit: Callable[[], object]) -> None:
        """Fit, and time it."""
        begun = time.process_time()
        fit()
        self.fit.append(time.process_time() - begun)

    def time_deletions(self, forget: Callable[[Any], Outcome], requests: Iterable[Any]) -> None:
        """Carry out the deletions of a seed, one after the other, and time them."""
        seconds, parts = [], []
        for request in requests:
            begun = time.process_time()
            cost = forget(request).cost
            seconds.append(time.process_time() - begun)
            parts.append(cost.parts)
        if seconds:
            self.forget.append(mean(seconds))
            self.parts.append(mean(parts))
