"""Small convolutional networks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field as Constraint
from pydantic import PositiveInt

from clients.models import ModelSpec
from clients.streams import Field

if TYPE_CHECKING:
    from torch import nn


class Cnn(ModelSpec):
    """One stage per channel count: 3x3 convolution, ReLU, 2x2 max-pooling; then one linear layer.

    Parameters
    ----------
    channels : tuple of int
        Channels of each stage.
    """

    kind: Literal["cnn"] = "cnn"
    channels: Annotated[tuple[PositiveInt, ...], Constraint(min_length=1)] = (8, 16)

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> nn.Module:
        """Return the module for images ``(channels, height, width)``; ``ValueError`` for other shapes or too small images."""
        features = self._features(shape)
        from torch import nn

        from clients.models.building import keyed

        def make() -> nn.Module:
            layers: list[nn.Module] = []
            for before, after in pairwise((shape[0], *self.channels)):
                layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, classes))

        return keyed(make, key)

    @property
    def learned_layers(self) -> int:
        """Number of layers with parameters."""
        return len(self.channels) + 1

    def parameters(self, shape: tuple[int, ...], classes: int) -> int:
        """Return the number of weights and biases; ``ValueError`` as for ``build``."""
        features = self._features(shape)
        return sum((9 * before + 1) * after for before, after in pairwise((shape[0], *self.channels))) + (features + 1) * classes

    def _features(self, shape: tuple[int, ...]) -> int:
        """Return the number of inputs of the last layer: every stage halves height and width, rounding down."""
        if len(shape) != 3:
            raise ValueError(f'cnn needs images (channels, height, width), not inputs of shape {shape}: use kind = "mlp" or "linear"')
        stages = len(self.channels)
        height, width = shape[1] >> stages, shape[2] >> stages
        if not height * width:
            raise ValueError(f"cnn with {stages} stages halves images of {shape[1]}x{shape[2]} to nothing: list fewer channels")
        return self.channels[-1] * height * width
