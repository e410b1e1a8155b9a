"""Multinomial logistic regression."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from clients.models import ModelSpec
from clients.models.mlp import perceptron
from clients.streams import Field

if TYPE_CHECKING:
    from torch import nn


class Linear(ModelSpec):
    """One linear layer on the flattened input."""

    kind: Literal["linear"] = "linear"

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> nn.Module:
        """Return the module, weights drawn from ``key``."""
        return perceptron((prod(shape), classes), key)

    @property
    def learned_layers(self) -> int:
        """Number of layers with parameters."""
        return 1

    def parameters(self, shape: tuple[int, ...], classes: int) -> int:
        """Return the number of weights and biases."""
        return (prod(shape) + 1) * classes
