"""Cutting erased concepts out of a seed denoiser, which a server joins with others to what it releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from torch import Tensor

from clients.diffusion import local
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.images import Images
from clients.streams import Field
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning import ERASERS

Arrays = dict[str, npt.NDArray[Any]]


def without_concepts(
    config: DenoisingConfig,
    backbone: bytes,
    weights: Arrays,
    requests: Sequence[Mapping[str, Any]],
    images: Images,
    key: tuple[Field, ...],
) -> tuple[Arrays, dict[str, Tensor], set[int]]:
    """Return a seed's weights without concepts, what was cut by layer, and the indices of requests for which there was nothing to erase.

    It is a pure function of its arguments, so that a seed that is made again, for instance after a deletion, is cut as if for the first
    time.

    Parameters
    ----------
    config : DenoisingConfig
        With the seed denoiser's architecture.
    backbone : bytes
        Its public weights.
    weights : dict of str to float32 array
        What it has learned.
    requests : sequence of mapping
        Each with its ``index``, ``concept`` and ``method``, in order.
    images : Images
        The peer's own, for methods that need any.
    key : tuple
    """
    masks: dict[str, Tensor] = {}
    failed = set()
    for number, request in enumerate(requests):
        method = ERASERS.load(request["method"]["kind"]).model_validate(request["method"])
        earlier = [int(one["concept"]) for one in requests[:number]]
        index = int(request["index"])
        what = (method, int(request["concept"]), images, (*key, "erase", index), earlier)
        try:
            weights, masks = local.with_outcome(weights, masks, local.erased(config, backbone, weights, *what))
        except UnlearningError:  # distilled from a main model that has lost the concept, the seed may have nothing of it
            failed.add(index)
    return local.cut_out(weights, masks), masks, failed
