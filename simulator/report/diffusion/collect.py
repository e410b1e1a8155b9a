"""Collection of the report's data on erased and revived concepts from ``results.json`` and the artefact of samples."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from server.audit.paired import Paired
from simulator.report.diffusion.model import (
    PICTURED,
    SEEDS,
    VARIANTS,
    Curve,
    Erased,
    Fill,
    Loss,
    Named,
    NotPlayed,
    Released,
    RevivalRow,
    Roots,
    Sample,
    Strip,
)
from simulator.report.diffusion.scores import Drawn, Near, Scores

MOST_SAMPLES = 8
"""Numbers of samples of the target, and of the others, in a strip."""

MOST_GRIDS = 12
"""Maximum number of revivals with samples."""

CRISP = 48
"""Minimum height of an embedded image in pixels."""

Arrays = Mapping[str, npt.NDArray[Any]]


def roots(results: Mapping[str, Any], labels: Sequence[str], images: Callable[[str], Arrays]) -> Roots:
    """Return the data on a diffusion model in ``results``.

    Parameters
    ----------
    results : mapping
        Content of ``results.json``.
    labels : sequence of str
        Names of the classes by number; styles come after them.
    images : callable
        Returns the arrays of an artefact by its hash: a uint8 array of images per variant, ``(n, H, W)`` or ``(n, H, W, C)``, first
        those asked for the target, and int64 ``judged_<variant>`` and ``conditions``, both ``(n,)``.
    """
    labels = (*labels, *results.get("styles", ()))

    def name(concept: int | str) -> str:
        return labels[concept] if isinstance(concept, int) and 0 <= concept < len(labels) else str(concept)

    revivals = []
    for place, row in enumerate(results.get("revivals", ())):
        arrays = images(row["images"]) if row.get("images") and place < MOST_GRIDS else {}
        revivals.append(_revival(row, name(row["concept"]), _strips(arrays, name), name))
    curves = (
        Curve(
            concept=name(one["concept"]),
            kind=str(one["kind"]),
            policy=str(one.get("policy") or ""),
            points=tuple(sorted((_known(point) for point in one["points"]), key=lambda point: point["x"])),
            n=next((point["n"] for point in one["points"] if "n" in point), {}),
        )
        for one in results.get("curves", ())
    )
    judge, accuracy = results.get("judge") or {}, results.get("accuracy") or {}
    timeline = results.get("timeline", ())
    own = results.get("release") or accuracy
    return Roots(
        tuple(revivals),
        tuple(curves),
        judge.get("held_out_accuracy"),
        str(results.get("recommendation") or ""),
        erased=tuple(_erased(row, name) for row in results.get("concepts", ())),
        not_played=tuple(_not_played(row, name) for row in results.get("not_played", ())),
        fills=tuple(_fill(row) for row in results.get("fills", ())),
        losses=tuple(
            Loss(row["round"], row.get("loss_local"), row.get("loss_ensemble", row.get("loss_global")))
            for row in timeline
            if "loss_local" in row
        ),
        sampled=accuracy.get("sampled"),
        sampled_alone=accuracy.get("local"),
        released=_released(results.get("release")),
        drawn=_by_concept(own, labels),
        near=_near(own.get("fidelity")),
        n_judge=judge.get("n", 0),
        n_sampled=accuracy.get("n", 0),
    )


def _released(found: Mapping[str, Any] | None) -> Released | None:
    if found is None:
        return None
    return Released(str(found["policy"]), float(found["scale"]), float(found["sampled"]), found.get("n", 0))


def _by_concept(told: Mapping[str, Any], labels: Sequence[str]) -> tuple[Drawn, ...]:
    """Return the samples of each class; a class is named by its number in the results, a style by its name."""

    def label(key: str) -> str:
        return labels[int(key)] if key.isdecimal() and int(key) < len(labels) else key

    taken = told.get("confusion", {})
    return tuple(
        Drawn(label(key), one["share"], one["n"], tuple(one["interval"]), {label(to): count for to, count in taken.get(key, {}).items()})
        for key, one in told.get("each", {}).items()
    )


def _near(found: Mapping[str, Any] | None) -> Near | None:
    def parts(one: Mapping[str, Any]) -> tuple[float, float, float]:
        return one["frechet"], one["precision"], one["recall"]

    return None if found is None else Near(found["n"], parts(found), parts(found["real"]))


def _erased(row: Mapping[str, Any], name: Callable[[int | str], str]) -> Erased:
    measured: dict[str, Any] = {part: row.get(part) for part in ("density", "agreement", "survival")}
    drawn = row.get("drawn") or {}
    measured |= {"drawn_alone": drawn.get("local"), "drawn": drawn.get("sampled"), "n_drawn": drawn.get("n", 0)}
    measured |= {when: _scores(row[key], name) for when, key in (("before", "original"), ("after", "erased")) if row.get(key)}
    concept, policy = name(row["concept"]), str(row.get("policy") or "")
    outcome = str(row.get("outcome", "measured"))
    return Erased(concept, int(row["round"]), tuple(row["peers"]), str(row["method"]), policy, **measured, outcome=outcome)


def _not_played(row: Mapping[str, Any], name: Callable[[int | str], str]) -> NotPlayed:
    what = f"{row['do']} on concept {name(row['concept'])} by {row['adversary']}" if "adversary" in row else f"{row['do']} by {row['fill']}"
    return NotPlayed(int(row["round"]), what.replace("_", " "), str(row["why"]))


def _fill(row: Mapping[str, Any]) -> Fill:
    settings = ", ".join(f"{name} {value}" for name, value in row["fill"].items() if name != "kind")
    tests = {name: (float(area["value"]), float(area["low"]), float(area["high"])) for name, area in row["tests"].items()}
    return Fill(str(row["fill"]["kind"]) + (f" ({settings})" if settings else ""), bool(row["hides"]), tests)


def _revival(row: Mapping[str, Any], concept: str, strips: tuple[Strip, ...], name: Callable[[int | str], str]) -> RevivalRow:
    scores = {v: _scores(row[v], name) for v in VARIANTS if row.get(v)}
    names = ("sign_accuracy", "sign_accuracy_top_fifth", "location_auc", "column_auc", "seconds")
    return RevivalRow(
        concept=concept,
        round=int(row["round"]),
        policy=SEEDS if row.get("seed_of") is not None else str(row.get("policy") or ""),
        adversary=str(row.get("adversary") or ""),
        knowledge=str(row.get("knowledge") or ""),
        completion=str(row.get("completion") or ""),
        scores=scores,
        strips=strips,
        seed_of=row.get("seed_of"),
        named=_named(row.get("named"), name),
        n=row.get("n", {}),
        interval={part: tuple(ends) for part, ends in row.get("interval", {}).items()},
        **{one: row.get(one) for one in names},
    )


def _named(found: Mapping[str, Any] | None, name: Callable[[int | str], str]) -> Named | None:
    return None if found is None else Named(name(found["concept"]), found["right"], found["place"], found["of"], found["chance"])


def _scores(row: Mapping[str, Any], name: Callable[[int | str], str]) -> Scores:
    n, worst = row.get("n", {}), row.get("worst")
    least = Drawn(name(worst["concept"]), worst["share"], worst["n"], tuple(worst["interval"])) if worst else None
    near = _near(row.get("fidelity"))
    shares = row.get("target"), row.get("others"), row.get("cross")
    paired = {earlier: Paired(**found) for earlier, found in row.get("paired", {}).items()}
    return Scores(*shares, n.get("target", 0), n.get("others", 0), least, near, n.get("cross", 0), paired)


def _known(point: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in point.items() if isinstance(value, int | float)}


def _strips(arrays: Arrays, name: Callable[[int], str]) -> tuple[Strip, ...]:
    """Return the strips of an artefact, with limited numbers of samples of the target and of others."""
    if "conditions" not in arrays:
        return ()
    asked = arrays["conditions"]
    first = int((asked == asked[0]).sum())
    halves = range(min(first, MOST_SAMPLES)), range(first, min(len(asked), first + MOST_SAMPLES))

    def samples(variant: str, places: range) -> tuple[Sample, ...]:
        pixels, judged = arrays[variant], arrays[f"judged_{variant}"]
        return tuple(Sample(png(pixels[i]), name(int(asked[i])), name(int(judged[i]))) for i in places)

    return tuple(Strip(v, samples(v, halves[0]), samples(v, halves[1])) for v in PICTURED if v in arrays)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image, uint8 ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, as a PNG; the pixels of a small one are enlarged to squares.

    On paper nothing else keeps them crisp.
    """
    from PIL import Image

    times = -(-CRISP // len(pixels))
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    flat = flat.repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
