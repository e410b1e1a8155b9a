"""Where and in which precision heavy linear algebra runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from clients.spec import Spec

if TYPE_CHECKING:
    import torch


class Arithmetic(Spec):
    """Device and precision of a computation.

    ``auto`` takes CUDA where there is one. ``tf32`` allows the short products of recent GPUs, in float32 only. ``deterministic``
    asks torch for kernels whose result does not vary between calls.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float64", "float32"] = "float64"
    tf32: bool = False
    deterministic: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of the precision."""
        import torch

        return torch.float64 if self.precision == "float64" else torch.float32

    def place(self) -> torch.device:
        """Return the device; ``ValueError`` if CUDA is asked for and missing."""
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError('device = "cuda": torch finds no CUDA device here; use "auto" or "cpu"')
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    @contextmanager
    def active(self) -> Iterator[None]:
        """Set torch's switches while inside and put them back afterwards."""
        import torch

        before = torch.backends.cuda.matmul.allow_tf32, torch.are_deterministic_algorithms_enabled()
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before[0]
            torch.use_deterministic_algorithms(before[1])
