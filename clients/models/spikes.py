"""The torch modules of spiking networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from clients.models.building import keyed
from clients.models.encodings import Encoding, encoded
from clients.streams import Field


@dataclass(frozen=True)
class Neurons:
    """What neurons of a network have in common before any training.

    Parameters
    ----------
    leak : float
        Factor by which a potential decays in each step.
    threshold : float
        Potential above which a neuron fires.
    slope : float
        Steepness of the surrogate derivative.
    """

    leak: float
    threshold: float
    slope: float


class Fire(torch.autograd.Function):
    """1 where a potential lies above its threshold, else 0; its derivative is taken to be ``1 / (1 + slope |u - threshold|)^2``.

    Source of the surrogate: Zenke and Ganguli, "SuperSpike", Neural Computation 2018.
    """

    generate_vmap_rule = True  # gradients of single rows map the network over copies of its parameters

    @staticmethod
    def forward(over: Tensor, slope: float) -> Tensor:
        """Return the spikes of potentials that exceed their thresholds by ``over``."""
        return (over > 0).to(over.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        """Keep what the derivative needs."""
        over, ctx.slope = inputs
        ctx.save_for_backward(over)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of ``over``."""
        (over,) = ctx.saved_tensors
        return gradients[0] / (1 + ctx.slope * over.abs()) ** 2, None


def fire(over: Tensor, slope: float) -> Tensor:
    """Return `Fire` of potentials that exceed their thresholds by ``over``."""
    return cast(Tensor, Fire.apply(over, slope))  # type: ignore[no-untyped-call]


class Synapses(nn.Module):
    """Weights and biases between two layers; ``pruned`` synapses keep the weight with which they were pruned, and receive no gradient.

    Parameters
    ----------
    fan_in, fan_out : int
    neurons : Neurons

    Attributes
    ----------
    pruned : bool tensor, shape (fan_out, fan_in)
        A buffer: it travels with the weights, and the mean of several is true wherever one of them is.
    """

    pruned: Tensor

    def __init__(self, fan_in: int, fan_out: int, neurons: Neurons) -> None:
        super().__init__()
        self.neurons = neurons
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in))
        self.bias = nn.Parameter(torch.empty(fan_out))
        self.register_buffer("pruned", torch.empty(fan_out, fan_in, dtype=torch.bool))

    def reset(self) -> None:
        """Set buffers to their values before training."""
        self.pruned.zero_()

    def currents(self, sent: Tensor, steps: int) -> Tensor:
        """Return the input currents of every step, shape (steps, n, fan_out)."""
        found = nn.functional.linear(sent, torch.where(self.pruned, self.weight.detach(), self.weight), self.bias)
        return found.expand(steps, *found.shape[1:])


class LeakyIntegrateAndFire(Synapses):
    """A layer of neurons: ``u[t+1] = leak u[t] + W s[t] + b - threshold fired[t]``, ``fired[t] = u[t] > threshold``.

    The reset by ``threshold fired[t]`` carries no gradient.

    Parameters
    ----------
    fan_in, fan_out, neurons
        As of `Synapses`.

    Attributes
    ----------
    threshold : float tensor, shape (fan_out,)
        A buffer.
    """

    threshold: Tensor

    def __init__(self, fan_in: int, fan_out: int, neurons: Neurons) -> None:
        super().__init__(fan_in, fan_out, neurons)
        self.register_buffer("threshold", torch.empty(fan_out))

    def reset(self) -> None:
        """Set thresholds and pruned synapses to their values before training."""
        super().reset()
        self.threshold.fill_(self.neurons.threshold)

    def forward(self, sent: Tensor, steps: int) -> Tensor:
        """Return the spikes of every step, shape (steps, n, fan_out)."""
        currents = self.currents(sent, steps)
        potential, fired, spikes = torch.zeros_like(currents[0]), torch.zeros_like(currents[0]), []
        for current in currents.unbind():
            potential = self.neurons.leak * potential + current - self.threshold * fired.detach()
            fired = fire(potential - self.threshold, self.neurons.slope)
            spikes.append(fired)
        return torch.stack(spikes)


class LeakyIntegrator(Synapses):
    """The outputs: they integrate and never fire; a score is the mean potential."""

    def forward(self, sent: Tensor, steps: int) -> Tensor:
        """Return the scores, shape (n, fan_out)."""
        currents = self.currents(sent, steps)
        potential = total = torch.zeros_like(currents[0])
        for current in currents.unbind():
            potential = self.neurons.leak * potential + current
            total = total + potential
        return total / steps


class SpikingNetwork(nn.Module):
    """Spiking layers, then outputs; see `clients.models.spiking.Spiking`.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden layers, classes.
    neurons : Neurons
    steps : int
        Time steps of a prediction.
    encoding : {"direct", "rate", "latency"}
    """

    def __init__(self, widths: Sequence[int], neurons: Neurons, steps: int, encoding: Encoding) -> None:
        super().__init__()
        self.steps, self.encoding = steps, encoding
        self.hidden = nn.ModuleList(LeakyIntegrateAndFire(a, b, neurons) for a, b in pairwise(widths[:-1]))
        self.readout = LeakyIntegrator(widths[-2], widths[-1], neurons)

    @property
    def firing(self) -> list[LeakyIntegrateAndFire]:
        """The layers of neurons that fire, from the inputs on."""
        return [layer for layer in self.hidden if isinstance(layer, LeakyIntegrateAndFire)]

    def synapses(self) -> dict[str, Synapses]:
        """Return every layer with weights, by the name of its weights."""
        return {f"{name}.weight": layer for name, layer in self.named_modules() if isinstance(layer, Synapses)}

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (n, classes), of inputs (n, ...)."""
        return self.run(x)[0]

    def run(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits, and the spikes of each hidden layer, shape (steps, n, neurons)."""
        sent = encoded(x.flatten(1), self.encoding, self.steps)
        trains = []
        for layer in self.firing:
            sent = layer(sent, self.steps)
            trains.append(sent)
        return self.readout(sent, self.steps), trains


def spiking_network(widths: Sequence[int], neurons: Neurons, steps: int, encoding: Encoding, key: tuple[Field, ...]) -> SpikingNetwork:
    """Return the network with weights drawn from ``key``."""
    network = keyed(lambda: SpikingNetwork(widths, neurons, steps, encoding), key)
    assert isinstance(network, SpikingNetwork)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, Synapses):
                layer.reset()
    return network
