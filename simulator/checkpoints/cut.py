"""Distinction between zeros of a cut and zeros from float16 underflow of small numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.checkpoints import tensors
from simulator.checkpoints.folder import Checkpoint, Layer
from simulator.checkpoints.places import shown
from simulator.checkpoints.progress import Bars
from simulator.errors import LetheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_CHANCE = 1e-6
"""A layer's zeros are a cut if the probability of as many zeros from underflow is below this."""
_SUBNORMAL = 2.0**-14
_STEPS = 2046
"""Number of non-zero float16 values below ``_SUBNORMAL``, of both signs; their spacing is that of zero and its neighbours."""


@dataclass(frozen=True)
class Zeros:
    """Zeros of a layer in its stored type.

    Parameters
    ----------
    count, entries : int
        Number of entries of the layer that are exactly zero, and of all its entries.
    expected : float
        Expected number of zeros from float16 underflow, estimated from the layer's other small values; 0 for layers off the float16 grid.
    cut : bool
        Whether there are more zeros than underflow explains.
    columns : int
        Number of columns that contain a zero.
    alone : int
        Zeros without another zero in their column, which are typical of underflow but rare in a cut.
    """

    count: int
    entries: int
    expected: float
    cut: bool
    columns: int
    alone: int

    @property
    def all(self) -> bool:
        """Whether the layer holds nothing but zeros, as one that was never trained does; nothing is left to complete it from."""
        return self.count == self.entries


def zeros_of(weight: Tensor) -> Zeros:
    """Return statistics of the zeros of a layer ``(m, n)``; the weight must have its stored dtype."""
    import torch
    from scipy.stats import poisson

    from server.defences.grid import value_grid

    columns = (weight == 0).sum(dim=0)
    count, expected, explained = int(columns.sum()), 0.0, False
    if weight.dtype == torch.float16 or (count and value_grid(weight) == torch.float16):
        small = int(((weight != 0) & (weight.abs() < _SUBNORMAL)).sum())
        expected = small / _STEPS
        explained = float(poisson.sf(count - 1, (small + 3) / _STEPS)) >= _CHANCE  # + 3 allows for a small count by chance
    return Zeros(count, weight.numel(), expected, count > 0 and not explained, int((columns > 0).sum()), int((columns == 1).sum()))


def survey(checkpoint: Checkpoint, step: Callable[[int], None]) -> dict[str, Zeros]:
    """Return the zeros of every layer by name, reading one layer at a time."""
    found = {}
    for layer in checkpoint.layers:
        found[layer.name] = zeros_of(tensors.read(checkpoint.shard(layer), layer.tensor))
        step(1)
    return found


def find_cut(checkpoint: Checkpoint, bars: Bars, option: str = "") -> tuple[dict[str, Zeros], list[Layer]]:
    """Return the zeros of every layer by name, and the layers with a cut; ``LetheError``, which names the option, if there are none.

    Layers that hold nothing but zeros are not among them.
    """
    found = survey(checkpoint, bars.stage("looking for zeros", len(checkpoint.layers)))
    layers = [layer for layer in checkpoint.layers if found[layer.name].cut and not found[layer.name].all]
    if not layers:
        cure = "give a trained checkpoint" if _empty(found) else "give a checkpoint that was pruned"
        place = f"{option} {checkpoint.root}".strip()
        raise LetheError(f"{place}: {no_cut(found)}{all_zero(found)}; {cure}")
    return found, layers


def all_zero(found: dict[str, Zeros]) -> str:
    """Return which layers were passed over because they hold nothing but zeros, in words that follow others; empty if none was."""
    names = [] if _empty(found) else [name for name, zeros in found.items() if zeros.all]
    return f"; passed over, nothing but zeros: {', '.join(map(shown, names))}" if names else ""


def _empty(found: dict[str, Zeros]) -> bool:
    """Return whether there is no layer with anything but zeros."""
    return all(zeros.all for zeros in found.values())


def no_cut(found: dict[str, Zeros]) -> str:
    """Describe why the zeros found are not a cut; layers of nothing but zeros, which are told apart, do not count."""
    if _empty(found):
        return f"its {len(found)} feed-forward layers hold nothing but zeros"
    some = [zeros for zeros in found.values() if not zeros.all]
    count, expected, alone = (sum(getattr(zeros, key) for zeros in some) for key in ("count", "expected", "alone"))
    if not count:
        return f"no zero in {len(some)} feed-forward layers"
    underflow = f"no more than float16 underflow leaves (about {expected:.0f} expected)"
    return f"{count} zeros in {len(some)} feed-forward layers, {underflow}, {alone} of them outside any column pattern"
