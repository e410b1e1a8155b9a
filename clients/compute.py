"""Where heavy tensor work runs, and how strictly; the one place that turns the name of a device into a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

from clients.spec import Spec

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]


def resolved(name: Device) -> Literal["cpu", "cuda"]:
    """Return the device that a name stands for; ``auto`` takes CUDA where there is one. ``ValueError`` if CUDA is asked for and missing."""
    if name == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ValueError('device = "cuda": torch finds no CUDA device here; use "auto" or "cpu"')
    return "cpu"


class Compute(Spec):
    """Device and strictness of a computation.

    Draws are made on the CPU whatever the device, so that both start from the same numbers; sums then differ in their last bits.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where there is one.
    tf32 : bool
        Allow the short products of recent GPUs, in float32 only.
    deterministic : bool
        Ask torch for kernels whose result does not vary between calls. Without it a run on CUDA does not give the same digest twice.
    """

    device: Device = "cpu"
    tf32: bool = False
    deterministic: bool = False

    def place(self) -> torch.device:
        """Return the device; ``ValueError`` if CUDA is asked for and missing."""
        import torch

        return torch.device(resolved(self.device))

    def settled(self) -> Self:
        """Return the same with ``auto`` replaced by the device that it stands for; ``ValueError`` if CUDA is asked for and missing."""
        return self.model_copy(update={"device": resolved(self.device)})

    @contextmanager
    def active(self) -> Iterator[None]:
        """Set torch's switches while inside and put them back afterwards."""
        import torch

        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32, torch.are_deterministic_algorithms_enabled()
        matmul.allow_tf32 = cudnn.allow_tf32 = self.tf32
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what torch asks of whoever wants equal products
            torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before[:2]
            torch.use_deterministic_algorithms(before[2])
