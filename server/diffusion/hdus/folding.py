"""What a server releases of seed denoisers: a pure function of the seeds that it has, so that a departure leaves nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from server.aggregation.mean import misfit, weighted_mean
from server.defences.filling import fillable
from server.defences.fills import FillSpec
from server.defences.secret import Secret
from server.diffusion.release.contract import Arrays, Masks, by_parameter, cut_by_any, feed_forward, masks_of_nothing, over_budget, reply
from server.diffusion.release.policies import PolicySpec
from server.diffusion.release.update import DenoiserUpdate

SCALES = (1.0, 1.5, 2.0, 2.5, 3.0)
"""The scales among which the error on the public reference images chooses."""


@dataclass(frozen=True)
class Folded:
    """A release: its exchanged weights, what is cut of it, what other seeds may not change of it, and the scale of its step."""

    weights: Arrays
    cut: Masks
    frozen: Masks
    scale: float


@dataclass(frozen=True)
class Folding:
    """How seeds are folded to a release.

    Parameters
    ----------
    start : dict of str to float32 array
        The public weights from which all seeds were distilled.
    layers : tuple of str
        Names of the feed-forward output layers.
    policy : PolicySpec
    secret : Secret
    """

    start: Arrays
    layers: tuple[str, ...]
    policy: PolicySpec
    secret: Secret

    def refusal(self, seed: DenoiserUpdate) -> str | None:
        """Return why a seed cannot be folded, or None: it does not fit the others, or cuts more than the policy's budget."""
        return misfit(seed.weights, self.start) or over_budget(seed, self.layers, self.policy)

    def acceptable(self, seeds: Sequence[DenoiserUpdate]) -> list[DenoiserUpdate]:
        """Return the seeds of peers that have images, and that can be folded."""
        return [seed for seed in seeds if seed.count and self.refusal(seed) is None]

    def release(self, seeds: Sequence[DenoiserUpdate], scale: float, fills: Sequence[FillSpec] = ()) -> Folded:
        """Return ``start + scale * (mean - start)``, weighted by images, with cuts as the policy joins them, and filled.

        Updates of peers are nearly orthogonal, so that their mean is shorter than each of them; the scale makes up for it. Masks are those
        of the seeds as sent: scaled, an entry that was cut would not be zero. Without seeds, this is the public start.

        Parameters
        ----------
        seeds : sequence of DenoiserUpdate
            In peer order.
        scale : float
        fills : sequence of FillSpec
            The defences in force, in order; each draws from the secret what it would have drawn before.
        """
        none = masks_of_nothing(self.start, self.layers)
        if not seeds:
            return Folded(dict(self.start), none, none, scale)
        moved = [replace(seed, weights=self._moved(seed.weights, scale)) for seed in seeds]
        folded = self.policy.aggregate([reply(seed, self.layers) for seed in moved], self.secret)
        weights = weighted_mean([seed.weights for seed in moved], [float(seed.count) for seed in moved]) | by_parameter(folded.weights)
        frozen = {**none, **folded.frozen} if self.policy.freezes else none
        made = Folded(weights, frozen if self.policy.freezes else {**none, **cut_by_any(seeds)}, frozen, scale)
        for fill in fills:
            made = self.filled(made, fill)
        return made

    def filled(self, one: Folded, fill: FillSpec) -> Folded:
        """Return a release with its cut filled; what the fill writes, also outside the cut, is frozen. A layer cut whole stays zero."""
        sealed = fill.seal(feed_forward(one.weights, self.layers), fillable(one.cut), self.secret)
        frozen = {layer: mask | sealed.filled[layer] for layer, mask in one.frozen.items()}
        return replace(one, weights={**one.weights, **by_parameter(sealed.weights)}, frozen=frozen)

    def chosen(self, seeds: Sequence[DenoiserUpdate], error: Callable[[Arrays], float]) -> float:
        """Return the scale of the release with the smallest error, before any defence fills it; the smallest such scale."""
        return min(SCALES, key=lambda scale: error(self.release(seeds, scale).weights)) if seeds else SCALES[0]

    def _moved(self, weights: Arrays, scale: float) -> Arrays:
        """Return weights moved on from the start; sums run in float64."""
        step = {name: array.astype(np.float64) - self.start[name] for name, array in weights.items()}
        return {name: (self.start[name] + scale * step[name]).astype(array.dtype) for name, array in weights.items()}
