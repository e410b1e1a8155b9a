"""Whether a checkpoint's weights are numbers: NaN and infinity are refused before anything is done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from simulator.checkpoints import tensors
from simulator.checkpoints.folder import Checkpoint
from simulator.checkpoints.progress import Bars
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor


def check_weights(checkpoint: Checkpoint, parts: bool = False) -> None:
    """Raise unless every weight is finite; reads one tensor at a time.

    Parameters
    ----------
    checkpoint : Checkpoint
    parts : bool
        Look at the pipeline's other parts too, which run when it is sampled from.
    """
    headers = list(checkpoint.headers.values())
    if parts:
        headers += [tensors.read_header(path) for path in checkpoint.other_weights()]
    with Bars() as bars:
        step = bars.stage("checking weights", sum(len(header.tensors) for header in headers))
        for header in headers:
            _check_file(header, step)


def _check_file(header: tensors.Header, step: Callable[[int], None]) -> None:
    for name, tensor in tensors.read_all(header):
        if odd := _odd(tensor):
            raise LetheError(f"{header.path}: {name} holds {odd} values that are not finite (NaN or infinity); fetch or train it again")
        step(1)


def check_written(where: object, weights: Mapping[str, Tensor]) -> None:
    """Raise unless all new weights are finite in the type in which they are written."""
    for name, weight in weights.items():
        if odd := _odd(weight):
            raise LetheError(f"{where}: {name} would get {odd} values that {weight.dtype} cannot hold; lower the settings of magnitude")


def _odd(tensor: Tensor) -> int:
    """Return how many values are not finite."""
    import torch

    if not (tensor.is_floating_point() or tensor.is_complex()):
        return 0
    plain = tensor.float() if tensor.element_size() == 1 else tensor  # torch has no test for eight bits
    return int((~torch.isfinite(plain)).sum())
