"""Replies of clients that have cut entries, layer by layer, and their aggregate.

An entry counts as cut by a client if the client's mask says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Weights = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Reply:
    """One client's layers and the masks of its cut entries.

    Parameters
    ----------
    client : str
        Name for error messages.
    weights : mapping of str to tensor, shape (m, n)
    masks : mapping of str to bool tensor, shape (m, n)
        Layers without a mask were not cut.
    share : float
        Weight in the mean, not negative; the clients' shares need not sum to 1.
    """

    client: str
    weights: Weights
    masks: Mapping[str, Tensor]
    share: float = 1.0


@dataclass(frozen=True)
class Aggregate:
    """The aggregated layers and the masks of the entries that keep their value (zero, or a fill) in all later rounds, by layer name.

    ``frozen`` is as secret as a mask.
    """

    weights: dict[str, Tensor]
    frozen: dict[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """One layer of all clients: weights as sent, masks, shares that sum to 1."""

    weights: list[Tensor]
    masks: list[Tensor]
    shares: list[float]

    @classmethod
    def of(cls, name: str, replies: Sequence[Reply]) -> Layer:
        """Collect one layer of all replies."""
        import torch

        total = sum(reply.share for reply in replies)
        masks = [reply.masks.get(name, torch.zeros_like(reply.weights[name], dtype=torch.bool)) for reply in replies]
        return cls([reply.weights[name] for reply in replies], masks, [reply.share / total for reply in replies])

    def cut_share(self) -> Tensor:
        """Return the share of clients that cut each entry, float64 ``(m, n)``."""
        import torch

        total = torch.zeros(self.masks[0].shape, dtype=torch.float64)
        for mask, share in zip(self.masks, self.shares, strict=True):
            total += share * mask.double()  # a float times a bool tensor would be rounded to float32
        return total

    def sum_of_kept(self) -> Tensor:
        """Return the share-weighted sum over the clients that kept an entry, float64 ``(m, n)``."""
        import torch

        total = torch.zeros(self.masks[0].shape, dtype=torch.float64)
        for weight, mask, share in zip(self.weights, self.masks, self.shares, strict=True):
            total += share * weight.double().masked_fill(mask, 0.0)
        return total

    def mean_of_kept(self) -> Tensor:
        """Return the mean over the clients that kept an entry, 0 if none did; float64 ``(m, n)``."""
        kept = 1 - self.cut_share()
        return (self.sum_of_kept() / kept.where(~self.intersection(), 1.0)).masked_fill(self.intersection(), 0.0)

    def union(self) -> Tensor:
        """Return the entries that any client cut, bool ``(m, n)``."""
        import torch

        return torch.stack(self.masks).any(dim=0)

    def intersection(self) -> Tensor:
        """Return the entries that every client cut, bool ``(m, n)``."""
        import torch

        return torch.stack(self.masks).all(dim=0)

    def cast(self, folded: Tensor) -> Tensor:
        """Return aggregated weights in the dtype that the clients sent."""
        return folded.to(self.weights[0].dtype)
