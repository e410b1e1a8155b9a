"""L-CODEC: a Newton step on the weights of those units alone on which the rows' loss depends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Rows
from clients.streams import Field, generator
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Cost, Guarantee, Outcome, UnlearningError
from clients.unlearning.general.contract import Learning, MethodSpec

if TYPE_CHECKING:
    from clients.unlearning.general.curvature import Curvature, Solution
    from clients.unlearning.general.units import Unit

_JITTER = 1e-6
"""Noise on answers, per standard deviation, that leaves no two of them equal."""


class LCodec(MethodSpec):
    """Finds the few units on whose answers the rows' loss depends, and takes a Newton step on their weights; all others keep their bits.

    The rows are perturbed, and units are chosen greedily by conditional dependence of the loss on their answers; one choice serves all
    rows of a request. Other weights keep what they know of the rows, and which were chosen tells something of them.

    Parameters
    ----------
    copies : int
        Perturbed copies of the rows, in turn, from which dependence is measured.
    spread : float
        Standard deviation of the perturbation of inputs.
    candidates : int
        Units among which is chosen: those on which the loss depends most by themselves.
    units : int
        Largest number of units whose weights change.
    damping : float
        Added to the Gauss-Newton matrix of the kept rows, per row.
    iterations : int
        Largest number of conjugate-gradient iterations.
    tolerance : float
        Relative residual at which the solve ends.
    gap : float
        Largest loss of accuracy on validation rows, where there are any; a request that would cost more is refused.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "a Newton step on the weights of the units on which the rows' loss depends; the others keep their bits"
    source: ClassVar[str] = "Mehta, Pal, Singh, Ravi, Deep Unlearning via Randomized Conditionally Independent Hessians, CVPR 2022"

    kind: Literal["l_codec"] = "l_codec"
    copies: Annotated[int, Setting(ge=20)] = 200
    spread: PositiveFloat = 0.1
    candidates: PositiveInt = 256
    units: PositiveInt = 16
    damping: NonNegativeFloat = 1e-2
    iterations: PositiveInt = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6
    gap: Annotated[float, Setting(ge=0, le=1)] = 0.05

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after the step on the chosen units; those before any training, which is exact, if no row is kept."""
        from clients.unlearning.general.curvature import Curvature

        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        curvature = Curvature(learning.network, weights, learning.training)
        chosen = self.chosen(curvature, forget, key)
        found, solved = self.stepped(curvature, weights, chosen, forget, retain)
        self._check(learning, weights, found)
        told = f"{len(chosen)} units changed, of {len({one.layer for one in chosen})} layers"
        cost = f"{COST_NOTE}{solved.iterations} conjugate-gradient iterations, relative residual {solved.residual:.1g}"
        return found, Outcome(Cost(parts=1), self.guarantee, notes=(told, cost))

    def chosen(self, curvature: Curvature, forget: Rows, key: tuple[Field, ...]) -> list[Unit]:
        """Return the units on which the loss of perturbed copies of the rows depends, strongest first; none if it depends on none."""
        import torch

        from clients.unlearning.general.dependence import dependence, selected, squared_distances
        from clients.unlearning.general.units import answers

        turn, chance = np.arange(self.copies) % len(forget), generator(*key, "copies")
        inputs = curvature.network.inputs(forget.x[turn]).double()
        noise = torch.from_numpy(chance.standard_normal(tuple(inputs.shape))).to(inputs)
        units, found, logits = answers(curvature.module, inputs + self.spread * noise)
        wanted = curvature.network.targets(np.asarray(forget.y[turn]))
        loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="none").cpu().numpy()
        spoken = found.cpu().numpy()
        varied = np.flatnonzero(spoken.std(axis=0) > 0)
        answered = spoken[:, varied] + _JITTER * spoken[:, varied].std(axis=0) * chance.standard_normal((len(spoken), len(varied)))
        alone = np.array([dependence(loss, squared_distances(column)) for column in answered.T])
        best = np.sort(np.argsort(-alone, kind="stable")[: self.candidates])
        return [units[varied[best[j]]] for j in selected(loss, answered[:, best], self.units)]

    def stepped(self, curvature: Curvature, weights: Arrays, chosen: list[Unit], forget: Rows, retain: Rows) -> tuple[Arrays, Solution]:
        """Return the weights after a Newton step on those of some units alone, and how it was solved; all other weights keep their bits."""
        import torch

        from clients.unlearning.general.curvature import conjugate_gradients, joined
        from clients.unlearning.general.units import masks

        theirs = masks(curvature.module, chosen)
        inside = joined(list(theirs.values())).to(torch.float64)

        def product(direction: torch.Tensor) -> torch.Tensor:
            return self.damping * len(retain) * direction + inside * curvature.product(retain, inside * direction, "gauss_newton")

        solved = conjugate_gradients(product, inside * curvature.gradient(forget), self.tolerance, self.iterations)
        curvature.move(solved.x)
        moved = {name: mask.cpu().numpy() for name, mask in theirs.items()}
        found = curvature.weights()
        return {name: np.where(moved[name], found[name], old) if name in moved else old for name, old in weights.items()}, solved

    def _check(self, learning: Learning, before: Arrays, after: Arrays) -> None:
        """Raise ``UnlearningError`` if the accuracy on validation rows has fallen by more than the gap."""
        rows = learning.validation
        if rows is None or not len(rows):
            return
        was, now = (float((learning.network.probabilities(one, rows.x).argmax(axis=1) == rows.y).mean()) for one in (before, after))
        if was - now > self.gap:
            told = f"accuracy on validation rows would fall from {was:.3f} to {now:.3f}, more than gap = {self.gap:g}"
            raise UnlearningError(f"l_codec: {told}: ask for fewer rows, or take a larger gap or damping")
