"""Disturbed shadow models: what they know of the forgotten rows once weights are rounded, zeros filled, or noise is added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveFloat

from simulator.audits.contract import RETRAINED, Column, Row
from simulator.audits.tier_two import TierTwo, columns

if TYPE_CHECKING:
    from clients.data.rows import Rows
    from clients.training import Arrays
    from server.audit.margins import Floats
    from simulator.audits.lives import Shadows

Bits = Annotated[int, Field(ge=2, le=16)]


class Quantisation(TierTwo):
    """Rounds the weights of shadow models to few bits, which can bring back what a small change hid (Zhang et al. 2025).

    Parameters
    ----------
    bits : int
        Bits per weight, from 2 to 16; each tensor has one step.
    """

    bits: Bits = 4

    columns: ClassVar[tuple[Column, ...]] = columns(
        "quantisation",
        "quantisation",
        "share",
        "share",
        "Share of the forgotten rows that models answer rightly once their weights are rounded. What counts is the distance to models "
        "that never had the rows.",
        (
            "restored",
            "quantisation, restored",
            "share",
            "share",
            "What rounding adds to accuracy on the forgotten rows, less what it adds in models that never had them.",
        ),
        (
            "damage",
            "quantisation, damage",
            "share",
            "share",
            "Accuracy that rounding costs on test rows: a broken model has forgotten nothing.",
        ),
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return which forgotten rows are answered rightly, (models, rows)."""
        return right(shadows, self._rounded(shadows, row), shadows.gone)

    def more(self, shadows: Shadows, row: Row) -> Iterator[float]:
        """Yield what is restored, and the damage on test rows."""
        yield self._gain(shadows, row, shadows.gone) - self._gain(shadows, RETRAINED, shadows.gone)
        yield -self._gain(shadows, row, shadows.population)

    def _gain(self, shadows: Shadows, row: Row, rows: Rows) -> float:
        after, before = (right(shadows, weights, rows).mean() for weights in (self._rounded(shadows, row), shadows.weights(row)))
        return float(after - before)

    def _rounded(self, shadows: Shadows, row: Row) -> Arrays:
        from server.audit.quantisation import quantised

        return quantised(shadows.weights(row), self.bits)


class Revival(TierTwo):
    """Disturbs shadow models in three ways, and takes for each model the one, or none, after which it knows most of the forgotten rows.

    Weights that are zero are drawn anew from the spread of their tensor; all are rounded; all get noise.

    Parameters
    ----------
    bits : int
        Bits per weight where they are rounded, from 2 to 16.
    noise : float
        Standard deviation of the noise, as a share of that of each tensor.
    """

    bits: Bits = 4
    noise: PositiveFloat = 0.1

    columns: ClassVar[tuple[Column, ...]] = columns(
        "revival",
        "revival",
        "share",
        "share",
        "Share of the forgotten rows that models answer rightly after the disturbance, or without one, whichever leaves most right. "
        "What counts is the distance to models that never had the rows.",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return which forgotten rows are answered rightly, (models, rows)."""
        import numpy as np

        found = np.stack([right(shadows, weights, shadows.gone) for weights in self._candidates(shadows, row)])
        best = found.mean(axis=2).argmax(axis=0)
        chosen: Floats = found[best, np.arange(found.shape[1])]
        return chosen

    def _candidates(self, shadows: Shadows, row: Row) -> Iterator[Arrays]:
        from server.audit.quantisation import quantised
        from server.audit.revived import noisy, refilled

        weights, key = shadows.weights(row), (*shadows.key, "revival", row.name)
        yield weights  # a disturbance may harm: what a model knows without any is never taken from it
        yield refilled(weights, key)
        yield quantised(weights, self.bits)
        yield noisy(weights, self.noise, key)


def right(shadows: Shadows, weights: Arrays, rows: Rows) -> Floats:
    """Return which rows models answer rightly, float64 (models, rows)."""
    import numpy as np

    found: Floats = (shadows.stack.logits(weights, rows.x).argmax(axis=-1) == rows.y).astype(np.float64)
    return found
