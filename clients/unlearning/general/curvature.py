"""Gradients and second-order products of a trained network's loss, in float64, and a solver that needs nothing else.

Products take two backward passes. Forward over reverse (`torch.func`) loads torch's compiler on its first use, for a second, and took three
times as long on small networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from clients.data.rows import Rows
from clients.models.network import Network
from clients.passes import taken
from clients.training import Arrays, Sgd, Training, from_arrays, to_arrays
from clients.unlearning.contract import UnlearningError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Products = Literal["hessian", "gauss_newton"]

_CHUNK = 1024
"""Rows that are passed through the network at once."""


_DIVERGED = 1 + 1e-6
"""Relative residual that no converging series exceeds, as each of its terms is smaller than the one before."""


class Curvature:
    """The sum over rows of cross-entropy and, where training had one, of the penalty: ``sum_i [ l_i(w) + decay / 2 |w|^2 ]``.

    The network is in evaluation mode, and only parameters that are trained are varied: buffers, such as running means, stay as they are.

    Parameters
    ----------
    network : Network
    weights : mapping of str to array
        Where derivatives are taken.
    training : Training
        Weight decay of ``sgd`` is a penalty; that of ``adam`` is decoupled, and part of no loss.
    last : int, optional
        How many of the last layers are varied; default: all.
    """

    def __init__(self, network: Network, weights: Arrays, training: Training, last: int | None = None) -> None:
        self.network = network
        self.module = network.build(("curvature",)).double().eval()
        from_arrays(self.module, weights)
        if last is not None:
            from clients.unlearning.layers import keep_all_but

            keep_all_but(self.module, last)
        self.dtypes = {name: array.dtype for name, array in weights.items()}
        self.parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        self.decay = training.optimizer.weight_decay if isinstance(training.optimizer, Sgd) else 0.0

    def gradient(self, rows: Rows, weights: npt.NDArray[np.float64] | None = None) -> Tensor:
        """Return the gradient of the sum over these rows, each weighted if there are ``weights`` (n,), flat, float64 (k,)."""
        total = len(rows) if weights is None else float(weights.sum())
        return self.loss_gradient(rows, weights) + self.flat() * (self.decay * total)

    def loss_gradient(self, rows: Rows, weights: npt.NDArray[np.float64] | None = None) -> Tensor:
        """Return the same without the penalty."""
        import torch

        found, done = torch.zeros_like(self.flat()), 0
        for logits, wanted in self._passes(rows, 1):
            losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
            if weights is not None:
                losses = losses * torch.from_numpy(weights[done : done + len(losses)]).to(losses)
            found, done = found + joined(torch.autograd.grad(losses.sum(), self.parameters)), done + len(losses)
        return found

    def product(self, rows: Rows, direction: Tensor, products: Products) -> Tensor:
        """Return the Hessian of the sum over these rows, or its Gauss-Newton part, times a direction, flat, float64 (k,)."""
        found = direction * (self.decay * len(rows))
        for logits, wanted in self._passes(rows, 2):
            found += self._gauss_newton(logits, direction) if products == "gauss_newton" else self._hessian(logits, wanted, direction)
        return found

    def slopes(self, rows: Rows, direction: Tensor) -> Tensor:
        """Return the derivative of each row's term along a direction, ``<direction, grad l_i>``, float64 (n,)."""
        import torch

        found = [self.flat().new_zeros(0)]
        for logits, wanted in self._passes(rows, 2):
            apart = torch.softmax(logits.detach(), 1) - torch.nn.functional.one_hot(wanted, logits.shape[1])
            found.append((apart * self._pushed(logits, direction)).sum(1))
        return torch.cat(found) + self.decay * float(self.flat() @ direction)

    def _hessian(self, logits: Tensor, wanted: Tensor, direction: Tensor) -> Tensor:
        import torch

        loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
        gradient = joined(torch.autograd.grad(loss, self.parameters, create_graph=True))
        return joined(torch.autograd.grad(gradient @ direction, self.parameters))

    def _gauss_newton(self, logits: Tensor, direction: Tensor) -> Tensor:
        """Return ``J' (diag(p) - p p') J v``, which is never negative; of cross-entropy it is the Fisher product too."""
        import torch

        pushed = self._pushed(logits, direction)
        p = torch.softmax(logits.detach(), 1)
        bent = p * (pushed - (p * pushed).sum(1, keepdim=True))
        return joined(torch.autograd.grad(logits, self.parameters, bent))

    def _pushed(self, logits: Tensor, direction: Tensor) -> Tensor:
        """Return the derivatives of the logits along a direction, ``J v``, (n, classes)."""
        import torch

        ones = torch.zeros_like(logits, requires_grad=True)
        pulled = joined(torch.autograd.grad(logits, self.parameters, ones, create_graph=True))
        (pushed,) = torch.autograd.grad(pulled @ direction, ones, retain_graph=True)
        return pushed

    def flat(self) -> Tensor:
        """Return the parameters, flat, float64 (k,)."""
        return joined([parameter.detach() for parameter in self.parameters])

    def put(self, flat: Tensor) -> None:
        """Set the parameters, given flat."""
        import torch

        parts = torch.split(flat, [parameter.numel() for parameter in self.parameters])
        with torch.no_grad():
            for parameter, part in zip(self.parameters, parts, strict=True):
                parameter.copy_(part.reshape(parameter.shape))

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """Return a flat tensor (k,) in the parameters' shapes, by their names."""
        import torch

        named = [(name, part) for name, part in self.module.named_parameters() if part.requires_grad]
        parts = torch.split(flat, [part.numel() for _, part in named])
        return {name: value.reshape(part.shape) for (name, part), value in zip(named, parts, strict=True)}

    def move(self, step: Tensor) -> None:
        """Add a flat step to the parameters."""
        self.put(self.flat() + step)

    def weights(self) -> Arrays:
        """Return parameters and buffers by name, in the types they came in."""
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused (`MethodSpec.finite`)
            return {name: array.astype(self.dtypes[name]) for name, array in to_arrays(self.module).items()}

    def _passes(self, rows: Rows, gradients: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield logits and classes of the rows, in chunks; as many gradients are counted for each row."""
        taken(gradients * len(rows))
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            yield self.module(self.network.inputs(rows.x[part]).double()), self.network.targets(np.asarray(rows.y[part]))


class Solution(NamedTuple):
    """What conjugate gradients found.

    Parameters
    ----------
    x : float64 tensor, shape (k,)
    iterations : int
    residual : float
        Norm of what is left, relative to the right side.
    negative : bool
        Whether it ended at a direction along which the product is not positive.
    """

    x: torch.Tensor
    iterations: int
    residual: float
    negative: bool

    def trusted(self, kind: str) -> Solution:
        """Return it; ``UnlearningError`` that names the method if as much of the right side is left as without a step."""
        if not self.residual < 1:
            told = f"the linear solve leaves {self.residual:.2g} of the gradient after {self.iterations} iterations, no less than no step"
            raise UnlearningError(f"{kind}: {told}: raise damping, or iterations")
        return self


def conjugate_gradients(product: Callable[[Tensor], Tensor], right: Tensor, tolerance: float, most: int) -> Solution:
    """Solve ``A x = right`` for a symmetric positive ``A`` that is known by its products.

    Parameters
    ----------
    product : callable
        Returns ``A v``.
    right : float64 tensor, shape (k,)
    tolerance : float
        Relative norm of the residual at which it ends.
    most : int
        Iterations after which it ends.
    """
    x, left = 0 * right, right.clone()
    direction, size = left.clone(), float(left @ left)
    goal = tolerance**2 * size
    whole = size or 1.0
    for done in range(most):
        if size <= goal:
            return Solution(x, done, (size / whole) ** 0.5, False)
        bent = product(direction)
        along = float(direction @ bent)
        if along <= 0:
            return Solution(x, done, (size / whole) ** 0.5, True)
        x = x + size / along * direction
        left = left - size / along * bent
        before, size = size, float(left @ left)
        direction = left + size / before * direction
    return Solution(x, most, (size / whole) ** 0.5, False)


def lissa(product: Callable[[Tensor], Tensor], right: Tensor, damping: float, scale: float, tolerance: float, most: int) -> Solution:
    """Solve ``(A + damping) x = right`` by a Neumann series: ``s <- right + (1 - damping / scale) s - A s / scale``, ``x = s / scale``.

    Agarwal, Bullins, Hazan, JMLR 2017, with whole products. It converges only if ``scale`` exceeds half the largest eigenvalue of
    ``A + damping``; the residual is infinite where it diverges.

    Parameters
    ----------
    product : callable
        Returns ``A v``.
    right : float64 tensor, shape (k,)
    damping, scale : float
    tolerance : float
        Relative norm of the residual at which it ends.
    most : int
        Iterations after which it ends.
    """
    s, left, whole = right.clone(), float("inf"), float(right.norm()) or 1.0
    for done in range(most):
        change = right - (damping * s + product(s)) / scale
        left = float(change.norm()) / whole
        if left <= tolerance:
            return Solution(s / scale, done, left, False)
        if not left < _DIVERGED:
            return Solution(s / scale, done, float("inf"), False)
        s = s + change
    return Solution(s / scale, most, left, False)


def adjusting(optimizer: Literal["none", "adam", "rmsprop"], lr: float, steps: int) -> Callable[[Tensor], Tensor]:
    """Return a function from solutions, in the order of the steps, to changes of the parameters: equal parts, or an optimiser's steps."""
    import torch

    if optimizer == "none":
        return lambda solution: solution / steps
    place: list[torch.nn.Parameter] = []
    descents: list[torch.optim.Optimizer] = []

    def step(solution: Tensor) -> Tensor:
        if not place:
            place.append(torch.nn.Parameter(0 * solution))
            descents.append((torch.optim.Adam if optimizer == "adam" else torch.optim.RMSprop)(place, lr=lr))
        before = place[0].detach().clone()
        place[0].grad = -solution
        descents[0].step()
        return place[0].detach() - before

    return step


def joined(parts: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Return tensors as one flat tensor."""
    import torch

    return torch.cat([part.reshape(-1) for part in parts])
