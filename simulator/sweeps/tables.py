"""The table of a sweep as CSV for programs and as LaTeX for papers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from simulator.sweeps.design import Design
from simulator.sweeps.estimates import Estimate, Line

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "\u2013"
"""Where there is no value."""

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\u2013": "--"}
_SPECIAL |= {one: rf"\{one}" for one in "&%$#_{}"}


def frame(design: Design, lines: Sequence[Line]) -> pd.DataFrame:
    """Return the table with a row for each measure and variant.

    Columns are the varied keys, ``measure``, ``unit``, ``n``, ``mean``, ``low`` and ``high`` (ends of the 95 % interval), and the same of
    ``difference``, the mean of the differences to the first variant, seed by seed.
    """
    import pandas as pd

    rows = []
    for line in lines:
        row: dict[str, object] = design.variants[line.variant].cells
        row |= {"measure": line.measure.name, "unit": line.measure.unit, **_columns(line.own, "", "mean")}
        rows.append(row | _columns(line.difference, "difference_", "difference"))
    found = pd.DataFrame(rows)
    return found.astype({name: "Int64" for name in ("n", "difference_n") if name in found})


def _columns(one: Estimate | None, start: str, mean: str) -> dict[str, float | None]:
    values = (one.n, one.mean, one.low, one.high) if one else (None,) * 4
    return dict(zip((f"{start}n", mean, f"{start}low", f"{start}high"), values, strict=True))


def as_csv(design: Design, lines: Sequence[Line]) -> str:
    """Return the table as CSV, every number with all its digits, nothing where there is none."""
    return str(frame(design, lines).to_csv(index=False, lineterminator="\n"))


def as_latex(design: Design, lines: Sequence[Line]) -> str:
    """Return the table as a LaTeX ``tabular`` that needs no package."""
    return "\n".join(_latex(design, lines)) + "\n"


def _latex(design: Design, lines: Sequence[Line]) -> Iterator[str]:
    yield f"% lethe sweep {design.name}-{design.digest}: mean over seeds and its 95 % interval (Student's t);"
    yield "% difference to the first variant, seed by seed"
    yield r"\begin{tabular}{lrrrrr}"
    yield r"\hline"
    yield r" & n & mean & 95\,\% interval & difference & 95\,\% interval \\"
    for measure, own in groupby(lines, key=lambda line: line.measure):
        yield r"\hline"
        yield rf"\multicolumn{{6}}{{l}}{{{escaped(f'{measure.name} ({measure.unit})')}}} \\"
        for line in own:
            cells = [design.labels[line.variant], str(line.own.n), *told(line.own), *told(line.difference)]
            yield " & ".join(map(escaped, cells)) + r" \\"
    yield r"\hline"
    yield r"\end{tabular}"


def escaped(text: str) -> str:
    """Return text so that LaTeX sets it as it stands."""
    plain = re.sub(r"[\\~^\u2013&%$#_{}]", lambda found: _SPECIAL[found[0]], text)
    return re.sub(r"(?<![\w.)}-])-(?=[\d.])", "$-$", plain)


def told(one: Estimate | None) -> tuple[str, str]:
    """Return a mean and its interval as text."""
    if one is None:
        return NOTHING, NOTHING
    interval = NOTHING if one.low is None or one.high is None else f"{number(one.low)} to {number(one.high)}"
    return number(one.mean), interval


def number(value: float) -> str:
    """Return a number with four digits, whole from 1,000 on."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
