"""A suite of named checks, some of which are expected to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


class ContractError(AssertionError):
    """A class that does not do what its contract asks; one line for each check that failed."""


@dataclass(frozen=True)
class Check:
    """One check: what must hold, in words, and a function that raises if it does not.

    ``expected_to_fail`` says why it may, where something weaker is claimed; None where it must hold.
    """

    name: str
    run: Callable[[], None]
    expected_to_fail: str | None = None


def require(condition: object, words: str) -> None:
    """Raise ``ContractError`` with these words unless the condition holds."""
    if not condition:
        raise ContractError(words)


def run_all(what: str, checks: Iterable[Check]) -> None:
    """Carry out all checks; raise ``ContractError`` with a line for each that failed without being expected to."""
    failed = []
    for check in checks:
        try:
            check.run()
        except Exception as error:  # a crash fails the check, too
            if check.expected_to_fail is None:
                told = str(error) if isinstance(error, ContractError) else f"{type(error).__name__}: {error}"
                failed.append(f"{what}: {check.name}: {' '.join(told.split())}")
    if failed:
        raise ContractError("\n".join(failed))
