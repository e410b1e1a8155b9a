"""The knowledge of adversaries: objects that hold copies, from which nothing else can be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
"""Feed-forward output weights ``(output units, hidden neurons)`` by layer name."""
Masks = Mapping[str, Tensor]
"""Bool tensors by layer name, true for cut entries."""
Example = tuple[Weights, Masks]
"""A release, and the entries cut from it."""
Tune = Callable[[Weights, int, float], Weights]
"""Maps weights, a number of training steps and a learning rate to new weights."""
Learn = Callable[[int, float], Tensor]
"""Maps a number of training steps and a learning rate to an embedding."""


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return detached copies: no storage, gradient, or graph is shared with the originals."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@dataclass(frozen=True)
class WeightsOnly:
    """The released weights, which every user of the model has."""

    weights: Weights

    def __post_init__(self) -> None:
        for name, value in tuple(vars(self).items()):
            if isinstance(value, Mapping):
                object.__setattr__(self, name, copied(value))


@dataclass(frozen=True)
class WithDensity(WeightsOnly):
    """Also the share of entries that were cut, in (0, 1): the method and its settings are known."""

    density: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.density < 1:
            raise ValueError(f"density {self.density}: wants a share of entries strictly between 0 and 1")


@dataclass(frozen=True)
class Adaptive(WithDensity):
    """Also the noise level of the fill: its standard deviation relative to that of the untouched entries."""

    ratio: float


@dataclass(frozen=True)
class WithMask(WeightsOnly):
    """Also the cut itself: from a leaked log, or of a client that compares its update with the released model."""

    mask: Masks


@dataclass(frozen=True)
class WithShares(WithMask):
    """Also the share of clients, by weight, that cut and were averaged with the others."""

    share: float


@dataclass(frozen=True)
class History(WeightsOnly):
    """Also earlier releases, oldest first: an aggregator, or any client that kept an old model."""

    earlier: tuple[Weights, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.earlier:
            raise ValueError("history: wants at least one earlier release")
        object.__setattr__(self, "earlier", tuple(copied(release) for release in self.earlier))


@dataclass(frozen=True)
class UnprunedClient(WeightsOnly):
    """Also the update of one client that did not cut: an aggregator without secure summation, or a neighbour."""

    client: Weights


@dataclass(frozen=True)
class OwnImages(WeightsOnly):
    """Also the rest of the released model, and ``images`` images of the concept; ``tune`` trains the model on these images."""

    images: int
    tune: Tune


@dataclass(frozen=True)
class OtherImages(OwnImages):
    """As `OwnImages`, but the images show other concepts: who tunes the model for a purpose of its own, and means no harm."""


@dataclass(frozen=True)
class OwnEmbedding(WeightsOnly):
    """The same knowledge, of who changes no weight: ``learn`` trains what stands for the concept in the condition, on ``images`` images."""

    images: int
    learn: Learn


@dataclass(frozen=True)
class WithActivity(WeightsOnly):
    """Also how strongly each concept excites each hidden neuron, float64 ``(n,)`` by layer: found by sampling the released model."""

    activity: tuple[Mapping[str, Tensor], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "activity", tuple(copied(one) for one in self.activity))


@dataclass(frozen=True)
class OwnReleases(WeightsOnly):
    """Also releases of the adversary's own making, whose cuts it knows, as it knows how concepts are cut and cuts filled.

    They may be made of the released model itself; the cut that it came with then lies in each of them, unmarked.
    """

    examples: tuple[Example, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.examples:
            raise ValueError("examples: wants at least one release of the adversary's own making")
        object.__setattr__(self, "examples", tuple((copied(weights), copied(masks)) for weights, masks in self.examples))


@dataclass(frozen=True)
class Revived:
    """The result of an attack.

    Parameters
    ----------
    weights : dict of str to tensor
        The refilled weights, in the dtypes of the release.
    places : dict of str to bool tensor
        Entries that the adversary takes for the cut.
    guesses : dict of str to float tensor
        Guessed values of these entries before retention and scaling, 0 elsewhere.
    said : str
        One line on what the attack did, or why it did nothing.
    embedding : float32 tensor, shape (width,), optional
        What stands for the concept in the condition; default: the model's own.
    suspects : tuple of int
        Concepts by their ids on the axis of the erased one, the likeliest first; empty if none is named.
    columns : dict of str to tensor
        How much each column looks edited, ``(n,)`` by layer; empty if the adversary has no score of its own.
    """

    weights: dict[str, Tensor]
    places: dict[str, Tensor]
    guesses: dict[str, Tensor]
    said: str
    embedding: Tensor | None = None
    suspects: tuple[int, ...] = ()
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def confidence(self) -> dict[str, Tensor]:
        """Absolute value of each guess."""
        return {name: guess.abs() for name, guess in self.guesses.items()}


def unplaced(weights: Weights, said: str, embedding: Tensor | None = None, suspects: tuple[int, ...] = ()) -> Revived:
    """Return the result of an attack that locates and guesses nothing, or that did nothing, with the reason."""
    nowhere = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    guesses = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    return Revived(copied(weights), nowhere, guesses, said, embedding, suspects)
