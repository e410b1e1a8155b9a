"""How sure the shares in the results of a denoiser are: numbers of samples and 95 % intervals, concept by concept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from server.audit.intervals import wilson
from server.diffusion.metrics import others_of

if TYPE_CHECKING:
    from simulator.tasks.diffusion.plan import DiffusionPlan

Counts = Mapping[str, Mapping[str, int]]


def of_row(row: dict[str, Any], plan: DiffusionPlan) -> dict[str, Any]:
    """Return the row of an erasure or an attack in which all scores have what `_counted` adds."""
    erased = {one.concept for one in plan.timeline.concepts if one.round <= row["round"]} | {row["concept"]}
    return {
        key: _counted(value, row["concept"], erased, plan) if isinstance(value, dict) and "target" in value else value
        for key, value in row.items()
    }


def of_model(told: dict[str, Any], plan: DiffusionPlan) -> dict[str, Any]:
    """Return the accuracy of a model with numbers of samples and intervals, if the samples were counted."""
    if "confusion" not in told:
        return told
    n = sum(sum(row.values()) for row in told["confusion"].values())
    erased = {one.concept for one in plan.timeline.concepts}
    return {**told, "n": n, "interval": wilson(told["sampled"], n), **_by_concept(told["confusion"], erased, plan)}


def _counted(scores: dict[str, Any], concept: int, erased: Collection[int], plan: DiffusionPlan) -> dict[str, Any]:
    """Return scores with the numbers of samples (``n``), 95 % intervals (``interval``) and, if counted, what `_by_concept` returns."""
    budget, spec = plan.scenario.revival, plan.scenario.denoiser
    first, last = (spec.classes, len(spec.concepts)) if concept >= spec.classes else (0, spec.classes)
    n = {"target": budget.target, "others": budget.others * len(others_of(concept, range(first, last), erased))}
    more = _by_concept(scores["confusion"], erased, plan) if "confusion" in scores else {}
    return {**scores, "n": n, "interval": {part: wilson(scores[part], count) for part, count in n.items()}, **more}


def _by_concept(confusion: Counts, erased: Collection[int], plan: DiffusionPlan) -> dict[str, Any]:
    """Return shares concept by concept, and what they come from.

    Returns
    -------
    dict
        ``each``: ``share``, ``n`` and 95 % ``interval`` by concept. ``worst``: the same of that of the concepts nobody has erased of which
        the fewest samples are right, with its name; its interval holds for all of them together. None if all are erased. ``confusion``,
        by name.
    """
    names = plan.scenario.denoiser.concepts
    each, kept = {}, []
    for key, row in confusion.items():
        n = sum(row.values())
        share = row.get(key, 0) / n
        each[str(names[int(key)])] = {"share": share, "n": n, "interval": wilson(share, n)}
        if int(key) not in erased:
            kept.append((share, n, int(key)))
    worst = None
    if kept:
        share, n, concept = min(kept)
        worst = {"concept": concept, "share": share, "n": n, "interval": wilson(share, n, len(kept))}
    named = {str(names[int(key)]): {str(names[int(to)]): count for to, count in row.items()} for key, row in confusion.items()}
    return {"each": each, "worst": worst, "confusion": named}
