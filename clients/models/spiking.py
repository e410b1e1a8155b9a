"""Networks of leaky integrate-and-fire neurons, in which layers exchange spikes instead of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field as Constraint
from pydantic import PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.models import ModelSpec
from clients.models.encodings import Encoding
from clients.streams import Field

if TYPE_CHECKING:
    from clients.models.spikes import SpikingNetwork
    from clients.training import Arrays


class Spiking(ModelSpec):
    """Layers of leaky integrate-and-fire neurons, and outputs that integrate without firing; trained through surrogate gradients.

    Each neuron has a threshold of its own, which is no parameter of training but part of the state.

    Parameters
    ----------
    hidden : tuple of int
        Neurons of each hidden layer.
    steps : int
        Time steps of a prediction, at least 1.
    encoding : {"direct", "rate", "latency"}
        The inputs as constant currents, as random spikes, as many as the input is large, or as one spike, the earlier the larger the input.
        The last two take inputs between 0 and 1.
    leak : float
        Factor by which a membrane potential decays in each step, between 0 (no memory) and 1 (no leak).
    threshold : float
        Potential above which a neuron fires, before any is changed.
    slope : float
        Steepness of the surrogate derivative.
    """

    kind: Literal["spiking"] = "spiking"
    hidden: Annotated[tuple[PositiveInt, ...], Constraint(min_length=1)] = (128,)
    steps: Iterations = 10
    encoding: Encoding = "direct"
    leak: Annotated[float, Constraint(ge=0, le=1)] = 0.9
    threshold: PositiveFloat = 1.0
    slope: PositiveFloat = 25.0

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> SpikingNetwork:
        """Return the module, weights drawn from ``key``; inputs of any shape are flattened."""
        from clients.models.spikes import Neurons, spiking_network

        neurons = Neurons(self.leak, self.threshold, self.slope)
        return spiking_network((prod(shape), *self.hidden, classes), neurons, self.steps, self.encoding, key)

    @property
    def learned_layers(self) -> int:
        """Number of layers with parameters."""
        return len(self.hidden) + 1

    def parameters(self, shape: tuple[int, ...], classes: int) -> int:
        """Return the number of weights and biases."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise((prod(shape), *self.hidden, classes)))

    def merged(self, weights: Arrays, models: Sequence[Arrays]) -> Arrays:
        """Return the weights with what any of the models has pruned, as it pruned it, and the highest threshold of each neuron.

        A mean would let a synapse that one peer pruned grow again, and a threshold that one peer raised fall. What several models pruned is
        as in the first of them: in the server's last model, if that had it.
        """
        found = dict(weights)
        for name in weights:
            if name.endswith(".threshold"):
                found[name] = np.max([model[name] for model in models], axis=0)
            elif name.endswith(".pruned"):
                found[name] = np.any([model[name] for model in models], axis=0)
                carrying = name.replace(".pruned", ".weight")
                for model in reversed(models):
                    found[carrying] = np.where(model[name], model[carrying], found[carrying])
        return found
