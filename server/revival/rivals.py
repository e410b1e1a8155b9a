"""Other published attacks, for comparison: rounding to few bits, and relearning in a few training steps."""

from __future__ import annotations

from torch import Tensor

from server.revival.knowledge import OwnImages, WeightsOnly, copied


def quantise(knowledge: WeightsOnly, bits: int = 4) -> dict[str, Tensor]:
    """Return the weights rounded to a symmetric grid of ``2**bits - 1`` levels per row.

    Rounding reverses small updates (Zhang et al., ICLR 2025, arXiv 2410.16454). Zero stays zero, so a cut remains. ``ValueError`` unless
    ``bits`` is 2 to 8.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits {bits}: wants 2 to 8")
    levels = 2 ** (bits - 1) - 1
    rounded = {}
    for name, weight in knowledge.weights.items():
        step = weight.abs().amax(dim=1, keepdim=True) / levels
        rounded[name] = ((weight / step.where(step > 0, 1.0)).round() * step).to(weight.dtype)
    return rounded


def relearn(knowledge: OwnImages, steps: int = 20, rate: float = 1e-3) -> dict[str, Tensor]:
    """Return the weights after a number of training steps on the adversary's own images (arXiv 2410.08074, 2512.03564)."""
    return copied(knowledge.tune(copied(knowledge.weights), steps, rate))
