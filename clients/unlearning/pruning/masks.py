"""Masks: packing to bits for messages and files, comparison, application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

_SHAPE = "#shape"


def pack_masks(masks: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Return bool masks as arrays for one record: for each, its bits row by row (uint8), and its shape (int64)."""
    packed: dict[str, npt.NDArray[Any]] = {}
    for name, mask in masks.items():
        packed[name] = np.packbits(mask.cpu().numpy().ravel())
        packed[name + _SHAPE] = np.array(mask.shape, dtype=np.int64)
    return packed


def unpack_masks(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """Return the masks of a record; ``ValueError`` names a layer whose bits and shape do not agree."""
    masks = {}
    for name in sorted(n for n in arrays if not n.endswith(_SHAPE)):
        if name + _SHAPE not in arrays:
            raise ValueError(f"mask of layer {name}: its shape is missing from the record")
        shape = tuple(int(side) for side in arrays[name + _SHAPE])
        count = int(np.prod(shape))
        bits = arrays[name]
        if bits.dtype != np.uint8 or len(bits) != -(-count // 8):
            raise ValueError(f"mask of layer {name}: {len(bits)} bytes of {bits.dtype} cannot hold shape {shape}")
        masks[name] = torch.from_numpy(np.unpackbits(bits, count=count).astype(bool).reshape(shape))
    return masks


def density(masks: Mapping[str, Tensor]) -> float:
    """Return the masked share of all entries, in [0, 1]; 0 without masks."""
    return sum(int(mask.sum()) for mask in masks.values()) / max(1, sum(mask.numel() for mask in masks.values()))


def overlap(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Return the Jaccard index of two sets of masks, matched by layer name; 1 for two empty sets."""
    both = sum(int((a[name] & b[name]).sum()) for name in a.keys() & b.keys())
    either = sum(int(mask.sum()) for mask in [*a.values(), *b.values()]) - both
    return both / either if either else 1.0


def apply_masks(module: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the masked feed-forward output weights to zero, in place; ``KeyError`` names a missing layer."""
    with torch.no_grad():
        for name, mask in masks.items():
            try:
                weight = module.get_parameter(f"{name}.weight")
            except AttributeError:
                raise KeyError(f"layer {name}: the model has none of that name; the mask was made for another model") from None
            weight[mask] = 0.0
