"""A torch model as pure functions on its arrays: initialise, train, predict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients.compute import Compute, Device
from clients.data.columns import expand, expanded_shape
from clients.data.rows import Column
from clients.models import ModelSpec
from clients.streams import Field
from clients.training import Arrays, Steps, from_arrays, to_arrays, train

if TYPE_CHECKING:
    import torch
    from torch import nn

    Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_SHELLS = threading.local()


@dataclass(frozen=True)
class Network:
    """A model without weights.

    Weights are passed and returned as arrays, so that callers keep no torch object. The module is built once per thread for all peers
    with the same architecture and keeps no state between calls.

    Parameters
    ----------
    spec : ModelSpec
    shape : tuple of int
        Shape of one input.
    classes : int
    columns : tuple of Column
        Public facts about tabular features. A categorical feature becomes one 0/1 input per category (`clients.data.columns`).
    device : {"cpu", "cuda", "auto"}
        Where the module trains and predicts; weights, inputs and answers lie in main memory.
    """

    spec: ModelSpec
    shape: tuple[int, ...]
    classes: int
    columns: tuple[Column, ...] = ()
    device: Device = field(default="cpu", repr=False)  # weights do not say where they were trained, nor do fingerprints of models

    @property
    def place(self) -> torch.device:
        """The torch device; ``ValueError`` if CUDA is requested and missing."""
        return Compute(device=self.device).place()

    def build(self, key: tuple[Field, ...]) -> nn.Module:
        """Return the module with weights drawn from ``key``, on its device; its input is the output of ``inputs``."""
        return self.spec.build(expanded_shape(self.shape, self.columns), self.classes, key).to(self.place)

    def inputs(self, x: npt.NDArray[np.float32]) -> torch.Tensor:
        """Return inputs (n, *shape) as the tensor that the module takes, on its device."""
        return _tensor(expand(x, self.columns)).to(self.place)

    def targets(self, y: npt.NDArray[Any]) -> torch.Tensor:
        """Return targets (n, ...) as a tensor on the module's device."""
        return _tensor(y).to(self.place)

    def initial(self, key: tuple[Field, ...]) -> Arrays:
        """Return the weights before any training, drawn from ``key``."""
        return to_arrays(self.build(key))

    def layout(self) -> Arrays:
        """Return arrays with the names, dtypes and shapes of the weights; their values mean nothing."""
        return to_arrays(self._module())

    def train(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        x: npt.NDArray[np.float32],
        targets: npt.NDArray[Any],
        *,
        epochs: range,
        ids: npt.NDArray[np.int64],
        key: tuple[Field, ...],
        settings: Steps,
        temperature: float = 1.0,
        pull: float = 0.0,
    ) -> tuple[Arrays, int]:
        """Return the weights after training with cross-entropy, and the gradient steps taken.

        ``targets`` are classes, int64 ``(n,)``, or probabilities, float32 ``(n, classes)``. With a temperature T the loss is
        ``T^2 CE(targets, softmax(logits / T))``, in which T^2 preserves the scale of the gradients (Hinton et al. 2015). The other
        parameters are those of ``clients.training.train``.
        """
        module = self._shell(arrays)
        loss = self.objective(module, temperature, epochs, key)
        steps = train(module, self.inputs(x), self.targets(targets), loss, epochs=epochs, ids=ids, key=key, settings=settings, pull=pull)
        return to_arrays(module), steps

    def objective(self, module: nn.Module, temperature: float, epochs: range, key: tuple[Field, ...]) -> Loss:
        """Return the loss of a batch's logits and targets in `train`: cross-entropy, here of nothing but the two."""
        from torch.nn.functional import cross_entropy

        def loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return cross_entropy(logits, wanted) if temperature == 1.0 else cross_entropy(logits / temperature, wanted) * temperature**2

        return loss

    def probabilities(self, arrays: Mapping[str, npt.NDArray[Any]], x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return class probabilities, float32 ``(len(x), classes)``."""
        import torch

        module = self._shell(arrays)
        with torch.no_grad():
            logits = module(self.inputs(x))
            probabilities: npt.NDArray[np.float32] = torch.softmax(logits, 1).cpu().numpy()
        return probabilities

    def _shell(self, arrays: Mapping[str, npt.NDArray[Any]]) -> nn.Module:
        """Return this thread's module of this architecture with these weights, in evaluation mode."""
        module = self._module()
        from_arrays(module, arrays)
        return module

    def _module(self) -> nn.Module:
        """Return this thread's module of this architecture, with whatever weights it was given last."""
        modules: dict[Network, nn.Module] = _SHELLS.__dict__.setdefault("modules", {})
        if self not in modules:
            modules[self] = self.build(("shell",)).eval()
        return modules[self]


def _tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    """Return a copy in torch's own memory, which is aligned; NumPy's may not be, and misaligned products can round differently."""
    import torch

    return torch.tensor(np.ascontiguousarray(array))
