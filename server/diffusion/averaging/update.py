"""The decoded update of a denoising peer under federated averaging."""

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
from clients.unlearning.pruning.masks import unpack_masks
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
        count = int(arrays.pop(COUNT))
        cut = unpack_masks({name.removeprefix("mask/"): arrays.pop(name) for name in list(arrays) if name.startswith("mask/")})
        told = {name: arrays.pop(name) for name in list(arrays) if name.startswith("heard/")}
        indices = {int(name.split("/")[1]) for name in told}
        heard = {i: (activity(told, f"heard/{i}/target"), activity(told, f"heard/{i}/base")) for i in sorted(indices)}
        return cls(peer, arrays, cut, count, heard)


def activity(told: Mapping[str, npt.NDArray[Any]], side: str) -> Activity:
    """Return one side, ``target`` or ``base``, of the statistics from `clients.diffusion.local.heard`; other arrays are ignored."""
    sums, rows = f"{side}/", f"{side}#rows/"
    return Activity(
        {name.removeprefix(sums): torch.from_numpy(np.array(a)) for name, a in told.items() if name.startswith(sums)},
        {name.removeprefix(rows): int(a) for name, a in told.items() if name.startswith(rows)},
        int(told[f"{side}#samples"]),
    )
