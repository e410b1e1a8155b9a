"""Completing a matrix from the entries that pruning left, by the nuclear norm.

What matters afterwards are the signs of the guesses and their size as confidence. Source of the published rule: "Roots Beneath the
Cut", Zhang et al., CVPR 2026 (arXiv 2603.06640), as its released code has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from clients.spec import Registry, Spec
from server.revival.arithmetic import Arithmetic

if TYPE_CHECKING:
    from torch import Tensor

    from server.revival.stack import Stack, Trace

Stopped = Literal["tolerance", "limit", "vanishing step", "nothing missing"]


class CompletionSpec(Spec):
    """How a scenario names a completion; ``solve`` moves the missing entries of a stack of matrices."""

    whole: ClassVar[bool] = False
    """Whether the rule needs the columns that hold no missing entry, other than through their Gram matrix."""

    def check(self, arithmetic: Arithmetic) -> None:
        """Raise ``ValueError`` if the rule must not run in this arithmetic."""

    def solve(self, stack: Stack) -> Trace:
        """Write the guesses into the stack and return what happened on the way."""
        raise NotImplementedError


class Published(CompletionSpec):
    """The published rule, faithfully: full SVD, threshold at the smallest singular value, column means to start from.

    Its stop test compares with the iterate two steps back and skips the first pass.
    """

    whole: ClassVar[bool] = True
    kind: Literal["published"] = "published"
    limit: PositiveInt = 500
    tolerance: NonNegativeFloat = 1e-5

    def check(self, arithmetic: Arithmetic) -> None:
        """Refuse TF32, which is not the published arithmetic."""
        if arithmetic.tf32:
            raise ValueError('completion "published" is not run in TF32; set tf32 = false or take "polar_momentum"')

    def solve(self, stack: Stack) -> Trace:
        """Iterate the rule."""
        from server.revival.completion_rules import published

        return published(stack, self.limit, self.tolerance)


class SoftImpute(CompletionSpec):
    """Soft-impute with a fixed threshold, ``share`` of the largest singular value of the pruned matrix, from a zero start."""

    kind: Literal["soft_impute"] = "soft_impute"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    limit: PositiveInt = 300
    tolerance: NonNegativeFloat = 1e-5

    def solve(self, stack: Stack) -> Trace:
        """Iterate by eigendecompositions of the Gram matrix."""
        from server.revival.completion_rules import soft_impute

        return soft_impute(stack, self.share, self.limit, self.tolerance)


class PolarMomentum(CompletionSpec):
    """Gradient descent on the nuclear norm with momentum; ``newton`` uses products only, ``auto`` does so on CUDA."""

    kind: Literal["polar_momentum"] = "polar_momentum"
    steps: PositiveInt = 60
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    rate: PositiveFloat = 0.05
    decay: Annotated[float, Field(gt=0, le=1)] = 0.97
    polar: Literal["auto", "eigh", "newton"] = "auto"

    def solve(self, stack: Stack) -> Trace:
        """Take all steps; nothing is read back from the device on the way."""
        from server.revival.completion_rules import polar_momentum

        return polar_momentum(stack, self.steps, self.momentum, self.rate, self.decay, self.polar)


class PolarOnce(CompletionSpec):
    """The first step from zero: signs are those of the negative polar factor of the pruned matrix."""

    kind: Literal["polar_once"] = "polar_once"
    polar: Literal["auto", "eigh", "newton"] = "auto"

    def solve(self, stack: Stack) -> Trace:
        """Take the step."""
        from server.revival.completion_rules import polar_once

        return polar_once(stack, self.polar)


COMPLETIONS: Registry[CompletionSpec] = Registry(
    "lethe.completions",
    {
        "polar_momentum": "server.revival.completion:PolarMomentum",
        "polar_once": "server.revival.completion:PolarOnce",
        "published": "server.revival.completion:Published",
        "soft_impute": "server.revival.completion:SoftImpute",
    },
)


def usual(arithmetic: Arithmetic) -> CompletionSpec:
    """Return the rule to take where none is named: polar momentum on CUDA, whose loop is all matrix products, else soft-impute."""
    return PolarMomentum() if arithmetic.place().type == "cuda" else SoftImpute()


@dataclass(frozen=True)
class Completion:
    """A completed matrix and how it came about.

    Parameters
    ----------
    values : float tensor, shape (m, n)
        Observed entries bit-identical to the input; guesses elsewhere. Its type holds both the input's and the computation's.
    missing : bool tensor, shape (m, n)
    iterations : int
    changes : tuple of float
        Relative Frobenius change of each iteration, as the stop test sees it.
    nuclear : tuple of float
        Nuclear norm before each iteration.
    effective_rank : float
        Squared nuclear norm over squared Frobenius norm, at the last iteration: between 1 and ``min(m, n)``.
    stopped : str
        Why it ended.
    """

    values: Tensor
    missing: Tensor
    iterations: int
    changes: tuple[float, ...]
    nuclear: tuple[float, ...]
    effective_rank: float
    stopped: Stopped

    @property
    def confidence(self) -> Tensor:
        """Size of each guess, 0 where observed and where nothing could be guessed."""
        return self.values.abs() * self.missing


def complete(weights: Tensor, missing: Tensor, rule: CompletionSpec | None = None, arithmetic: Arithmetic | None = None) -> Completion:
    """Return the completion of one matrix.

    Parameters
    ----------
    weights : float tensor, shape (m, n)
        Values at missing places are not read.
    missing : bool tensor, shape (m, n)
    rule : CompletionSpec, optional
        That of the device unless told; see `usual`.
    arithmetic : Arithmetic, optional
        float64, on the device where the weights are, unless told.

    Raises
    ------
    ValueError
        If the shapes differ, or an observed entry is not finite.
    """
    return complete_layers({"matrix": weights}, {"matrix": missing}, rule, arithmetic)["matrix"]


def complete_layers(
    weights: Mapping[str, Tensor],
    missing: Mapping[str, Tensor],
    rule: CompletionSpec | None = None,
    arithmetic: Arithmetic | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Completion]:
    """Return the completion of every layer in ``missing``, by name.

    On CUDA equal shapes are stacked and solved at once, each matrix stopping for itself; on a CPU one follows the other.
    ``progress`` is called with layers done and layers in all. Rule and arithmetic are as in `complete`.
    """
    from server.revival.stack import groups, solve_group

    if arithmetic is None:
        arithmetic = Arithmetic(device="cuda" if any(weights[name].is_cuda for name in missing if name in weights) else "cpu")
    rule = rule or usual(arithmetic)
    rule.check(arithmetic)
    results: dict[str, Completion] = {}
    with arithmetic.active():
        for names in groups(weights, missing, arithmetic.place()):
            results |= zip(names, solve_group(names, weights, missing, rule, arithmetic), strict=True)
            if progress is not None:
                progress(len(results), len(missing))
    return {name: results[name] for name in missing}
