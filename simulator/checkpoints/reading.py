"""The adversary of a released checkpoint who learns from releases of its own what edited columns look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.revival.attack import Revival
from server.revival.reader import Reader
from simulator.checkpoints import tensors
from simulator.checkpoints.adversaries import NOTE, Adversary, Completing, alike, identity
from simulator.checkpoints.cut import find_cut
from simulator.checkpoints.folder import Checkpoint, Layer, find_given
from simulator.checkpoints.progress import Bars
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

_ALIKE = 0.5
"""Share of the untouched columns' weights that must be the same in both copies of an example; a fill may write into other columns, too."""


class Reading(Completing):
    """Has pruned and sealed pipelines itself, learns from these what edited columns look like, and completes the smallest weights of the
    columns that look most edited.

    Parameters
    ----------
    examples : sequence of (Path, Path)
        A pipeline as it would be released, and the same one pruned and not sealed, whose zeros are the cut.
    variant : str, optional
        Which of their weights, where there are several.
    """

    note = f"{NOTE}; how well edited columns were told cannot be said of a release whose cut is not known"

    def __init__(
        self, examples: Sequence[tuple[Path, Path]], settings: Revival, random_signs: bool = False, variant: str | None = None
    ) -> None:
        super().__init__(settings, random_signs)
        self.examples = [
            (find_given("--example", release, variant), find_given("--example-mask", mask, variant)) for release, mask in examples
        ]

    def told(self) -> dict[str, Any]:
        """Return the settings, and the examples."""
        return super().told() | {"examples": [identity("release", release) | identity("mask", mask) for release, mask in self.examples]}

    def layers(self, checkpoint: Checkpoint, bars: Bars) -> list[Layer]:
        """Return all layers but those of nothing but zeros, and learn from the examples, whose layers are read one at a time."""
        layers = Adversary.layers(self, checkpoint, bars)
        pairs = [(release, alike("--example", release, mask), mask, _taught(mask, bars)) for release, mask in self.examples]
        step = bars.stage("learning from examples", sum(len(taught) for *_, taught in pairs))
        lessons = (lesson for pair in pairs for lesson in _lessons(*pair, step))
        try:
            self._reader = Reader(lessons)
        except ValueError as error:
            raise LetheError(f"--example: {error}; give examples of which some columns were cut") from None
        return layers

    def places(self, name: str, weight: Tensor) -> Tensor:
        """Return the entries of a layer that the detector takes for the cut."""
        return self._reader.places({name: weight})[name]


def _taught(mask: Checkpoint, bars: Bars) -> list[tuple[Layer, bool]]:
    """Return all layers but those of nothing but zeros, each with whether something was cut from it; ``LetheError`` if nothing was."""
    found, cut = find_cut(mask, bars, "--example-mask")
    return [(layer, layer in cut) for layer in mask.layers if not found[layer.name].all]


def _lessons(
    release: Checkpoint, others: dict[str, Layer], mask: Checkpoint, taught: list[tuple[Layer, bool]], step: Callable[[int], None]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield weights and mask of each layer; ``LetheError`` if the copies differ outside the cut, as those of two pipelines do."""
    for layer, cut in taught:
        other = others[layer.name]
        weight, pruned = tensors.read(release.shard(other), other.tensor), tensors.read(mask.shard(layer), layer.tensor)
        zeros = (pruned == 0) & cut
        same = (weight == pruned)[:, ~zeros.any(dim=0)]
        if same.numel() and float(same.double().mean()) < _ALIKE:
            raise LetheError(
                f"--example {release.root}: is no copy of --example-mask {mask.root}; give both of the same pipeline, in the same order"
            )
        yield weight, zeros
        step(1)
