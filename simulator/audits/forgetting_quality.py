"""Forgetting quality: at which epsilon thresholds tell unlearned from retrained models, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import Column
from simulator.audits.tier_one import Distant, columns

if TYPE_CHECKING:
    from server.audit.margins import Floats
    from simulator.audits.lives import Outputs, Shadows


class ForgettingQuality(Distant):
    """The measure of the unlearning challenge of 2023 (Triantafillou et al. 2024); all shadow models have the same rows.

    The challenge took 512 models of each kind.
    """

    columns: ClassVar[tuple[Column, ...]] = columns(
        "forgetting_quality",
        "forgetting quality",
        "epsilon",
        "area",
        "Mean over forgotten rows of the epsilon at which a threshold on the margin tells unlearned from retrained models, at most what "
        "so many models can show. It is not 0 for equal models, so compare it with retrained again.",
        ("excess", "forgetting quality, excess", "epsilon", "area", "What epsilon exceeds that of retrained against retrained models by."),
        ("bound", "forgetting quality, bound", "epsilon", "area", "Mean over rows of a lower bound at 95 % (Clopper and Pearson)."),
        ("score", "forgetting quality, score", "share", "share", "Mean of 1, 1/2, 1/4 ... by epsilon's bucket; 1 is best."),
        (
            "weighted",
            "forgetting quality, weighted",
            "share",
            "share",
            "The score times accuracies over retrained ones, kept and test rows.",
        ),
    )

    @property
    def distances(self) -> Callable[[Floats, Floats], Floats]:
        """Epsilon of every row, no larger than so many models can show."""
        from server.audit.forgetting_quality import resolved

        return resolved

    def more(self, shadows: Shadows, outputs: Outputs) -> Iterator[float | None]:
        """Yield excess, lower bound, score, and the score weighted by accuracies."""
        from server.audit import forgetting_quality as challenge

        never = shadows.never
        found = challenge.epsilons(outputs.gone, never.gone)
        yield self.figure(shadows, outputs, never) - self.figure(shadows, shadows.again, never)
        yield float(challenge.lower_bounds(outputs.gone, never.gone).mean())
        score = challenge.quality(found, self.models)
        yield score
        pairs = list(zip(outputs.accuracies, never.accuracies, strict=True))
        yield challenge.weighted_quality(score, *pairs) if all(retrained > 0 for _, retrained in pairs) else None
