"""Steps of DP-SGD (Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1), all draws of which are keyed."""

from __future__ import annotations

import torch
from torch import Tensor

from clients import streams
from clients.data.rows import Rows
from clients.holding import holding
from clients.models.network import Network
from clients.models.row_gradients import row_gradients
from clients.privacy.settings import DpSgd, LocalTraining
from clients.training import Arrays, descending, from_arrays, to_arrays


def clipped(module: torch.nn.Module, x: Tensor, y: Tensor, clip: float) -> list[Tensor]:
    """Return the sum over rows of their gradients, one tensor a parameter, each row's in all parameters shortened to the norm ``clip``."""
    if not len(x):
        return [torch.zeros_like(parameter) for parameter in module.parameters()]
    gradients = list(row_gradients(module, x, y).values())
    norms = torch.stack([one.flatten(1).norm(dim=1) for one in gradients]).norm(dim=0)
    weight = (clip / norms.clamp(min=1e-12)).clamp(max=1.0)
    return [torch.tensordot(weight, one, dims=1) for one in gradients]


def noised(module: torch.nn.Module, sums: list[Tensor], scale: float, key: tuple[streams.Field, ...]) -> list[Tensor]:
    """Return sums, one a parameter, each with noise of this standard deviation in every entry."""
    found = []
    for (name, parameter), total in zip(module.named_parameters(), sums, strict=True):
        normal = streams.generator(*key, name).standard_normal(parameter.shape)
        found.append(total + scale * torch.tensor(normal, dtype=parameter.dtype).to(parameter.device))
    return found


def train_privately(
    network: Network, weights: Arrays, rows: Rows, *, key: tuple[streams.Field, ...], settings: LocalTraining, private: DpSgd, pull: float
) -> tuple[Arrays, int]:
    """Return the weights after a round of DP-SGD, and its steps: as many as training in batches takes.

    Which rows a step draws, and its noise, do not depend on the other rows, but for their number. The sum of a step is divided by the
    number of rows that it draws on average.

    Parameters
    ----------
    network, weights
        What is trained, and from where.
    rows : Rows
        At least one.
    key : tuple
        Key of all draws.
    settings : LocalTraining
        Epochs, batch size and optimiser, which starts afresh.
    private : DpSgd
    pull : float
        Weight of FedProx's proximal term, which depends on no row.
    """
    module = network.build(("private",)).eval()
    from_arrays(module, weights)
    parameters = list(module.parameters())
    start = [parameter.detach().clone() for parameter in parameters] if pull else []
    move, hold = descending(settings.optimizer, parameters), holding(module)
    x, y = network.inputs(rows.x), network.targets(rows.y)
    steps, rate = settings.steps(len(rows)), settings.rate(len(rows))
    for step in range(steps):
        drawn = torch.from_numpy(streams.uniforms(rows.ids, *key, "drawn", step) < rate).to(x.device)
        sums = noised(module, clipped(module, x[drawn], y[drawn], private.clip), private.noise * private.clip, (*key, "noise", step))
        gradients = [total / (rate * len(rows)) for total in sums]
        for gradient, parameter, anchor in zip(gradients, parameters, start, strict=False):
            gradient.add_(parameter.detach() - anchor, alpha=pull)
        move(gradients)
        hold()
    return to_arrays(module), steps
