"""Limits of settings: memory and steps of a peer's model."""

from __future__ import annotations

from collections.abc import Callable

from clients.data.columns import expanded_shape
from clients.models import ModelSpec
from clients.unlearning.contract import Problem, UnlearnerSpec, UnlearningError

MOST_BYTES = 8 * 2**30
"""Largest memory of one peer's model, the same on every machine, so that a scenario is accepted everywhere or nowhere."""

COUNT_BYTES = 8
"""Bytes of the rounds done, which every state tells."""

ID_BYTES = 8
"""Bytes of the id of a row."""

MOST_STEPS = 10**9
"""Largest number of steps of a full fit: gradient steps, or visits of a row by a centroid in thousands; this takes days."""


def beyond(what: str, rows: int, size: int, steps: int = 0, cure: str = "ask for less") -> str | None:
    """Return an error line with the number and the cure if settings exceed a limit, else None.

    Parameters
    ----------
    what : str
        The kind and its settings, such as ``dare with cuts = 25``.
    rows, size, steps : int
        Number of training rows; lower bound of the memory in bytes; steps of a full fit.
    cure : str
    """
    if size > MOST_BYTES:
        return f"{what} takes {_gib(size)} GiB for {rows} rows, more than the {_gib(MOST_BYTES)} GiB that a peer's model may have: {cure}"
    if steps > MOST_STEPS:
        return f"{what} takes {_short(steps)} steps for {rows} rows, more than {_short(MOST_STEPS)}, which is days: {cure}"
    return None


def refusal(check: Callable[[], object]) -> str | None:
    """Return the error line of the ``UnlearningError`` that a check raises, or None if it raises none."""
    try:
        check()
    except UnlearningError as error:
        return str(error)
    return None


def weights(base: ModelSpec, problem: Problem) -> int:
    """Return the bytes of a network's weights, 0 if its size is unknown before it is built."""
    try:
        return 4 * base.parameters(expanded_shape(problem.shape, problem.columns), problem.classes)
    except (NotImplementedError, ValueError):  # invalid shapes are reported elsewhere
        return 0


def networks(count: int, base: ModelSpec, problem: Problem) -> int | None:
    """Return the bytes of a state with that many networks and the number of rounds done, None if their size is not known beforehand."""
    size = weights(base, problem)
    return count * size + COUNT_BYTES if size else None


def untrained(spec: UnlearnerSpec, problem: Problem) -> int:
    """Return the bytes of the state of a spec's unlearner before training."""
    return sum(array.nbytes for array in spec.build(problem, ()).state().values())


def _gib(size: int) -> str:
    whole, tenth = divmod(size * 10 // 2**30, 10)
    return f"{whole:,}.{tenth}" if tenth else f"{whole:,}"


def _short(steps: int) -> str:
    digits = str(steps)
    return f"{steps:,}" if len(digits) <= 15 else f"10^{len(digits) - 1}"
