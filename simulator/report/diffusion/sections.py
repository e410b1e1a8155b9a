"""The sections on erased, revived and hidden concepts."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from clients.diffusion.judges.spec import doubt
from simulator.report import svg, words
from simulator.report.contract import Section, TaskPage
from simulator.report.diffusion import curves as diffusion_curves
from simulator.report.diffusion import quality
from simulator.report.diffusion import words as diffusion_words
from simulator.report.diffusion.model import SEEDS, VARIANTS, RevivalRow, Roots, Sample, Setting, Strip, mean_scores
from simulator.report.diffusion.scores import Scores, mean_of
from simulator.report.diffusion.template import LOSSES, RELEASED, REVIVAL, SAMPLES, STYLE, SWEEPS
from simulator.report.model import ReportData

MOST_SETTINGS = 6
MOST_ROWS = 40
MOST_SHARES = 5

def _losses(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    chart = tuple(diffusion_curves.losses(data, width) for width in (svg.WIDE, svg.NARROW)) if data.own.losses else None
    return {"chart": chart} if chart else None


def _revival(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    """Return the variables of the section on erased, revived and hidden concepts; long lists are cut, with a note on the page."""
    roots: Roots = data.own
    shown = roots.settings[:MOST_SETTINGS]
    settings = [_setting(roots, setting, place) for place, setting in enumerate(shown)]
    erased = roots.erased[:MOST_ROWS]
    compared = [row.after for row in erased if row.after is not None]
    compared += [score for one in settings for line in one.accuracies for score in line.scores]
    found = SimpleNamespace(
        erased=erased,
        changed=any(row.after is not None and row.after.paired for row in erased),
        tested=diffusion_words.tested(sum(len(one.paired) for one in compared)),
        scored=any(row.after is not None for row in roots.erased),
        not_played=roots.not_played,
        drawn=any(row.drawn is not None or row.drawn_alone is not None for row in roots.erased),
        hidden_erased=max(len(roots.erased) - MOST_ROWS, 0),
        bounded=any(row.interval for row in roots.revivals),
        fills=roots.fills,
        settings=settings,
        hidden=len(roots.revivals) - sum(min(len(roots.rows(setting)), MOST_ROWS) for setting in shown),
        recommendation=roots.recommendation,
        history=diffusion_words.history(roots),
    )
    return {"roots": found, "r": diffusion_words} if roots.revivals or roots.erased else None


def _release(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    roots: Roots = data.own
    if roots.released is None:
        return None
    return {"released": roots.released, "alone": roots.sampled, "n_alone": roots.n_sampled, "r": diffusion_words}


def _samples(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    """Return the variables of the section of samples."""
    roots: Roots = data.own
    pictured = [row for row in roots.revivals if row.strips]
    found = SimpleNamespace(
        judge=roots.judge,
        n_judge=roots.n_judge,
        doubt=None if roots.judge is None else doubt(roots.judge),
        grids=[_grid(row, roots.settings) for row in pictured],
        hidden_grids=len(roots.revivals) - len(pictured),
    )
    return {"roots": found, "r": diffusion_words} if pictured else None


def _sweeps(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    roots: Roots = data.own
    found = SimpleNamespace(curves=_curves(roots), shares=_shares(roots), policies=_policies(roots))
    counted = diffusion_words.counted(pair for row in found.policies for pair in row["scores"] if pair.target is not None)
    return {"roots": found, "r": diffusion_words, "counted": counted} if found.curves or found.policies else None


def _setting(roots: Roots, setting: Setting, place: int) -> SimpleNamespace:
    rows = roots.rows(setting)
    title = diffusion_words.setting(setting)
    sizes = ((svg.WIDE, "w"), (svg.NARROW, "n"))
    charts = tuple(diffusion_curves.variants(rows, width, f"variants-{place}-{side}") for width, side in sizes)
    labelled = list(zip(_labels(rows), rows, strict=True))[:MOST_ROWS]
    accuracies = [_line(label, [row.scores.get(v, Scores()) for v in VARIANTS]) for label, row in labelled]
    figures = [_figures(label, (row,)) for label, row in labelled]
    if len(rows) > 1:
        accuracies.insert(0, _line("mean", [mean_scores(rows, v) for v in VARIANTS], mean=True))
        figures.insert(0, _figures("mean", rows, mean=True))
    concepts = len({row.concept for row in rows})
    over = words.plural(concepts, "concept") + (f", {words.plural(len(rows), 'attack')}" if len(rows) > concepts else "")
    return SimpleNamespace(
        title=title[0].upper() + title[1:],
        chart=charts,
        crossed=any(score.cross is not None for line in accuracies for score in line.scores),
        worst=any(score.worst is not None for line in accuracies for score in line.scores),
        caption=f"Share of samples in which the judge sees what was asked for: {over}.",
        accuracies=accuracies,
        counted=diffusion_words.counted(score for line in accuracies if not line.mean for score in line.scores),
        pairs=[(v, other) for v in VARIANTS for other in VARIANTS if any(other in line.by[v].paired for line in accuracies)],
        figures=figures,
        signs=diffusion_words.entries(rows),
        named=[told for row in rows[:MOST_ROWS] if (told := diffusion_words.named(row))],
    )


def _labels(rows: Sequence[RevivalRow]) -> list[str]:
    """Return what attacks are called in tables: with the round where a concept is attacked in several."""
    often = Counter(row.label for row in rows)
    return [f"{row.label}, round {row.round}" if often[row.label] > 1 else row.label for row in rows]


def _line(label: str, scores: list[Scores], *, mean: bool = False) -> SimpleNamespace:
    return SimpleNamespace(label=label, scores=scores, by=dict(zip(VARIANTS, scores, strict=True)), mean=mean)


def _figures(label: str, rows: tuple[RevivalRow, ...], *, mean: bool = False) -> SimpleNamespace:
    def over(value: Callable[[RevivalRow], float | None]) -> float | None:
        return mean_of([value(row) for row in rows])

    return SimpleNamespace(
        label=label,
        mean=mean,
        success=over(diffusion_words.success),
        signs=over(lambda row: row.sign_accuracy),
        surest=over(lambda row: row.sign_accuracy_top_fifth),
        location=over(lambda row: row.location_auc),
        column=over(lambda row: row.column_auc),
        seconds=over(lambda row: row.seconds),
        interval={} if mean else rows[0].interval,
    )


def _grid(row: RevivalRow, settings: tuple[Setting, ...]) -> dict[str, Any]:
    told = diffusion_words.setting(row.setting, settings) if len(settings) > 1 else ""
    return {
        "concept": row.concept,
        "title": f"Concept {row.concept}, round {row.round}" + (f"; {told}" if told else ""),
        "columns": max(len(half) for strip in row.strips for half in (strip.target, strip.others)),
        "strips": [_strip(strip) for strip in row.strips],
    }


def _strip(strip: Strip) -> dict[str, Any]:
    halves = {half: [_sample(strip.variant, one) for one in getattr(strip, half)] for half in ("target", "others")}
    return {"variant": strip.variant, **halves}


def _sample(variant: str, one: Sample) -> dict[str, Any]:
    return {
        "src": f"data:image/png;base64,{b64encode(one.png).decode()}",
        "right": one.right,
        "verdict": diffusion_words.verdict(one),
        "spoken": diffusion_words.spoken(variant, one),
    }


def _curves(roots: Roots) -> list[tuple[str, tuple[str, str], str]]:
    thin = " Thin lines: each concept."
    kinds = (
        ("noise", "How loud the fill is", diffusion_curves.noise,
         "At 0 the zeros lie open. Below 0.5 a fill is louder than what surrounds it, and is found from the other side."),
        ("sparsity", "How much is cut", diffusion_curves.sparsity,
         "Cut from the model before the erasure, then revived. A larger cut erases more, and takes more of the others along."),
        ("share", "How many peers prune", diffusion_curves.shares,
         "Every policy averages the same updates: those that prune send theirs cut, the others whole."),
    )
    found = []
    for kind, title, draw, caption in kinds:
        if curves := roots.of_kind(kind):
            several = len({curve.concept for curve in curves}) > 1
            caption += " Bars: 95 % intervals over samples." if any(curve.n for curve in curves) else ""
            note = " Means over concepts." if several and kind == "share" else thin if several else ""
            found.append((title, (draw(roots, svg.WIDE), draw(roots, svg.NARROW)), caption + note))
    return found


def _shares(roots: Roots) -> list[float]:
    """Return the shares of pruning peers in the table of policies, up to a limit, including the first and the last."""
    every = sorted({point["x"] for curve in roots.of_kind("share") for point in curve.points})
    if len(every) <= MOST_SHARES:
        return every
    return [every[round(i * (len(every) - 1) / (MOST_SHARES - 1))] for i in range(MOST_SHARES)]


def _policies(roots: Roots) -> list[dict[str, Any]]:
    rows = []
    curves = roots.of_kind("share")
    followed = (row.policy for row in roots.revivals if row.policy not in ("", SEEDS))
    for policy in dict.fromkeys([*(curve.policy for curve in curves), *followed]):
        own = [curve for curve in curves if curve.policy == policy]
        target, others = (diffusion_curves.average(own, name) for name in ("target", "others"))
        n = [sum(curve.n.get(name, 0) for curve in own) for name in ("target", "others")]
        scores = [Scores(target.get(x), others.get(x), n_target=n[0], n_others=n[1]) for x in _shares(roots)]
        rows.append({"name": diffusion_words.policy(policy), "scores": scores, "explained": diffusion_words.explained(policy)})
    return rows


LOSS = Section("losses", "", "Loss by round", 11, LOSSES, _losses, within="timeline")
RELEASE = Section("release", "Release", "What the server releases", 30, RELEASED, _release, STYLE)
REVIVALS = Section("revival", "Revival", "Roots beneath the cut", 31, REVIVAL, _revival, STYLE)
DRAWN = Section("samples", "Samples", "What the model draws", 32, SAMPLES, _samples, STYLE)
CLASSES = Section("classes", "Classes", "Class by class", 33, quality.TEMPLATE, quality.view)
TURNED = Section("sweeps", "Curves", "How much depends on what", 34, SWEEPS, _sweeps, STYLE)
