"""Adversaries of a released checkpoint: what each knows beside the weights, and what it makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.revival.adversaries import Historian, Quantise
from server.revival.attack import Revival, revive
from server.revival.knowledge import History, WeightsOnly, WithMask
from simulator.checkpoints import tensors
from simulator.checkpoints.cut import Zeros, all_zero, find_cut, survey
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import Checkpoint, Layer, find_given
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.smallest import Smallest, check_taken, smallest
from simulator.checkpoints.workshop import stamps
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

Weights = dict[str, "Tensor"]
Facts = dict[str, dict[str, Any]]
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
NOTE = "confidence: quantiles of the guesses' sizes over the root mean square of the layer's observed weights"


class Adversary(ABC):
    """One who has the released weights, and what it was given when it was made; it can reach nothing else.

    ``zeros`` are those of the released layers once they were surveyed, for the report.
    """

    zeros: Mapping[str, Zeros]
    note = ""
    """What the report says about its figures."""

    @abstractmethod
    def told(self) -> dict[str, Any]:
        """Return everything that determines the result, besides the checkpoint, as plain values."""

    def layers(self, checkpoint: Checkpoint, bars: Bars) -> list[Layer]:
        """Return the layers to be changed; by default all but those of nothing but zeros."""
        self.zeros = survey(checkpoint, bars.stage("looking for zeros", len(checkpoint.layers)))
        found = [layer for layer in checkpoint.layers if not self.zeros[layer.name].all]
        if not found:
            raise LetheError(f"{checkpoint.root}: its feed-forward layers hold nothing but zeros; give a trained checkpoint")
        return found

    @abstractmethod
    def attack(self, weights: Weights) -> tuple[Weights, Facts]:
        """Return new weights of some layers, and each layer's part of the report."""

    @abstractmethod
    def said(self, facts: Facts) -> str:
        """Return a line on what was done."""

    def _where(self, facts: Facts) -> str:
        return f"in {len(facts)} of {len(self.zeros)} layers{all_zero(dict(self.zeros))}"


class Completing(Adversary):
    """Completes what it takes for the cut: exact zeros, in layers with more than underflow explains.

    Parameters
    ----------
    settings : Revival
        Its location is not used.
    random_signs : bool
        Draw the signs instead of completing, as a control that a revival must beat.
    """

    note = NOTE

    def __init__(self, settings: Revival, random_signs: bool = False) -> None:
        self.settings, self.random_signs = settings.settled(), random_signs

    def told(self) -> dict[str, Any]:
        """Return the settings of the completion, and where it runs."""
        on = {"on": self.settings.arithmetic.device}
        return self.settings.model_dump(mode="json", exclude={"location"}) | {"random_signs": self.random_signs} | on

    def layers(self, checkpoint: Checkpoint, bars: Bars) -> list[Layer]:
        """Return the layers with a cut; ``LetheError`` if there are none."""
        self.zeros, layers = find_cut(checkpoint, bars)
        return layers

    def places(self, name: str, weight: Tensor) -> Tensor:
        """Return the entries of a layer that are taken for the cut, bool ``(m, n)``."""
        return weight == 0

    def attack(self, weights: Weights) -> tuple[Weights, Facts]:
        """Complete, keep the most confident signs, scale."""
        masks = {name: self.places(name, weight) for name, weight in weights.items()}
        if self.random_signs:
            from server.revival import oracle

            new = oracle.random_signs(weights, masks, self.settings, ("revive", self.settings.seed))
            return new, {name: _facts(new[name], masks[name], None) for name in weights}
        result = revive(WithMask(weights, masks), self.settings)
        return result.weights, {name: _facts(result.weights[name], masks[name], result.guesses[name]) for name in weights}

    def said(self, facts: Facts) -> str:
        """Return how much was refilled, and where."""
        places, kept = (sum(one[key] for one in facts.values()) for key in ("places", "refilled"))
        return f"{kept} of {places} lost weights refilled {self._where(facts)}"


class Masked(Completing):
    """Knows the mask: completes where another copy, which was not sealed, is zero.

    Parameters
    ----------
    mask : Path
        That copy.
    variant : str, optional
        Which of its weights, if there are several.
    """

    def __init__(self, mask: Path, settings: Revival, random_signs: bool = False, variant: str | None = None) -> None:
        super().__init__(settings, random_signs)
        self.mask = find_given("--mask", mask, variant)

    def told(self) -> dict[str, Any]:
        """Return the settings, and the copy."""
        return super().told() | identity("mask", self.mask)

    def layers(self, checkpoint: Checkpoint, bars: Bars) -> list[Layer]:
        """Return the layers that are cut in the other copy, and not all zero; ``LetheError`` if it has none, or is of another model."""
        self._others = alike("--mask", self.mask, checkpoint)
        zeros, cut = find_cut(self.mask, bars, "--mask")
        released = survey(checkpoint, bars.stage("looking for zeros", len(checkpoint.layers)))
        self.zeros = zeros | {name: one for name, one in released.items() if one.all}
        names = {layer.name for layer in cut}
        layers = [layer for layer in checkpoint.layers if layer.name in names and not released[layer.name].all]
        if not layers:
            what = f"the {len(cut)} layers that --mask {self.mask.root} cuts hold nothing but zeros, from which nothing is completed"
            raise LetheError(f"{checkpoint.root}: {what}; give a trained checkpoint")
        return layers

    def places(self, name: str, weight: Tensor) -> Tensor:
        """Return where the other copy is zero."""
        layer = self._others[name]
        return tensors.read(self.mask.shard(layer), layer.tensor) == 0


class Guessing(Completing):
    """Knows how much was cut, and takes the smallest weights of all layers for it.

    Parameters
    ----------
    density : float
        Share of the feed-forward output weights that was cut, in (0, 1).
    """

    def __init__(self, density: float, settings: Revival, random_signs: bool = False) -> None:
        super().__init__(settings, random_signs)
        if not 0 < density < 1:
            raise LetheError(f"--density {density}: wants a share of the weights above 0 and below 1")
        self.density = density

    def told(self) -> dict[str, Any]:
        """Return the settings, and how much was cut."""
        return super().told() | {"density": self.density}

    def layers(self, checkpoint: Checkpoint, bars: Bars) -> list[Layer]:
        """Return all layers but those of nothing but zeros, and find the smallest weights in them."""
        layers = Adversary.layers(self, checkpoint, bars)
        step, by_name = bars.stage("looking for the smallest weights", 2 * len(layers)), {layer.name: layer for layer in layers}

        def read(name: str) -> Tensor:
            step(1)
            return tensors.read(checkpoint.shard(by_name[name]), by_name[name].tensor)

        self._smallest: Smallest = smallest(by_name, read, self.density)
        check_taken(self._smallest, {layer.name: prod(layer.shape) for layer in layers}, self.density)
        return layers

    def places(self, name: str, weight: Tensor) -> Tensor:
        """Return the entries of a layer that are among the smallest of all."""
        return self._smallest.places(name, weight)


class Remembering(Adversary):
    """Kept an earlier or a public model; writes its weights back where they fell to zero, or moved far more than the others.

    Parameters
    ----------
    earlier : Path
    variant : str, optional
        Which of its weights, if there are several.
    """

    def __init__(self, earlier: Path, variant: str | None = None) -> None:
        self.earlier = find_given("--earlier", earlier, variant)

    def told(self) -> dict[str, Any]:
        """Return the earlier model."""
        return identity("earlier", self.earlier)

    def layers(self, checkpoint: Checkpoint, bars: Bars) -> list[Layer]:
        """Return all layers, as whole ones may have been cut; ``LetheError`` if the earlier model is another one."""
        self._others = alike("--earlier", self.earlier, checkpoint)
        self.zeros = survey(checkpoint, bars.stage("looking for zeros", len(checkpoint.layers)))
        return list(checkpoint.layers)

    def attack(self, weights: Weights) -> tuple[Weights, Facts]:
        """Write back what changed too much."""
        old = {name: self._read(name).to(weight.dtype) for name, weight in weights.items()}
        result = Historian().attack(History(weights, (old,)))
        shapes = {name: list(weight.shape) for name, weight in weights.items()}
        return result.weights, {name: {"shape": shape, "places": int(result.places[name].sum())} for name, shape in shapes.items()}

    def _read(self, name: str) -> Tensor:
        return tensors.read(self.earlier.shard(self._others[name]), self._others[name].tensor)

    def said(self, facts: Facts) -> str:
        """Return how much was written back."""
        found = {name: one for name, one in facts.items() if one["places"]}
        if not found:
            return f"no weight differs enough from {self.earlier.root} to be a cut: the weights are as they came"
        places = sum(one["places"] for one in found.values())
        return f"{places} weights written back from {self.earlier.root} in {len(found)} of {len(facts)} layers"


class Rounding(Adversary):
    """Rounds the weights to few bits, which undoes small updates.

    Parameters
    ----------
    bits : int
        2 to 8.
    """

    def __init__(self, bits: int) -> None:
        if not 2 <= bits <= 8:
            raise LetheError(f"--bits {bits}: wants 2 to 8")
        self.bits = bits

    def told(self) -> dict[str, Any]:
        """Return the bits."""
        return {"bits": self.bits}

    def attack(self, weights: Weights) -> tuple[Weights, Facts]:
        """Round the weights, row by row."""
        rounded = Quantise(bits=self.bits).attack(WeightsOnly(weights)).weights
        changed = {name: int((rounded[name] != weight).sum()) for name, weight in weights.items()}
        return rounded, {name: {"shape": list(weight.shape), "changed": changed[name]} for name, weight in weights.items()}

    def said(self, facts: Facts) -> str:
        """Return how many layers were rounded."""
        return f"weights rounded to {self.bits} bits {self._where(facts)}"


def identity(role: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what distinguishes a checkpoint that an adversary has from others, as plain values."""
    return {role: str(checkpoint.root), f"{role}_files": stamps(checkpoint)}


def alike(option: str, other: Checkpoint, checkpoint: Checkpoint) -> dict[str, Layer]:
    """Return the other checkpoint's layers by name; ``LetheError`` unless both have the same ones, and its weights are finite."""
    shapes = [{layer.name: layer.shape for layer in one.layers} for one in (other, checkpoint)]
    if shapes[0] != shapes[1]:
        raise LetheError(f"{option} {other.root}: is of another model than {checkpoint.root}; give a copy of the same model")
    check_weights(other)
    return {layer.name: layer for layer in other.layers}


def _facts(new: Tensor, mask: Tensor, guess: Tensor | None) -> dict[str, Any]:
    """Return the report of one layer; confidence is a guess's absolute value relative to the observed entries' root mean square."""
    import torch

    facts: dict[str, Any] = {"shape": list(new.shape), "places": int(mask.sum()), "refilled": int((new[mask] != 0).sum())}
    if guess is None or not facts["places"]:
        return facts | {"confidence": None}
    observed = new[~mask].double()
    scale = float(observed.square().mean().sqrt()) if len(observed) else 1.0
    sizes = guess[mask].double().abs().sort().values / max(scale, 1e-300)
    at = [int(q * (len(sizes) - 1) + 0.5) for q in _QUANTILES]  # torch.quantile does not support large tensors
    confidence: dict[str, float] = {str(q): round(float(sizes[i]), 6) for q, i in zip(_QUANTILES, at, strict=True)}
    return facts | {"without_guess": int((sizes == 0).sum()), "confidence": confidence | {"mean": round(float(torch.mean(sizes)), 6)}}
