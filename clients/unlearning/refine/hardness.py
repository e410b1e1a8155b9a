"""How hard a forget set is for a network: its entanglement with the rows that are retained, in one line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from clients.data.rows import Rows
from clients.models.network import Network
from clients.training import Arrays, from_arrays
from clients.unlearning.layers import features
from clients.unlearning.refine.entanglement import Moments, entanglement, expected

_CHUNK = 1024


def penultimate(network: Network, weights: Arrays, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return what enters the network's last layer for inputs (n, ...), float64 (n, d)."""
    module = network.build(("features",)).eval()
    from_arrays(module, weights)
    with torch.no_grad():
        parts = [features(module, part)[1] for part in torch.split(network.inputs(x), _CHUNK)]
    return torch.cat(parts).double().cpu().numpy()


def moments(network: Network, weights: Arrays, rows: Rows) -> Moments:
    """Return the sums of the rows' features, which add up over peers."""
    return Moments.of(penultimate(network, weights, rows.x))


def score(network: Network, weights: Arrays, forget: Rows, retain: Rows) -> str:
    """Return the entanglement of the sets, beside that of a random set of the same size, as a note."""
    found = entanglement(moments(network, weights, forget), moments(network, weights, retain))
    usual = expected(len(forget), len(forget) + len(retain))
    return f"entanglement {found:.3g} (pooled mean), {found / usual:.3g} times that of a random set of the size"
