"""In how many ways a regular expression can read a text, which bounds how long Python's ``re`` can take over it.

``re`` tries one way after the other until one fits, so that a text that none fits costs all of them.
"""

from __future__ import annotations

from re import _constants as codes  # type: ignore[attr-defined]  # the standard library has no public name for what it parsed
from re import _parser  # type: ignore[attr-defined]
from typing import Any

LETTERS = 100
"""Letters of the text that ways are counted for."""

MOST = (LETTERS + 1) ** 2
"""Most ways from one place of the text: two repetitions of open length beside one another."""


def ways(pattern: str) -> int:
    """Return an upper bound of the ways to read a text of `LETTERS` letters from one place, or ``MOST + 1`` where there are more.

    Raises
    ------
    re.error, OverflowError, RecursionError
        If it is no regular expression.
    """
    return _of(_parser.parse(pattern))


def _of(parsed: Any) -> int:
    """Return the ways of what stands one behind the other: the product of theirs."""
    found = 1
    for code, of in parsed:
        found = min(found * _one(code, of), MOST + 1)
    return found


def _one(code: Any, of: Any) -> int:
    """Return the ways of one part of a pattern."""
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, most, inner = of
        return _repeated(least, min(most, max(least, LETTERS)), inner)
    if code is codes.BRANCH:
        return sum(map(_of, of[1]))
    if code is codes.GROUPREF_EXISTS:
        return sum(_of(branch) for branch in of[1:] if branch is not None)
    if code is codes.SUBPATTERN:
        return _of(of[-1])
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return _of(of[1])
    return _of(of) if code is codes.ATOMIC_GROUP else 1


def _repeated(least: int, most: int, inner: Any) -> int:
    """Return the ways of a repetition; each turn of one that may read nothing counts twice, since it can be had or not."""
    each = max(_of(inner), 2 if inner.getwidth()[0] == 0 and most > 1 else 1)
    if each == 1:
        return most - least + 1
    found = 0
    for times in range(least, most + 1):
        found += each ** min(times, LETTERS)
        if found > MOST:
            break
    return found
