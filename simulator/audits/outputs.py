"""Cheap audits of what shadow models answer on the forgotten rows: how like a network that was never trained, and how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import Column, Row
from simulator.audits.tier_two import TierTwo, columns

if TYPE_CHECKING:
    from clients.training import Arrays
    from server.audit.margins import Floats
    from simulator.audits.lives import Shadows


class Zrf(TierTwo):
    """Compares what models answer with what networks answer that were never trained (Chundawat et al. 2023)."""

    columns: ClassVar[tuple[Column, ...]] = columns(
        "zrf",
        "ZRF",
        "1 - bits",
        "area",
        "Zero retrain forgetting: 1 less the Jensen-Shannon divergence, in bits, from a network that was never trained, on the forgotten "
        "rows. 1 is not the aim but the figure of models that never had them.",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return 1 less the divergence, (models, rows)."""
        from server.audit.outputs import divergence

        untrained = shadows.stack.initial([(*shadows.key, "untrained", k) for k in range(len(shadows.had))])
        return 1 - divergence(_answers(shadows, shadows.weights(row)), _answers(shadows, untrained))


class ModifiedEntropy(TierTwo):
    """Asks how sure, and how right, models are of the forgotten rows (Song and Mittal 2021)."""

    columns: ClassVar[tuple[Column, ...]] = columns(
        "modified_entropy",
        "modified entropy",
        "nats",
        "area",
        "Small where forgotten rows are answered rightly and surely, as learned ones are; large where wrongly and surely.",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return modified entropies, (models, rows)."""
        from server.audit.outputs import modified_entropy

        return modified_entropy(_answers(shadows, shadows.weights(row)), shadows.gone.y)


def _answers(shadows: Shadows, weights: Arrays) -> Floats:
    """Return class probabilities of the forgotten rows, float64 (models, rows, classes)."""
    import numpy as np
    from scipy.special import softmax

    return np.asarray(softmax(shadows.stack.logits(weights, shadows.gone.x).astype(np.float64), axis=-1))
