"""Check that a checkpoint's weights are finite, before anything else is done with them."""

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
    """Raise ``LetheError`` unless every weight is finite; one tensor is read at a time.

    Parameters
    ----------
    checkpoint : Checkpoint
    parts : bool
        Also check the pipeline's other parts, which are used in sampling.
    """
    headers = list(checkpoint.headers.values())
    if parts:
        headers += [tensors.read_header(path) for path in checkpoint.other_weights()]
    with Bars() as bars:
        step = bars.stage("checking weights", sum(len(header.tensors) for header in headers))
        for header in headers:
            check_file(header, step)


def check_file(header: tensors.Header, step: Callable[[int], None]) -> None:
    """Raise ``LetheError`` unless every weight in a file is finite; ``step`` is called with 1 for each tensor."""
    for name, tensor in tensors.read_all(header):
        if odd := _odd(tensor):
            raise LetheError(f"{header.path}: {name} holds {odd} values that are not finite (NaN or infinity); fetch or train it again")
        step(1)


def check_written(where: object, weights: Mapping[str, Tensor]) -> None:
    """Raise ``LetheError`` unless all new weights are finite in the dtype in which they are written."""
    for name, weight in weights.items():
        if odd := _odd(weight):
            raise LetheError(f"{where}: {name} would get {odd} values that {weight.dtype} cannot hold; lower the settings of magnitude")


def _odd(tensor: Tensor) -> int:
    """Return the number of values that are not finite."""
    import torch

    if not (tensor.is_floating_point() or tensor.is_complex()):
        return 0
    plain = tensor.float() if tensor.element_size() == 1 else tensor  # torch does not compute with 8-bit floats
    if bool(torch.isfinite(plain.sum())):  # no sum over NaN or infinity is finite, and a sum needs no memory
        return 0
    return int((~torch.isfinite(plain)).sum())
