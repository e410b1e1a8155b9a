"""Quantisation: whether rounded weights still know what full precision seems to have forgotten.

Zhang et al., "Catastrophic failure of LLM unlearning via quantization", ICLR 2025, arXiv 2410.16454: what a small step hides comes back
where weights fall into the bucket that they had before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def quantised(weights: Mapping[str, npt.NDArray[Any]], bits: int) -> dict[str, npt.NDArray[Any]]:
    """Return the weights of a stack of networks, rounded to so many bits.

    Each tensor of each network has one step, its largest absolute value divided by ``2^(bits - 1) - 1``; zeros stay zeros.

    Parameters
    ----------
    weights : mapping
        Arrays (networks, ...).
    bits : int
        At least 2.
    """
    most = 2 ** (bits - 1) - 1
    found = {}
    for name, array in weights.items():
        wide = array.reshape(len(array), -1).astype(np.float64)
        step = np.abs(wide).max(axis=1, keepdims=True) / most
        step[step == 0] = 1.0
        found[name] = (np.clip(np.round(wide / step), -most - 1, most) * step).reshape(array.shape).astype(array.dtype)
    return found
