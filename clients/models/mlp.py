"""Multilayer perceptrons on flattened inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from clients.models import ModelSpec
from clients.streams import Field

if TYPE_CHECKING:
    from torch import nn


class Mlp(ModelSpec):
    """A perceptron with ReLU between its layers; ``hidden`` lists the widths, empty for a linear model.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[PositiveInt, ...] = (64,)

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> nn.Module:
        """Return the module, weights drawn from ``key``."""
        return perceptron((prod(shape), *self.hidden, classes), key)

    @property
    def learned_layers(self) -> int:
        """Number of layers with parameters."""
        return len(self.hidden) + 1

    def parameters(self, shape: tuple[int, ...], classes: int) -> int:
        """Return the number of weights and biases."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise((prod(shape), *self.hidden, classes)))


def perceptron(widths: Sequence[int], key: tuple[Field, ...]) -> nn.Module:
    """Return fully connected layers of these widths (input first, classes last) with ReLU between them."""
    from torch import nn

    from clients.models.building import keyed

    def make() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return keyed(make, key)
