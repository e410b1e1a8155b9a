"""The smallest weights of a whole checkpoint, found layer by layer: where an adversary looks who knows how much was cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.checkpoints.places import shown
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

_LOW = 16
"""Bits of a size's lower half; sizes are those of float32, whose bits have the order of their values."""


@dataclass(frozen=True)
class Smallest:
    """Which entries are among the smallest of all layers: those below a size, and of those that equal it the first ones.

    Parameters
    ----------
    size : int
        Bits of that size as a float32.
    ties : dict of str to int
        By layer how many of the entries that equal it are among them.
    taken : dict of str to int
        By layer how many entries are among them.
    """

    size: int
    ties: Mapping[str, int]
    taken: Mapping[str, int]

    def places(self, name: str, weight: Tensor) -> Tensor:
        """Return the entries of a layer that are among the smallest, bool ``(m, n)``."""
        bits = _bits(weight)
        equal = bits == self.size
        return (bits < self.size) | (equal & (equal.flatten().cumsum(0).view_as(equal) <= self.ties[name]))


def smallest(names: Iterable[str], read: Callable[[str], Tensor], share: float) -> Smallest:
    """Return the smallest ``share`` of the entries of all layers together: exactly ``round(share * entries)``, ties by layer and index.

    Each layer is read twice, one at a time. Sizes are compared in float32.

    Parameters
    ----------
    names : iterable of str
    read : callable
        Returns a layer's weight.
    share : float
        In (0, 1).
    """
    import torch

    names = list(names)
    high = torch.zeros(1 << _LOW, dtype=torch.int64)
    for name in names:
        high += torch.bincount((_bits(read(name)) >> _LOW).flatten(), minlength=len(high))
    wanted = int(share * int(high.sum()) + 0.5)
    first, below = _reached(high, wanted)
    low, taken = {}, {}
    for name in names:
        bits = _bits(read(name))
        taken[name] = int((bits >> _LOW < first).sum())
        low[name] = torch.bincount((bits[(bits >> _LOW) == first] & (1 << _LOW) - 1).flatten(), minlength=len(high))
    second, before = _reached(sum(low.values(), torch.zeros_like(high)), wanted - below)
    left, ties = wanted - below - before, dict[str, int]()
    for name in names:
        ties[name] = min(left, int(low[name][second]))
        left -= ties[name]
        taken[name] += int(low[name][:second].sum()) + ties[name]
    return Smallest(first << _LOW | second, ties, taken)


def check_taken(found: Smallest, entries: Mapping[str, int], density: float) -> None:
    """Raise ``LetheError`` if no entry is among the smallest, or all of a layer are; ``entries`` are counts by layer."""
    if not any(found.taken.values()):
        raise LetheError(f"--density {density}: is not one of {sum(entries.values())} weights; give more, such as 0.02")
    gone = [name for name, count in found.taken.items() if count == entries[name]]
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        what = f"takes every weight of {shown(gone[0])}{more}, so that none is left to complete it from"
        raise LetheError(f"--density {density}: {what}; give less")


def _bits(weight: Tensor) -> Tensor:
    """Return the bits of the absolute values in float32, as integers in the order of these values."""
    import torch

    return weight.abs().float().contiguous().view(torch.int32)


def _reached(counts: Tensor, wanted: int) -> tuple[int, int]:
    """Return the first place up to which the counts reach a number, and what they sum to before it."""
    sums = counts.cumsum(0)
    place = min(int((sums < wanted).sum()), len(counts) - 1)
    return place, int(sums[place] - counts[place])
