"""Encodings of inputs for spiking networks: what each input sends in each time step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from clients.streams import key_hash

if TYPE_CHECKING:
    from torch import Tensor

Encoding = Literal["direct", "rate", "latency"]
"""How inputs become what the first layer of a spiking network receives in each time step."""

_SIGNED = 2**63


def encoded(x: Tensor, encoding: Encoding, steps: int) -> Tensor:
    """Return what inputs send in each step.

    Parameters
    ----------
    x : float tensor, shape (n, d)
        Inputs; rate and latency treat those below 0 as 0 and those above 1 as 1.
    encoding : {"direct", "rate", "latency"}
    steps : int

    Returns
    -------
    float tensor, shape (steps, n, d), or (1, n, d) where all steps are alike
    """
    if encoding == "direct":
        return x[None]
    if encoding == "rate":
        return _rate(x, steps)
    if encoding == "latency":
        return _latency(x, steps)
    assert_never(encoding)


def _rate(x: Tensor, steps: int) -> Tensor:
    """Return spikes that come in each step with the input as their probability.

    Whether an input fires is a function of the row's values, the input's place and the step, so that a row is encoded alike in every batch,
    by every peer, and without a generator.
    """
    import torch

    places = torch.arange(x.shape[1], device=x.device) + 1
    row = (_mixed(x.float().view(torch.int32).long() + places * _key("value")) * places).sum(dim=1, keepdim=True)
    drawn = _mixed(row[None] + places * _key("place") + (torch.arange(steps, device=x.device)[:, None, None] + 1) * _key("step"))
    uniform = ((drawn >> 11) & (2**53 - 1)).double() * 2.0**-53
    return (uniform < x.double()).to(x.dtype)


def _latency(x: Tensor, steps: int) -> Tensor:
    """Return one spike per input, in step ``round((1 - x) (steps - 1))`` counted from 0; an input of 0 stays silent."""
    import torch

    kept = x.clamp(0, 1)
    when = torch.round((1 - kept) * (steps - 1))
    spikes = when[None] == torch.arange(steps, device=x.device)[:, None, None]
    return (spikes & (kept > 0)).to(x.dtype)


def _key(what: str) -> int:
    """Return an odd signed constant for what it multiplies."""
    return (key_hash("rate encoding", what) | 1) - _SIGNED


def _mixed(z: Tensor) -> Tensor:
    """Return 64-bit hashes of 64-bit integers (the finaliser of splitmix64; products wrap around)."""
    z = (z ^ _shifted(z, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    z = (z ^ _shifted(z, 27)) * (0x94D049BB133111EB - 2**64)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Return 64-bit integers shifted right as if they had no sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
