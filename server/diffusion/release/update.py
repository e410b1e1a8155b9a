"""The decoded update of a denoising peer: of federated averaging, or a seed denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients import wire
from clients.averaging.update import COUNT
from clients.classification.hdus.peer import COUNTS
from clients.diffusion import local
from clients.unlearning.pruning.recorder import Activity

Arrays = dict[str, npt.NDArray[Any]]
Masks = dict[str, Tensor]


@dataclass(frozen=True)
class DenoiserUpdate:
    """One peer's update: trained weights, its cut so far, its number of images, and activation statistics by index of the erasure."""

    peer: int
    weights: Arrays
    cut: Masks
    count: int
    heard: dict[int, tuple[Activity, Activity]]

    @classmethod
    def of(cls, peer: int, blob: bytes) -> DenoiserUpdate:
        """Decode an update."""
        arrays = wire.from_bytes(blob)
        count, cut = int(arrays.pop(COUNT)), _masks_taken(arrays)
        told = {name: arrays.pop(name) for name in list(arrays) if name.startswith("heard/")}
        indices = {int(name.split("/")[1]) for name in told}
        heard = {i: (activity(told, f"heard/{i}/target"), activity(told, f"heard/{i}/base")) for i in sorted(indices)}
        return cls(peer, arrays, cut, count, heard)

    @classmethod
    def of_seed(cls, peer: int, blob: bytes) -> DenoiserUpdate:
        """Decode a seed denoiser; its number of images is the sum of the histogram that it carries."""
        arrays = wire.from_bytes(blob)
        count, cut = int(arrays.pop(COUNTS).sum()), _masks_taken(arrays)
        return cls(peer, arrays, cut, count, {})


def _masks_taken(arrays: Arrays) -> Masks:
    """Remove the packed masks from an update's arrays, and return the masks by layer."""
    return local.unpacked({name: arrays.pop(name) for name in list(arrays) if name.startswith(local.MASK)})


def activity(told: Mapping[str, npt.NDArray[Any]], side: str) -> Activity:
    """Return one side, ``target`` or ``base``, of the statistics from `clients.diffusion.local.heard`; other arrays are ignored."""
    sums, rows = f"{side}/", f"{side}#rows/"
    return Activity(
        {name.removeprefix(sums): torch.from_numpy(np.array(a)) for name, a in told.items() if name.startswith(sums)},
        {name.removeprefix(rows): int(a) for name, a in told.items() if name.startswith(rows)},
        int(told[f"{side}#samples"]),
    )
