"""Construction of torch modules whose weights are a pure function of a key."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import torch
from torch import nn

from clients import streams
from clients.streams import Field


def keyed(make: Callable[[], nn.Module], key: tuple[Field, ...]) -> nn.Module:
    """Return the module made by ``make``, with weights that depend on the key only.

    Every weight and bias of a layer is uniform in ``[-b, b)`` with ``b = 1 / sqrt(fan_in)`` (torch's default distribution), from a
    stream keyed by the parameter's name.
    """
    with torch.device("meta"):  # the layers' own initialisation would draw from the global generator
        module = make()
    module.to_empty(device="cpu")
    with torch.no_grad():
        for prefix, layer in module.named_modules():
            own = dict(layer.named_parameters(recurse=False))
            if not own:
                continue
            bound = 1 / sqrt(own["weight"][0].numel())
            for name, parameter in own.items():
                draws = streams.generator(*key, f"{prefix}.{name}").random(tuple(parameter.shape), dtype=np.float32)
                parameter.copy_(torch.from_numpy((draws * 2 - 1) * np.float32(bound)))
    return module
