"""Device and determinism of tensor computations; the only module that resolves device names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from clients.spec import Spec

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]


def resolved(name: Device) -> Literal["cpu", "cuda"]:
    """Return the device that a name stands for; ``auto`` takes CUDA if available. ``ValueError`` if CUDA is requested and missing."""
    if name == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ValueError('device = "cuda": torch finds no CUDA device here; use "auto" or "cpu"')
    return "cpu"


Level = Literal["default", "avx2", "avx512"]


class Vectors(Spec):
    """Which instructions of the processor are taken, so that machines with different ones come to the same bits.

    Parameters
    ----------
    level : {"default", "avx2", "avx512"}, optional
        Vector instructions of every library that computes, in every process of the run; what each finds best unless told.
    """

    # left out where it is not set: plans from before there was such a key keep their hash
    level: Level | None = Field(None, exclude_if=lambda level: level is None)


class Compute(Vectors):
    """Device and strictness of a computation.

    Random numbers are drawn on the CPU for every device, so that all devices start from the same numbers; sums then differ in their
    last bits.

    Parameters
    ----------
    level : {"default", "avx2", "avx512"}, optional
        Vector instructions of every library that computes, in every process of the run; what each finds best unless told.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA if available.
    tf32 : bool
        Allow TF32 products on GPUs that have them, in float32 only.
    deterministic : bool
        Use torch's deterministic kernels. Without them, two runs on CUDA do not give the same digest.
    """

    device: Device = "cpu"
    tf32: bool = False
    deterministic: bool = False

    def place(self) -> torch.device:
        """Return the torch device; ``ValueError`` if CUDA is requested and missing."""
        import torch

        return torch.device(resolved(self.device))

    def settled(self) -> Self:
        """Return a copy with ``auto`` resolved to a device; ``ValueError`` if CUDA is requested and missing."""
        return self.model_copy(update={"device": resolved(self.device)})

    @contextmanager
    def active(self) -> Iterator[None]:
        """Set torch's global switches inside the context and restore them afterwards."""
        import torch

        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32, torch.are_deterministic_algorithms_enabled()
        matmul.allow_tf32 = cudnn.allow_tf32 = self.tf32
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch requires it for deterministic matrix products
            torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before[:2]
            torch.use_deterministic_algorithms(before[2])
