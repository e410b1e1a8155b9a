"""Results in words that terminal and report share, and HTML of a run for notebooks: its metrics and its erasures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from html import escape
from typing import Any

from simulator.requests import request_of

SETS = ("forget", "retain", "test")
"""Sets of rows on which compared methods are scored."""


def as_html(found: Mapping[str, Any]) -> str:
    """Return the content of ``results.json`` as HTML: a heading, a table of metrics, one of erasures."""
    title = f"{found['name']}, seed {found['seed']}, engine {found['engine']}, digest {found['digest'][:16]}"
    mixes = [(f"{name}, {mix}", values) for name, of in found.get("metrics", {}).items() for mix, values in of.items()]
    models = list(dict.fromkeys(model for _, values in mixes for model in values))
    parts = [f"<p><b>{escape(title)}</b></p>"]
    if mixes:
        parts.append(_table(["at the end", *models], ([name, *(number(values.get(model)) for model in models)] for name, values in mixes)))
    if found["erasures"]:
        heads = ["round", "forgotten", "method", "guarantee", "largest difference", "gradient steps"]
        parts.append(_table(heads, map(_erasure, found["erasures"])))
    return "".join(parts)


def _erasure(one: Mapping[str, Any]) -> list[str]:
    difference = number(one["max_abs_difference"])
    return [*round_and_subject(one), one["method"], one["guarantee"], difference, str(one["gradient_steps"])]


def round_and_subject(erasure: Mapping[str, Any]) -> tuple[str, str]:
    """Return the round of an erasure (its row in the results), and what was forgotten, in words."""
    return str(erasure["round"]), request_of(erasure["kind"]).short.format(peer=erasure["peer"], count=count_of(erasure))


def count_of(told: Mapping[str, Any]) -> str:
    """Return how much a request names, in words, given its row in the results: ``7 rows``."""
    unit, count = request_of(told["kind"]).unit, told["rows"] + told.get("edges", 0)
    return f"{count} {unit[count != 1]}"


def sizes_of(compared: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows accuracies of a comparison are over, by set; 0 where none was measured."""
    rows = list(compared)
    return {name: next((row[name]["n"] for row in rows if row.get(name)), 0) for name in SETS}


def span(numbers: Collection[int]) -> str:
    """Return the smallest and the largest of some numbers, or the number if all are the same."""
    first, last = min(numbers), max(numbers)
    return str(first) if first == last else f"{first} to {last}"


def notes_of(compared: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the name of a row, and what its method says of how it carried the request out, or why it did not."""
    for row in compared:
        for note in (*row.get("notes", ()), *([row["failed"]] if "failed" in row else [])):
            yield row["row"], note


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    told = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{told}</tr></thead><tbody>{lines}</tbody></table>"


def counted(
    name: str, counts: str | None, figures: Mapping[str, float | None], say: Callable[[float | None], str], *, of: bool, suffix: str = ""
) -> str:
    """Return an audit's figure with its number of cases and its interval: ``0.25 of 12 (0.09 to 0.53)``; alone if it has none.

    Parameters
    ----------
    name, counts : str
        Names of the column of the figure, and of that of the number of cases; see `simulator.audits.contract.Column`.
    figures : mapping of str to float
    say : callable
        Writes a number.
    of : bool
        Whether the figure is a share of the cases; else their number is written as ``n = 12``.
    suffix : str
        What follows the names of columns in the figures of a run.
    """
    value, low, high = (figures.get(f"{name}{end}{suffix}") for end in ("", "_low", "_high"))
    cases = None if counts is None else figures.get(f"{counts}{suffix}")
    if value is None or cases is None:
        return say(value)
    ends = "" if low is None or high is None else f" ({say(low)} to {say(high)})"
    return f"{say(value)} of {cases:.0f}{ends}" if of else f"{say(value)}{ends}, n = {cases:.0f}"


def number(value: float | None) -> str:
    """Return a number with three digits, or ``"not measured"`` for None."""
    return "not measured" if value is None else f"{value:.3g}" if value else "0.0"
