"""The published completion and ours at Stable Diffusion 1.5 sizes: ``python -m experiments.benchmarks.revival [--device cuda]``.

Sixteen layers of random weights have the shapes of the model's feed-forward outputs, and slowly falling singular values with a tail of
noise, like trained layers. They lose 2 % of their entries in the pattern of a concept cut: the largest of each row, within some columns.
The published rule is a loop of float64 SVDs over layers, as in its code. On a CPU, one layer of each shape is measured and counted as often
as the model has it; the published rule is run to its end on the smallest shape and timed for a few iterations on the others, which are
assumed to need equally many. Times are then processor seconds of one thread, which other work on the machine affects least. On CUDA our
rules complete all layers in wall-clock time. On both, a rule's operations and memory traffic are compared with the device's rates in one
large product and one large copy. Signs are compared on the one layer that the published rule has completed, of the smallest shape.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from clients.streams import torch_generator
from experiments.bars import status
from experiments.benchmarks._device_rates import device_share, timed
from server.revival.arithmetic import Arithmetic
from server.revival.completion import complete_layers
from server.revival.completion_specs import CompletionSpec, PolarMomentum, PolarOnce, SoftImpute, usual
from server.revival.locate import strongest
from server.revival.stack import Completion

SHAPES = {(320, 1280): 5, (640, 2560): 5, (1280, 5120): 6}
MISSING = 0.02
KEEP = 0.6
FASTER, AGREEING, RIGHT, SECONDS = 15.0, 0.99, 0.005, 60.0
"""The bars: speed-up over published on a CPU; share of agreeing retained signs, or allowed loss of correct ones; seconds on CUDA."""


def layer(shape: tuple[int, int], index: int, power: float, noise: float) -> tuple[Tensor, Tensor]:
    """Return float32 weights whose singular values fall like ``i ** -power``, plus noise, and the mask of a cut of the missing share."""
    draw = torch_generator("revival benchmark", shape, index)
    m, n = shape
    weight = (torch.randn(m, m, generator=draw) * torch.arange(1, m + 1) ** -power) @ torch.randn(m, n, generator=draw)
    weight = weight / weight.std() + noise * torch.randn(m, n, generator=draw)
    excited = torch.rand(n, generator=draw) * (torch.rand(n, generator=draw) < 0.5)
    score = weight.abs() * excited
    return weight * 0.02, torch.stack([strongest(row, None, MISSING) for row in score])


def published_loop(weight: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_], limit: int) -> tuple[npt.NDArray[np.float64], int]:
    """Return the completion of one layer by a plain loop of the published rule (NumPy, float64, full SVD), and its iterations."""
    z = np.where(mask, np.nan, weight)
    z = np.where(mask, np.nanmean(z, axis=0), weight)
    older = z
    for i in range(limit):
        left, s, right = np.linalg.svd(z, full_matrices=False)
        new = np.where(mask, (left * (s - s[-1])) @ right, weight)
        if i > 0 and np.linalg.norm(new - older) / np.linalg.norm(older) < 1e-5:
            return new, i + 1
        older, z = z, new
    return z, limit


def kept_signs(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the entries whose sign the attack would keep, and all signs."""
    return strongest(values.abs(), mask, KEEP), values.sign()


def compare(ours: Completion, theirs: Tensor, truth: Tensor) -> tuple[float, float, float]:
    """Return the share of retained signs on which both agree, and each one's share of correct retained signs."""
    mask = ours.missing
    (place_a, sign_a), (place_b, sign_b) = kept_signs(ours.values, mask), kept_signs(theirs, mask)
    both = place_a & place_b
    return (
        float((sign_a == sign_b)[both].double().mean()),
        float((sign_a == truth.sign())[place_a].double().mean()),
        float((sign_b == truth.sign())[place_b].double().mean()),
    )


@dataclass(frozen=True)
class Published:
    """Processor seconds of the published loop for the whole model, and the layers that it completed."""

    seconds: float
    layers: dict[str, Tensor]


@dataclass(frozen=True)
class Line:
    """One of our rules on the whole model.

    Parameters
    ----------
    name : str
        What the rule completes, and how.
    seconds : float
        Processor time; on CUDA wall-clock time.
    faster : float
        Speed-up over the published loop.
    agree, ours, theirs : float
        Share of retained signs on which both agree, and each one's share of correct retained signs, in the layers that both completed.
    told : str
        The same in words.
    """

    name: str
    seconds: float
    faster: float
    agree: float
    ours: float
    theirs: float
    told: str

    @property
    def same_signs(self) -> bool:
        """Whether the signs are as accurate as those of the published rule."""
        return self.agree >= AGREEING or self.ours >= self.theirs - RIGHT

    def reached(self, cuda: bool) -> bool:
        """Return whether it is as fast and as accurate as asked."""
        return self.same_signs and (self.seconds <= SECONDS if cuda else self.faster >= FASTER)

    def verdict(self, cuda: bool) -> str:
        """Return the bar, the measured value, and whether it is met."""
        bar = f"all layers in {SECONDS:g} s" if cuda else f"at least {FASTER:g} times as fast as published"
        got = f"{self.seconds:.3g} s" if cuda else f"{self.faster:.1f} times"
        signs = f"retained signs agree in {AGREEING:.0%}, or {100 * RIGHT:g} points fewer of them are right at most"
        return (
            f"bar for {self.name}: {bar} ({got}), and {signs} ({self.agree:.2%}; {self.ours:.2%} right, published {self.theirs:.2%}): "
            f"{'reached' if self.reached(cuda) else 'NOT reached'}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print the results; return 1 if a bar is not reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="without the largest shape")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--tf32", action="store_true", help="allow TF32 products in the fast rules on CUDA")
    parser.add_argument("--power", type=float, default=0.1, help="how fast singular values fall")
    parser.add_argument("--noise", type=float, default=0.1, help="standard deviation of the noise, the rest having 1")
    parser.add_argument("--double", action="store_true", help="also time soft-impute in float64")
    parser.add_argument("--iterations", type=int, default=2, help="published iterations timed on the larger shapes")
    args = parser.parse_args(arguments)
    shapes = dict(list(SHAPES.items())[:-1]) if args.quick else SHAPES
    try:
        fast = Arithmetic(device=args.device, precision="float32", tf32=args.tf32).settled()
    except ValueError as error:
        parser.error(f"--{error}")
    cuda = fast.device == "cuda"
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    where = torch.cuda.get_device_name() if cuda else "cpu"
    print(f"device {where}, {cores}; {sum(shapes.values())} layers, {MISSING:.0%} missing")
    measured = shapes if cuda else dict.fromkeys(shapes, 1)
    data = {f"{m}x{n}/{i}": layer((m, n), i, args.power, args.noise) for (m, n), count in measured.items() for i in range(count)}
    complete_layers({"warm": torch.randn(8, 16)}, {"warm": torch.eye(8, 16) > 0}, SoftImpute(), fast)
    published = published_cost(data, shapes, args.iterations)
    exact = fast.model_copy(update={"precision": "float64", "tf32": False})
    rules: list[tuple[str, CompletionSpec, Arithmetic]] = [("soft-impute, float64", SoftImpute(), exact)] if args.double else []
    rules += [("soft-impute, float32", SoftImpute(), fast), ("polar momentum, float32", PolarMomentum(), fast)]
    rules += [("one-shot polar, float32", PolarOnce(), fast)]
    lines = []
    for name, rule, arithmetic in rules:
        line = report(name, rule, arithmetic, data, shapes, published)
        print(line.told)
        lines.append((line, rule))
    for line, rule in lines:
        default = " (the default)" if rule == usual(fast) and not line.name.endswith("64") else ""
        print(line.verdict(cuda) + default)
    return status([line.reached(cuda) for line, _ in lines])


def published_cost(data: dict[str, tuple[Tensor, Tensor]], shapes: dict[tuple[int, int], int], few: int) -> Published:
    """Time the published loop and print the extrapolation to the whole model."""
    smallest, reference, total, full_count = next(iter(shapes)), {}, 0.0, 0
    for (m, n), count in shapes.items():
        name = f"{m}x{n}/0"
        weight, mask = data[name]
        limit = 500 if (m, n) == smallest else few
        begin = time.process_time()
        with threadpool_limits(1):  # NumPy's threads use processor time while they wait for each other
            values, iterations = published_loop(weight.double().numpy(), mask.numpy(), limit)
        each = (time.process_time() - begin) / iterations
        if (m, n) == smallest:
            full_count, reference[name] = iterations, torch.from_numpy(values)
        total += each * full_count * count
        said = f"run to its end: {iterations} iterations" if (m, n) == smallest else f"{iterations} iterations timed"
        part = f"{count} layers x {full_count} iterations = {each * full_count * count:.0f} s"
        print(f"  published, {m}x{n}: {each:.3f} s per iteration ({said}); {part}")
    print(f"published SVD loop (NumPy, float64), all layers: {total:.0f} s, with the smallest shape's iterations taken for all shapes")
    return Published(total, reference)


def report(
    name: str,
    rule: CompletionSpec,
    arithmetic: Arithmetic,
    data: dict[str, tuple[Tensor, Tensor]],
    shapes: dict[tuple[int, int], int],
    published: Published,
) -> Line:
    """Run one of our rules on the measured layers and return its cost for the whole model."""
    weights, masks = {k: w.masked_fill(m, 0) for k, (w, m) in data.items()}, {k: m for k, (_, m) in data.items()}
    results: dict[str, Completion] = {}
    if arithmetic.device == "cuda":
        complete_layers(weights, masks, rule, arithmetic)  # warm-up: the first call loads kernels
        results, seconds = timed(lambda: complete_layers(weights, masks, rule, arithmetic), True)
        often = dict.fromkeys(results, 1)
    else:
        seconds, often = 0.0, {}
        for (m, n), count in shapes.items():
            key = f"{m}x{n}/0"
            one, spent = timed(lambda key=key: complete_layers({key: weights[key]}, {key: masks[key]}, rule, arithmetic), False)  # type: ignore[misc]
            results, seconds, often[key] = results | one, seconds + count * spent, count
    agree, ours, theirs = np.mean([compare(results[key], values, data[key][0]) for key, values in published.layers.items()], axis=0)
    iterations = ", ".join(str(completion.iterations) for completion in results.values())
    faster = published.seconds / seconds
    told = (
        f"{name}: {seconds:.3g} s for all layers ({iterations} iterations), {faster:.1f} times as fast as published; "
        f"retained signs agree {agree:.2%}, right {ours:.2%} (published {theirs:.2%})\n"
        f"  {device_share(rule, arithmetic, masks, results, often, seconds)}"
    )
    return Line(name, seconds, faster, float(agree), float(ours), float(theirs), told)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
