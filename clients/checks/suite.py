"""A suite of named checks, some of which are expected to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


class ContractError(AssertionError):
    """A class does not fulfil its contract; the message has one line per failed check."""


@dataclass(frozen=True)
class Check:
    """One check: a condition in words, and a function that raises if the condition does not hold.

    ``expected_to_fail`` is the reason why the check may fail, if the class claims less; None if the condition must hold.
    """

    name: str
    run: Callable[[], None]
    expected_to_fail: str | None = None


def require(condition: object, words: str) -> None:
    """Raise ``ContractError`` with this message unless the condition holds."""
    if not condition:
        raise ContractError(words)


def run_all(what: str, checks: Iterable[Check]) -> None:
    """Run all checks; raise ``ContractError`` with one line per check that failed unexpectedly."""
    failed = []
    for check in checks:
        try:
            check.run()
        except Exception as error:  # a crash counts as a failure
            if check.expected_to_fail is None:
                told = str(error) if isinstance(error, ContractError) else f"{type(error).__name__}: {error}"
                failed.append(f"{what}: {check.name}: {' '.join(told.split())}")
    if failed:
        raise ContractError("\n".join(failed))
