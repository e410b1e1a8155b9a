"""The completion rules as named in scenarios."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from clients.iterations import Iterations
from clients.spec import Registry, Spec
from server.revival.arithmetic import Arithmetic

if TYPE_CHECKING:
    from server.revival.stack import Stack, Trace


class CompletionSpec(Spec):
    """Base class of completion rules in scenarios; ``solve`` fills the missing entries of a stack of matrices."""

    whole: ClassVar[bool] = False
    """Whether the rule needs columns without a missing entry other than through their Gram matrix."""

    def check(self, arithmetic: Arithmetic) -> None:
        """Raise ``ValueError`` if the rule must not run in this arithmetic."""

    @abstractmethod
    def solve(self, stack: Stack) -> Trace:
        """Write the guesses into the stack and return the trace of the iterations."""


class Published(CompletionSpec):
    """The published rule, faithfully: full SVD, threshold at the smallest singular value, column means to start from.

    Its stop test compares with the iterate two steps back and skips the first pass.

    Parameters
    ----------
    limit : int
        Most iterations.
    tolerance : float
        Relative change at which it stops.
    """

    whole: ClassVar[bool] = True
    kind: Literal["published"] = "published"
    limit: Iterations = 500
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
    """Soft-impute with a fixed threshold, ``share`` of the largest singular value of the pruned matrix, from a zero start.

    Parameters
    ----------
    share : float
        The threshold, as a share of the largest singular value.
    limit : int
        Most iterations.
    tolerance : float
        Relative change at which it stops.
    """

    kind: Literal["soft_impute"] = "soft_impute"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    limit: Iterations = 300
    tolerance: NonNegativeFloat = 1e-5

    def solve(self, stack: Stack) -> Trace:
        """Iterate by eigendecompositions of the Gram matrix."""
        from server.revival.completion_rules import soft_impute

        return soft_impute(stack, self.share, self.limit, self.tolerance)


class PolarMomentum(CompletionSpec):
    """Gradient descent on the nuclear norm with momentum; ``newton`` uses products only, ``auto`` does so on CUDA.

    Parameters
    ----------
    steps : int
        Gradient steps.
    momentum : float
        Momentum, in [0, 1).
    rate : float
        First step size.
    decay : float
        Factor on the step size after each step.
    polar : {"auto", "eigh", "newton"}
        How the polar factor is found.
    """

    kind: Literal["polar_momentum"] = "polar_momentum"
    steps: Iterations = 60
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    rate: PositiveFloat = 0.05
    decay: Annotated[float, Field(gt=0, le=1)] = 0.97
    polar: Literal["auto", "eigh", "newton"] = "auto"

    def solve(self, stack: Stack) -> Trace:
        """Take all steps, without reading from the device in between."""
        from server.revival.completion_rules import polar_momentum

        return polar_momentum(stack, self.steps, self.momentum, self.rate, self.decay, self.polar)


class PolarOnce(CompletionSpec):
    """The first step from zero: signs are those of the negative polar factor of the pruned matrix.

    Parameters
    ----------
    polar : {"auto", "eigh", "newton"}
        How the polar factor is found.
    """

    kind: Literal["polar_once"] = "polar_once"
    polar: Literal["auto", "eigh", "newton"] = "auto"

    def solve(self, stack: Stack) -> Trace:
        """Take the step."""
        from server.revival.completion_rules import polar_once

        return polar_once(stack, self.polar)


COMPLETIONS: Registry[CompletionSpec] = Registry(
    "lethe.completions",
    "server.revival.completion_specs:CompletionSpec",
    {
        "polar_momentum": "server.revival.completion_specs:PolarMomentum",
        "polar_once": "server.revival.completion_specs:PolarOnce",
        "published": "server.revival.completion_specs:Published",
        "soft_impute": "server.revival.completion_specs:SoftImpute",
    },
)


def usual(arithmetic: Arithmetic) -> CompletionSpec:
    """Return the default rule: polar momentum on CUDA, as its loop consists of matrix products only, else soft-impute."""
    return PolarMomentum() if arithmetic.place().type == "cuda" else SoftImpute()
