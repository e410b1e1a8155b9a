"""The model zoo: torch modules by ``kind``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clients.spec import Registry, Spec
from clients.streams import Field

if TYPE_CHECKING:
    from torch import nn

    from clients.training import Arrays


class ModelSpec(Spec):
    """Base class of torch models in scenarios; ``build`` returns a module with weights drawn from ``key``."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> nn.Module:
        """Return a module that maps float32 ``(n, *shape)`` to logits ``(n, classes)``, initialised from the key alone.

        ``ValueError`` (one line) if the model cannot take inputs of that shape.
        """

    def parameters(self, shape: tuple[int, ...], classes: int) -> int:
        """Return the number of parameters without building the model; ``ValueError`` as for ``build``."""
        raise NotImplementedError

    @property
    def learned_layers(self) -> int | None:
        """Number of layers with parameters, or None if it depends on the shape of inputs or is not known before the model is built."""
        return None

    def merged(self, weights: Arrays, models: Sequence[Arrays]) -> Arrays:
        """Return a server's new weights, made of several models, with all that no mean of them may decide; by default as they are.

        Parameters
        ----------
        weights : mapping of str to array
            The server's new model.
        models : sequence of mapping of str to array
            Its last model and the updates.
        """
        return weights


MODELS: Registry[ModelSpec] = Registry(
    "lethe.models",
    "clients.models:ModelSpec",
    {
        "cnn": "clients.models.cnn:Cnn",
        "linear": "clients.models.linear:Linear",
        "mlp": "clients.models.mlp:Mlp",
        "spiking": "clients.models.spiking:Spiking",
    },
)

if TYPE_CHECKING:
    AnyModel = ModelSpec
else:  # the registry knows its members only at run time
    AnyModel = MODELS.union()
