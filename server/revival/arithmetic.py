"""Device and precision of the linear algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clients.compute import Compute, Device

if TYPE_CHECKING:
    import torch


class Arithmetic(Compute):
    """Device, strictness and precision of a computation; ``tf32`` counts in float32 only.

    Parameters
    ----------
    precision : {"float64", "float32"}
        Of all sums and products.
    """

    device: Device = "auto"
    precision: Literal["float64", "float32"] = "float64"

    @property
    def dtype(self) -> torch.dtype:
        """The torch dtype of the precision."""
        import torch

        return torch.float64 if self.precision == "float64" else torch.float32
