"""The exit status of a program that holds its measurements to bars."""

from __future__ import annotations

from collections.abc import Sequence


def status(met: Sequence[bool]) -> int:
    """Print how many bars are met as the last line; return the exit status: 0 if all are, else 1.

    By that line ``make bench`` and ``make gpu`` tell results that miss a bar, which are kept, from those of a program that broke off.
    """
    print(f"bars met: {sum(met)} of {len(met)}")
    return int(not all(met))
