"""Peak rates of a device, and the share of them that a run of the completion achieves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from clients.streams import torch_generator
from server.revival.arithmetic import Arithmetic
from server.revival.completion_specs import CompletionSpec, SoftImpute
from server.revival.polar import QUINTIC_STEPS
from server.revival.stack import Completion

T = TypeVar("T")

RATED = {"cpu": 2048, "cuda": 8192}
"""Side of the matrices with which the device's peak rates are measured."""


def timed(work: Callable[[], T], cuda: bool) -> tuple[T, float]:
    """Return the result and its duration in seconds: wall-clock time on CUDA, processor time otherwise."""
    if not cuda:
        begin = time.process_time()
        return work(), time.process_time() - begin
    torch.cuda.synchronize()
    begin = time.perf_counter()
    result = work()
    torch.cuda.synchronize()
    return result, time.perf_counter() - begin


@dataclass(frozen=True)
class Rates:
    """Peak rates of a device per second: floating-point operations (a multiplication and an addition are two), and bytes moved."""

    flops: float
    traffic: float

    @classmethod
    @cache
    def measured(cls, arithmetic: Arithmetic, size: int) -> Rates:
        """Return the rates of one product of square matrices and of one copy of such a matrix, each the best of three."""
        place = arithmetic.place()
        matrix = torch.randn(size, size, dtype=arithmetic.dtype, generator=torch_generator("revival benchmark", "rates")).to(place)
        other, cuda = torch.empty_like(matrix), place.type == "cuda"
        with arithmetic.active():
            products, copies = (
                min(timed(work, cuda)[1] for _ in range(3))
                for work in (lambda: torch.mm(matrix, matrix, out=other), lambda: other.copy_(matrix))
            )
        return cls(2 * size**3 / products, 2 * matrix.nbytes / copies)


def device_share(
    rule: CompletionSpec,
    arithmetic: Arithmetic,
    masks: dict[str, Tensor],
    results: dict[str, Completion],
    often: dict[str, int],
    seconds: float,
) -> str:
    """Return the share of the device's rates that a run achieves, with each layer counted ``often`` times."""
    size = RATED[arithmetic.device]
    rates = Rates.measured(arithmetic, size)
    flops = traffic = 0.0
    for name, mask in masks.items():
        m, c = min(mask.shape), int(mask.any(dim=0 if mask.shape[0] <= mask.shape[1] else 1).sum())
        sums, entries = needs(rule, arithmetic, m, c)
        times = often[name] * results[name].iterations
        flops, traffic = flops + times * sums, traffic + times * entries * arithmetic.dtype.itemsize
    return (
        f"{flops / seconds / 1e9:.3g} GFlop/s, decompositions included: {flops / seconds / rates.flops:.0%} of the {rates.flops / 1e9:.3g} "
        f"of a product of {size}x{size}; {traffic / seconds / 1e9:.3g} GB/s between products and memory: "
        f"{traffic / seconds / rates.traffic:.0%} of the {rates.traffic / 1e9:.3g} of a copy"
    )


def needs(rule: CompletionSpec, arithmetic: Arithmetic, m: int, c: int) -> tuple[float, float]:
    """Return the operations of one iteration on ``m`` rows and ``c`` moving columns, and the matrix entries that it reads or writes.

    A product counts ``2 m n k`` operations and each of its three matrices once. A symmetric eigendecomposition counts 9 m^3 operations, as
    in the QR method with vectors (Golub and Van Loan, 4th edition, section 8.3), and reads and writes its matrix once.
    """
    gram_and_step = 4 * m * m * c, 2 * m * m + 5 * m * c  # the Gram matrix, the step of the columns, the stored columns
    if isinstance(rule, SoftImpute) or arithmetic.device != "cuda":
        return gram_and_step[0] + (9 + 2) * m**3, gram_and_step[1] + (2 + 3) * m * m
    products = 4 * QUINTIC_STEPS  # four m x m products per step
    return gram_and_step[0] + 2 * products * m**3, gram_and_step[1] + 3 * products * m * m
