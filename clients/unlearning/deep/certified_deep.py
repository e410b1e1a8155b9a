"""A Newton step by sampled Hessian products, and noise: certified where its assumptions hold, which they do not in deep networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Rows
from clients.iterations import Iterations, IterationsFromZero
from clients.training import Arrays
from clients.unlearning.deep.contract import Deep

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student
    from clients.unlearning.general.curvature import Curvature


class CertifiedDeep(Deep):
    """Bounds the norm of the weights, takes a Newton step on the retained rows' loss, and adds noise.

    The inverse of the Hessian is a sum of powers (LiSSA), over batches drawn by key. The paper's certificate assumes constants that nobody
    knows of a deep network, so that this one is called approximate.

    Parameters
    ----------
    bound : float
        Largest norm of all weights together.
    damping : float
        Added to the Hessian, per row.
    scale : float
        The Hessian is divided by it; its powers must shrink. A step that leaves more of the gradient than none does is left
        out, and the outcome says so.
    repeats : int
        Estimates of the step, which are averaged.
    depth : int
        Products per estimate.
    batch_size : int
        Rows per product.
    sigma : float
        Standard deviation of the noise.
    """

    summary: ClassVar[str] = "a Newton step on what is kept, and noise; its certificate's assumptions fail in deep networks"
    source: ClassVar[str] = "Zhang, Dong, Wang and Li, Towards Certified Unlearning for Deep Neural Networks, ICML 2024, arXiv 2408.00920"

    kind: Literal["certified_deep"] = "certified_deep"
    bound: PositiveFloat = 20.0
    damping: NonNegativeFloat = 1e-2
    scale: PositiveFloat = 20.0
    repeats: Iterations = 1
    depth: IterationsFromZero = 100
    batch_size: PositiveInt = 32
    sigma: NonNegativeFloat = 1e-3

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Bound, step and perturb."""
        import torch

        from clients.passes import Meter
        from clients.streams import torch_generator
        from clients.unlearning.general.curvature import Curvature

        norm = float(student.flat().norm())
        if norm > self.bound:
            student.move((self.bound / norm - 1) * student.flat())
        if self.depth:
            curvature = Curvature(student.network, student.weights(), student.learning.training)
            with Meter() as meter:
                steps = [self._newton(student, curvature, retain, repeat) for repeat in range(self.repeats)]
                step = torch.stack(steps).mean(0)
                left = self._residual(curvature, retain, step)
            student.passed("retain", meter.rows / len(retain))
            if left < 1:
                student.move(-step)
                student.notes.append(f"relative residual of the Newton step {left:.2g}")
            else:
                told = f"the Newton step leaves {left:.2g} of the gradient with scale = {self.scale:g} and depth = {self.depth}"
                student.stopped = f"{told}, and was left out: raise both"
        if self.sigma:
            noise = torch.randn(len(student.flat()), generator=torch_generator(*student.key, "noise"), dtype=torch.float64)
            student.move(self.sigma * noise)

    def _residual(self, curvature: Curvature, retain: Rows, step: Tensor) -> float:
        """Return what a step leaves of the gradient, relative to its norm: 1 is no better than no step."""
        if not bool(step.isfinite().all()):
            return float("inf")
        gradient = curvature.gradient(retain) / len(retain)
        product = curvature.product(retain, step, "hessian") / len(retain) + self.damping * step
        return float((gradient - product).norm()) / (float(gradient.norm()) or 1.0)

    def _newton(self, student: Student, curvature: Curvature, retain: Rows, repeat: int) -> Tensor:
        """Return an estimate of the inverse damped Hessian times the gradient, both of the mean loss of the retained rows."""
        from clients.streams import order

        gradient = curvature.gradient(retain) / len(retain)
        found = gradient.clone()
        for number in range(self.depth):
            chosen = order(retain.ids, *student.key, "batch", repeat, number)[: self.batch_size]
            batch = Rows(retain.ids[chosen], retain.x[chosen], retain.y[chosen])
            product = curvature.product(batch, found, "hessian") / len(batch) + self.damping * found
            found = gradient + found - product / self.scale
        return found / self.scale
