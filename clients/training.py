"""The local training loop, and the table of its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, PositiveInt

from clients import streams
from clients.holding import holding
from clients.iterations import Iterations
from clients.passes import taken
from clients.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import nn

Arrays = dict[str, npt.NDArray[Any]]


class Adam(Spec):
    """Adam with the library's betas; ``weight_decay`` is decoupled (AdamW).

    Parameters
    ----------
    lr : float
        Learning rate.
    weight_decay : float
        Decoupled weight decay.
    """

    kind: Literal["adam"] = "adam"
    lr: PositiveFloat = 0.003
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Sgd(Spec):
    """Stochastic gradient descent.

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        Momentum, in [0, 1).
    weight_decay : float
        Weight decay, added to the gradient.
    """

    kind: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


Optimizer = Annotated[Adam | Sgd, Field(discriminator="kind")]


class Training(Spec):
    """Local training: ``epochs`` per round, with a fresh optimiser each round.

    ``streams = "sequential"`` is a negative control: it keys a peer's randomness by the number of messages the coordinator has sent
    before, as one global generator would, so that draws depend on who else is present.

    Parameters
    ----------
    epochs : int
        Local epochs per round.
    batch_size : int
        Rows per gradient step.
    optimizer : Adam or Sgd
        The optimiser.
    streams : {"keyed", "sequential"}
        How random draws are keyed; ``sequential`` is the negative control.
    """

    epochs: Iterations = 5
    batch_size: PositiveInt = 32
    optimizer: Optimizer = Adam()
    streams: Literal["keyed", "sequential"] = "keyed"

    def steps(self, rows: int) -> int:
        """Return the number of gradient steps of one round on this many rows."""
        return self.epochs * -(-rows // self.batch_size)


class Steps(Protocol):
    """The settings of gradient steps, which ``Training`` and ``Distillation`` both have."""

    @property
    def batch_size(self) -> int:
        """Rows per step; the last batch of an epoch may be shorter."""

    @property
    def optimizer(self) -> Adam | Sgd:
        """The optimiser; every call of ``train`` starts with a fresh one."""


def train(
    module: nn.Module,
    x: torch.Tensor,
    targets: torch.Tensor,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    epochs: range,
    ids: npt.NDArray[np.int64],
    key: tuple[streams.Field, ...],
    settings: Steps,
    pull: float = 0.0,
) -> int:
    """Train the module in place and return the number of gradient steps.

    Each epoch visits the rows in the order of their keyed hashes, cut into batches, so that a row's absence does not change
    the order of the others. Random draws of the module during training (dropout) are keyed by the first epoch.

    Parameters
    ----------
    module : nn.Module
        Maps ``x`` to logits; left in evaluation mode.
    x : float32 tensor, shape (n, ...)
    targets : tensor, shape (n, ...)
        Second argument of ``loss(module(x), targets)``: classes, or probabilities.
    loss : callable
        Mean loss of a batch, a scalar.
    epochs : range
        Indices of the epochs to train, counted over the model's whole life: part of the key of each epoch's order.
    ids : int64 array, shape (n,)
        Permanent ids of the rows.
    key : tuple
        Key of the order of the rows.
    settings : Training or Distillation
        Batch size and optimiser.
    pull : float
        Weight ``mu`` of the proximal term ``mu / 2 * ||w - w_start||^2`` (FedProx); 0 leaves it out.
    """
    if not len(ids) or not len(epochs):
        return 0
    with Descent(module, settings, key, epochs.start) as descent:
        start = [parameter.detach().clone() for parameter in descent.parameters] if pull else []
        for epoch in epochs:
            for inputs, wanted in descent.batches(epoch, ids, x, targets):
                gradients = descent.gradients(loss(module(inputs), wanted))
                for gradient, parameter, anchor in zip(gradients, descent.parameters, start, strict=False):
                    gradient.add_(parameter.detach() - anchor, alpha=pull)
                descent.move(gradients)
    return descent.steps


class Descent:
    """Gradient steps on a module by one optimiser, with batches and the module's own draws keyed.

    It is a context, in which the module is in training mode; afterwards the module is in evaluation mode, and torch's global generator is
    as it was.

    Parameters
    ----------
    module : nn.Module
        Its parameters that require gradients are changed in place.
    settings : Training, Distillation or a method
        Batch size and optimiser.
    key : tuple
        Key of the order of the rows, and of random draws of the module (dropout).
    first : int
        Index of the first epoch, which keys the module's draws.
    more : sequence of nn.Parameter
        Further parameters to change, of no module.

    Attributes
    ----------
    steps : int
        Gradient steps taken.
    """

    def __init__(
        self, module: nn.Module, settings: Steps, key: tuple[streams.Field, ...], first: int, more: Sequence[nn.Parameter] = ()
    ) -> None:
        self.module, self.settings, self.key, self.first = module, settings, key, first
        self.parameters = [parameter for parameter in (*module.parameters(), *more) if parameter.requires_grad]
        self._optimizer = descending(settings.optimizer, self.parameters)
        self._hold = holding(module)
        self._generator = _generator(self.parameters[0].device)
        self.steps = 0

    def __enter__(self) -> Self:
        self._outside = self._generator.get_state()
        self._generator.manual_seed(streams.key_hash(*self.key, "noise", self.first) >> 1)
        self.module.train()
        return self

    def __exit__(self, *_: object) -> None:
        self._generator.set_state(self._outside)
        self.module.eval()

    def batches(self, epoch: int, ids: npt.NDArray[np.int64], *tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the batches of an epoch: of every tensor with one entry a row, the entries of the batch's rows.

        One gradient is counted for every row: a batch is there to take the gradient of its loss.
        """
        import torch

        order = torch.from_numpy(streams.order(ids, *self.key, "order", epoch)).to(tensors[0].device)
        size = self.settings.batch_size
        for batch in zip(*(torch.split(tensor.index_select(0, order), size) for tensor in tensors), strict=True):
            taken(len(batch[0]))
            yield batch

    def gradients(self, loss: torch.Tensor) -> list[torch.Tensor]:
        """Return the gradients of a loss with respect to the parameters."""
        import torch

        return list(torch.autograd.grad(loss, self.parameters))

    def move(self, gradients: list[torch.Tensor]) -> None:
        """Take the optimiser's step with these gradients."""
        self._optimizer(gradients)
        self._hold()
        self.steps += 1


def _generator(device: torch.device) -> torch.Generator:
    """Return the global generator from which torch's layers draw on a device."""
    import torch

    if device.type != "cuda":
        return torch.default_generator
    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]


def descending(settings: Adam | Sgd, parameters: Sequence[torch.Tensor]) -> Callable[[list[torch.Tensor]], None]:
    """Return a fresh optimiser: a function that takes the gradients and changes the parameters.

    It uses torch's functional forms: a step costs a third less than with the optimiser classes, whose first use also loads torch's
    compiler (0.8 s).
    """
    import torch
    from torch.optim.adamw import adamw
    from torch.optim.sgd import sgd

    tensors: list[torch.Tensor] = [parameter.detach() for parameter in parameters]  # the same memory, without the graph
    if isinstance(settings, Sgd):
        descend = partial(
            sgd,
            tensors,
            momentum_buffer_list=[None] * len(tensors),
            foreach=False,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        return lambda gradients: descend(gradients)
    adapt = partial(
        adamw,
        tensors,
        exp_avgs=[torch.zeros_like(tensor) for tensor in tensors],
        exp_avg_sqs=[torch.zeros_like(tensor) for tensor in tensors],
        max_exp_avg_sqs=[],
        state_steps=[torch.zeros((), device=tensor.device) for tensor in tensors],
        fused=True,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )
    return lambda gradients: adapt(gradients)


def to_arrays(module: nn.Module) -> Arrays:
    """Return copies of all parameters and buffers by name; equal modules give equal bytes."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def from_arrays(module: nn.Module, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Set all parameters and buffers of the module; ``KeyError`` or ``RuntimeError`` if a name or shape does not fit."""
    import torch

    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(torch.from_numpy(np.require(arrays[name], requirements="W")))
