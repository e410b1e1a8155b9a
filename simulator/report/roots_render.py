"""What the page's part about cut, revived and hidden concepts is filled with."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from simulator.report import roots_curves, roots_words, svg
from simulator.report.roots_model import VARIANTS, RevivalRow, Roots, Sample, Scores, Strip, mean_of, mean_scores

MOST_SETTINGS = 6
MOST_ROWS = 40
MOST_SHARES = 5

Setting = tuple[str, str, str]


def sections(roots: Roots | None) -> list[tuple[str, str, bool]]:
    """Return the sections for the page's navigation: anchor, title, and whether it is there."""
    if roots is None:
        return []
    pictured = any(row.strips for row in roots.revivals)
    return [("revival", "Revival", True), ("samples", "Samples", pictured), ("knobs", "Curves", bool(roots.curves or roots.revivals))]


def content(roots: Roots) -> SimpleNamespace:
    """Return what the template shows; long lists are cut, and the page says by how much."""
    shown = roots.settings[:MOST_SETTINGS]
    pictured = [row for row in roots.revivals if row.strips]
    return SimpleNamespace(
        settings=[_setting(roots, setting, place) for place, setting in enumerate(shown)],
        hidden=len(roots.revivals) - sum(min(len(roots.rows(setting)), MOST_ROWS) for setting in shown),
        recommendation=roots.recommendation,
        history=roots_words.history(roots),
        judge=roots.judge,
        grids=[_grid(row, several=len(roots.settings) > 1) for row in pictured],
        hidden_grids=len(roots.revivals) - len(pictured),
        curves=_curves(roots),
        shares=_shares(roots),
        policies=_policies(roots),
    )


def _setting(roots: Roots, setting: Setting, place: int) -> SimpleNamespace:
    rows = roots.rows(setting)
    title = roots_words.setting(setting)
    charts = tuple(roots_curves.variants(rows, width, f"variants-{place}-{side}") for width, side in ((svg.WIDE, "w"), (svg.NARROW, "n")))
    accuracies = [_line(row.concept, [row.scores.get(v, Scores()) for v in VARIANTS]) for row in rows[:MOST_ROWS]]
    figures = [_figures(row.concept, (row,)) for row in rows[:MOST_ROWS]]
    if len(rows) > 1:
        accuracies.insert(0, _line("mean", [mean_scores(rows, v) for v in VARIANTS], mean=True))
        figures.insert(0, _figures("mean", rows, mean=True))
    over = "one concept" if len(rows) == 1 else f"{len(rows)} concepts, each erased from the whole model"
    return SimpleNamespace(
        title=title[0].upper() + title[1:],
        chart=charts,
        caption=f"Share of samples in which the judge sees what was asked for: {over}.",
        accuracies=accuracies,
        figures=figures,
    )


def _line(label: str, scores: list[Scores], *, mean: bool = False) -> SimpleNamespace:
    return SimpleNamespace(label=label, scores=scores, mean=mean)


def _figures(label: str, rows: tuple[RevivalRow, ...], *, mean: bool = False) -> SimpleNamespace:
    def over(value: Callable[[RevivalRow], float | None]) -> float | None:
        return mean_of([value(row) for row in rows])

    return SimpleNamespace(
        label=label,
        mean=mean,
        success=over(roots_words.success),
        signs=over(lambda row: row.sign_accuracy),
        surest=over(lambda row: row.sign_accuracy_top_fifth),
        location=over(lambda row: row.location_auc),
        column=over(lambda row: row.column_auc),
        seconds=over(lambda row: row.seconds),
    )


def _grid(row: RevivalRow, *, several: bool) -> dict[str, Any]:
    title = f"Concept {row.concept}, round {row.round}"
    return {
        "concept": row.concept,
        "title": f"{title}; {roots_words.setting(row.setting)}" if several else title,
        "strips": [_strip(strip) for strip in row.strips],
    }


def _strip(strip: Strip) -> dict[str, Any]:
    halves = {half: [_sample(strip.variant, one) for one in getattr(strip, half)] for half in ("target", "others")}
    return {"variant": strip.variant, **halves}


def _sample(variant: str, one: Sample) -> dict[str, Any]:
    return {
        "src": f"data:image/png;base64,{b64encode(one.png).decode()}",
        "right": one.right,
        "verdict": roots_words.verdict(one),
        "spoken": roots_words.spoken(variant, one),
    }


def _curves(roots: Roots) -> list[tuple[str, tuple[str, str], str]]:
    thin = " Thin lines: each concept."
    kinds = (
        ("noise", "How loud the fill is", roots_curves.noise,
         "At 0 the zeros lie open. Below 0.5 a fill is louder than what surrounds it, and is found from the other side."),
        ("sparsity", "How much is cut", roots_curves.sparsity, "A larger cut erases more, and takes more of the other concepts along."),
        ("share", "How many peers prune", roots_curves.shares, "Every policy averages the same updates."),
    )
    found = []
    for kind, title, draw, caption in kinds:
        if curves := roots.of_kind(kind):
            several = len({curve.concept for curve in curves}) > 1
            note = " Means over concepts." if several and kind == "share" else thin if several else ""
            found.append((title, (draw(roots, svg.WIDE), draw(roots, svg.NARROW)), caption + note))
    return found


def _shares(roots: Roots) -> list[float]:
    """Return the shares of pruning peers that the table of policies has room for, first and last among them."""
    every = sorted({point["x"] for curve in roots.of_kind("share") for point in curve.points})
    if len(every) <= MOST_SHARES:
        return every
    return [every[round(i * (len(every) - 1) / (MOST_SHARES - 1))] for i in range(MOST_SHARES)]


def _policies(roots: Roots) -> list[dict[str, Any]]:
    rows = []
    curves = roots.of_kind("share")
    for policy in dict.fromkeys([*(curve.policy for curve in curves), *(row.policy for row in roots.revivals if row.policy)]):
        own = [curve for curve in curves if curve.policy == policy]
        target, others = (roots_curves.average(own, name) for name in ("target", "others"))
        scores = [Scores(target.get(x), others.get(x)) for x in _shares(roots)]
        rows.append({"name": roots_words.policy(policy), "scores": scores, "explained": roots_words.explained(policy)})
    return rows
