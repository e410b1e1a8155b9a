"""L-CODEC: a Newton step on the weights of those units alone on which the rows' loss depends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.streams import Field, generator, order
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Guarantee, UnlearningError
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.derivatives import SUM
from clients.unlearning.general.step_of_sums import StepOfSums

if TYPE_CHECKING:
    from torch import Tensor

    from clients.data.rows import Rows
    from clients.unlearning.general.curvature import Curvature, Solution
    from clients.unlearning.general.derivatives import Asked, Local
    from clients.unlearning.general.units import Unit

_CHOSEN = "chosen"
"""Name of what is asked for: the parameters of the units on which the loss of rows depends."""
_JITTER = 1e-6
"""Noise on answers, per standard deviation, that leaves no two of them equal."""


class LCodec(StepOfSums):
    """Finds the few units on whose answers the rows' loss depends, and takes a Newton step on their weights; all others keep their bits.

    The rows are perturbed, and units are chosen greedily by conditional dependence of the loss on their answers; one choice serves all
    rows of a request. Other weights keep what they know of the rows, and which were chosen tells something of them.

    An averaging server takes the step on the global model with sums over peers. Each peer that asks chooses ``units`` for its own rows, and
    the step is on those of all of them.

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
    iterations: Iterations = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6
    gap: Annotated[float, Setting(ge=0, le=1)] = 0.05

    def step(self, curvature: Curvature, rows: Asked, learning: Learning, key: tuple[Field, ...]) -> list[str]:
        """Take the step; return notes. Nothing moves if no row is kept."""
        from clients.unlearning.general.units import among

        before = curvature.weights()
        inside = rows.sum({_CHOSEN: np.array(1)}) > 0
        if not rows.retained:
            return []
        solved = self.stepped(curvature, rows, inside)
        self._check(learning, before, curvature.weights())
        units = among(curvature.module, curvature.named(inside))
        told = f"{len(units)} units changed, of {len({one.layer for one in units})} layers"
        return [told, f"{COST_NOTE}{solved.iterations} conjugate-gradient iterations, relative residual {solved.residual:.1g}"]

    def reply(self, rows: Local, learning: Learning, key: tuple[Field, ...], question: Arrays) -> Arrays:
        """Return which parameters belong to units on which the loss of the rows to forget depends; else as any step of sums."""
        import torch

        from clients.unlearning.general.curvature import joined
        from clients.unlearning.general.units import masks

        if _CHOSEN not in question:
            return super().reply(rows, learning, key, question)
        if not len(rows.forget):
            return {SUM: torch.zeros_like(rows.curvature.flat()).cpu().numpy()}
        theirs = masks(rows.curvature.module, self.chosen(rows.curvature, rows.forget, key))
        return {SUM: joined(list(theirs.values())).double().cpu().numpy()}

    def chosen(self, curvature: Curvature, forget: Rows, key: tuple[Field, ...]) -> list[Unit]:
        """Return the units on which the loss of perturbed copies of the rows depends, strongest first; none if it depends on none.

        Of more rows than ``copies``, as many are drawn by key.
        """
        import torch

        from clients.unlearning.general.dependence import dependence, selected, squared_distances
        from clients.unlearning.general.units import answers

        looked = order(forget.ids, *key, "copies") if len(forget) > self.copies else np.arange(len(forget))
        turn, chance = looked[np.arange(self.copies) % len(forget)], generator(*key, "copies")
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

    def stepped(self, curvature: Curvature, rows: Asked, inside: Tensor) -> Solution:
        """Take a Newton step on some parameters alone, a mask (k,), and return how it was solved; all others keep their bits."""
        import torch

        from clients.unlearning.general.curvature import conjugate_gradients

        right = inside * rows.gradient()
        damping = self.damping * rows.count

        def product(direction: Tensor) -> Tensor:
            return damping * direction + inside * rows.product(inside * direction, "gauss_newton")

        solved = conjugate_gradients(product, right, self.tolerance, self.iterations).trusted(self.kind)
        curvature.put(torch.where(inside, curvature.flat() + solved.x, curvature.flat()))
        return solved

    def _check(self, learning: Learning, before: Arrays, after: Arrays) -> None:
        """Raise ``UnlearningError`` if the accuracy on validation rows has fallen by more than the gap."""
        rows = learning.validation
        if rows is None or not len(rows):
            return
        was, now = (float((learning.network.probabilities(one, rows.x).argmax(axis=1) == rows.y).mean()) for one in (before, after))
        if was - now > self.gap:
            told = f"accuracy on validation rows would fall from {was:.3f} to {now:.3f}, more than gap = {self.gap:g}"
            raise UnlearningError(f"l_codec: {told}: ask for fewer rows, or take a larger gap or damping")
