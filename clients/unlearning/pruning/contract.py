"""The contract of erasers: from a model and a concept to a cut."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveInt

from clients.iterations import Iterations
from clients.spec import Spec
from clients.streams import Field

if TYPE_CHECKING:
    from torch import Tensor, nn

Rows = Literal["forget", "retain", "all"]
Scope = Literal["feed_forward_out", "feed_forward", "cross_attention", "all_but_cross_attention", "all"]
"""Weights of a denoiser that an eraser may change; see `clients.unlearning.pruning.gradients.chosen`."""


class Subject(ABC):
    """A diffusion model as an eraser sees it, together with the concept to erase.

    Attributes
    ----------
    module : torch module
        The UNet; its feed-forward output layers are found by name.
    target : str
        The concept to erase, one of ``concepts``.
    concepts : tuple of str
        All concepts of the same axis.
    guided : bool
        Whether each call of the UNet carries an unconditional half before the conditional one.
    """

    module: nn.Module
    target: str
    concepts: tuple[str, ...]
    guided: bool

    @abstractmethod
    def samples(self, conditions: str) -> int:
        """Return the number of samples in a set of conditions: ``"target"``, ``"base"``, or the name of a concept."""

    @abstractmethod
    def runs(self, conditions: str) -> Iterator[Callable[[], object]]:
        """Yield sampler runs over a set of conditions; every set starts from the same noise."""

    @abstractmethod
    def loss(self, rows: Rows, step: int, batch_size: int) -> Tensor:
        """Return the denoising loss on a batch of real images, keyed by rows and step; ``UnlearningError`` without images."""

    @abstractmethod
    def redirection(self, step: int, batch_size: int) -> Tensor:
        """Return the distance of the noise predicted under the target from that predicted under another concept, without its gradient."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return everything that determines the sampler runs, for the record: condition sets, sampler, key."""


@dataclass(frozen=True)
class Cut:
    """The result of an eraser; masks and weights are always on the CPU.

    Parameters
    ----------
    masks : dict of str to bool tensor, shape (m, n)
        Feed-forward output weights set to zero, by layer name; empty if none were.
    weights : dict of str to tensor
        New values of every parameter that changed, by parameter name.
    record : dict
        Settings and measurements as plain values. As secret as the mask.
    statistics : dict of str to tensor
        Statistics on which the selection is based, by name; for the record.
    """

    masks: dict[str, Tensor]
    weights: dict[str, Tensor]
    record: dict[str, Any]
    statistics: dict[str, Tensor] = field(default_factory=dict)

    def apply(self, module: nn.Module) -> None:
        """Write the new values into the module; ``KeyError``, and nothing written, if the module lacks a parameter."""
        import torch

        parameters = dict(module.named_parameters())
        missing = sorted(set(self.weights) - set(parameters))
        if missing:
            raise KeyError(f"parameter {missing[0]}: the model has none of that name; the cut was made for another model")
        with torch.no_grad():
            for name, value in self.weights.items():
                parameters[name].copy_(value)


class EraserSpec(Spec):
    """Base class of erasers in scenarios."""

    summary: ClassVar[str]
    """One line for ``lethe methods``."""
    source: ClassVar[str]
    """Paper, year."""
    needs_images: ClassVar[bool] = False
    """Whether it needs real images of the concept and of others."""
    needs_guidance: ClassVar[bool] = False
    """Whether it reads the unconditional noise, which is predicted only where sampling is guided."""
    zeroes: ClassVar[bool] = True
    """Whether it sets weights to zero and returns their masks; other erasers change weights without a mask."""

    @property
    def reach(self) -> Scope:
        """Which weights it may change: its ``scope``, or the feed-forward output weights if it has none."""
        scope: Scope = getattr(self, "scope", "feed_forward_out")
        return scope

    @abstractmethod
    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the cut; the subject's module stays unchanged.

        ``UnlearningError`` if the concept cannot be erased in this way.
        """


class GradientEraser(EraserSpec):
    """Base class of erasers that find weights by gradients on real images, and change them without setting any to zero.

    Parameters
    ----------
    batches : int
        Batches over which gradients are averaged.
    batch_size : int
        Images per batch.
    scope : {"feed_forward_out", "feed_forward", "all"}
        Which weights may change.
    """

    needs_images: ClassVar[bool] = True
    zeroes: ClassVar[bool] = False
    batches: Iterations = 16
    batch_size: PositiveInt = 32
    scope: Literal["feed_forward_out", "feed_forward", "all"] = "feed_forward"


def zeroed(module: nn.Module, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the feed-forward output weights with the masked entries set to zero, by parameter name."""
    return {f"{name}.weight": module.get_parameter(f"{name}.weight").detach().cpu().masked_fill(mask, 0.0) for name, mask in masks.items()}
