"""Step 1: locate the cut."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat

from clients.spec import Registry, Spec

if TYPE_CHECKING:
    from torch import Tensor


class LocationSpec(Spec):
    """Base class of location rules in scenarios, which find the cut in released weights."""

    @abstractmethod
    def places(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return bool tensors, true for entries that the rule takes for the cut.

        Weights must have the dtype in which they were stored: a cast can turn small values into zeros, or hide them.
        """


class ExactZeros(LocationSpec):
    """Entries that are exactly zero, of either sign."""

    kind: Literal["exact_zeros"] = "exact_zeros"

    def places(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries that equal zero."""
        return {name: weight == 0 for name, weight in weights.items()}


class Threshold(LocationSpec):
    """Entries no larger than ``size``.

    Parameters
    ----------
    size : float
        Largest absolute value.
    """

    kind: Literal["threshold"] = "threshold"
    size: NonNegativeFloat

    def places(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries whose absolute value is at most the threshold."""
        return {name: weight.abs() <= self.size for name, weight in weights.items()}


class Extremes(LocationSpec):
    """The smallest (or largest) ``share`` of entries, of each layer or of all layers together; ties go by index.

    Parameters
    ----------
    share : float
        Share of the entries.
    side : {"smallest", "largest"}
        Which end.
    within : {"layer", "model"}
        Whether shares are of each layer, or of all together.
    """

    kind: Literal["extremes"] = "extremes"
    share: Annotated[float, Field(gt=0, lt=1)]
    side: Literal["smallest", "largest"] = "smallest"
    within: Literal["layer", "model"] = "model"

    def places(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return exactly ``round(share * entries)`` entries, per layer or in total."""
        import torch

        if self.within == "layer":
            return {name: self._of(weight.abs()) for name, weight in weights.items()}
        flat = self._of(torch.cat([weight.abs().double().flatten() for weight in weights.values()]))
        parts: list[Tensor] = list(torch.tensor_split(flat, torch.tensor([w.numel() for w in weights.values()]).cumsum(0)[:-1]))
        return {name: part.view_as(weight) for (name, weight), part in zip(weights.items(), parts, strict=True)}

    def _of(self, sizes: Tensor) -> Tensor:
        return strongest(sizes if self.side == "largest" else -sizes, None, self.share)


def strongest(score: Tensor, among: Tensor | None, share: float) -> Tensor:
    """Return the ``share`` of entries with the highest scores: exactly ``round(share * entries)``, ties broken by index.

    Parameters
    ----------
    score : float tensor
    among : bool tensor of the same shape, or None
        Entries to choose from; None means all.
    share : float
        In [0, 1]; halves round up.
    """
    import torch

    flat = score.flatten()
    candidates = torch.arange(len(flat)) if among is None else among.flatten().nonzero()[:, 0]
    count = int(share * len(candidates) + 0.5)
    best = candidates[torch.sort(flat[candidates], descending=True, stable=True).indices[:count]]
    chosen = torch.zeros(len(flat), dtype=torch.bool)
    chosen[best] = True
    return chosen.view(score.shape)


LOCATIONS: Registry[LocationSpec] = Registry(
    "lethe.locations",
    "server.revival.locate:LocationSpec",
    {
        "exact_zeros": "server.revival.locate:ExactZeros",
        "extremes": "server.revival.locate:Extremes",
        "threshold": "server.revival.locate:Threshold",
    },
)
