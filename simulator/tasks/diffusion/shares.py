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
    """Return the row of an erasure or an attack in which all scores have what `_counted` adds, and shares of signs their intervals."""
    erased = {one.concept for one in plan.timeline.concepts if one.round <= row["round"]} | {row["concept"]}
    signs = {name: wilson(row[name], count) for name, count in row.get("n", {}).items()}
    return {
        key: _counted(value, row["concept"], erased, plan) if isinstance(value, dict) and "target" in value else value
        for key, value in row.items()
    } | ({"interval": {**signs, **row["interval"]}} if "interval" in row else {})


def of_model(told: dict[str, Any], plan: DiffusionPlan, peers: int = 0) -> dict[str, Any]:
    """Return the accuracy of a model, or of as many ``peers``' ensembles, with numbers of samples and intervals, if they are known."""
    erased = {one.concept for one in plan.timeline.concepts}
    if "confusion" in told:
        n = sum(sum(row.values()) for row in told["confusion"].values())
        found = _by_concept(told["confusion"], erased, plan)
    elif told and peers:
        each = judged(plan) * peers
        n = each * plan.scenario.denoiser.classes
        found = _shares({int(key): (share, each) for key, share in told["classes"].items()}, erased, plan)
    else:
        return told
    more = {f"{part}_interval": wilson(told[part], n) for part in ("local", "cross") if part in told}
    return {**told, "n": n, "interval": wilson(told["sampled"], n), **more, **found}


def of_drawn(shares: Mapping[str, float], concept: int, plan: DiffusionPlan, peers: int) -> dict[str, Any]:
    """Return the shares of samples of so many peers that show a concept, with their number and intervals."""
    spec = plan.scenario.denoiser
    each = judged(plan)
    if concept >= spec.classes:  # samples cycle through the styles
        each = len(range(concept - spec.classes, each * spec.classes, len(spec.styles)))
    return {**shares, "n": each * peers, "interval": {name: wilson(share, each * peers) for name, share in shares.items()}}


def judged(plan: DiffusionPlan) -> int:
    """Return how many samples of each class of a peer are judged."""
    return int(getattr(plan.scenario.federation, "judged", 0))


def of_judge(found: dict[str, Any]) -> dict[str, Any]:
    """Return the accuracies of judges with their intervals, where the number of held-out images is known."""
    counted = [axis for axis in ("", "style_") if f"{axis}n" in found]
    return found | {f"{axis}interval": wilson(found[f"{axis}held_out_accuracy"], found[f"{axis}n"]) for axis in counted}


def of_curve(row: dict[str, Any], plan: DiffusionPlan) -> dict[str, Any]:
    """Return a curve whose points have numbers of samples and intervals, by the names of their shares; without its round."""
    erased = {one.concept for one in plan.timeline.concepts if one.round <= row["round"]} | {row["concept"]}
    n = _samples(row["concept"], erased, plan)
    points = []
    for point in row["points"]:
        counts = {part: n[part.rpartition("_")[2]] for part in point if part.rpartition("_")[2] in ("target", "others")}
        points.append({**point, "n": n, "interval": {part: wilson(point[part], count) for part, count in counts.items()}})
    return {key: value for key, value in row.items() if key != "round"} | {"points": points}


def _samples(concept: int, erased: Collection[int], plan: DiffusionPlan) -> dict[str, int]:
    """Return the numbers of samples of a concept, and of the others that nobody has erased."""
    budget = plan.scenario.revival
    return {"target": budget.target, "others": budget.others * len(others_of(concept, _axis(concept, plan), erased))}


def _axis(concept: int, plan: DiffusionPlan) -> range:
    """Return the concepts of an axis: all classes, or all styles."""
    spec = plan.scenario.denoiser
    return range(spec.classes, len(spec.concepts)) if concept >= spec.classes else range(spec.classes)


def _counted(scores: dict[str, Any], concept: int, erased: Collection[int], plan: DiffusionPlan) -> dict[str, Any]:
    """Return scores with the numbers of samples (``n``), 95 % intervals (``interval``) and, if counted, what `_by_concept` returns."""
    n = _samples(concept, erased, plan)
    if "cross" in scores:
        budget = plan.scenario.revival
        n["cross"] = budget.target + budget.others * (len(_axis(concept, plan)) - 1)
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
    counts = {int(key): (row.get(key, 0), sum(row.values())) for key, row in confusion.items()}
    named = {str(names[int(key)]): {str(names[int(to)]): count for to, count in row.items()} for key, row in confusion.items()}
    return _shares({one: (right / n, n) for one, (right, n) in counts.items()}, erased, plan) | {"confusion": named}


def _shares(found: Mapping[int, tuple[float, int]], erased: Collection[int], plan: DiffusionPlan) -> dict[str, Any]:
    """Return ``each`` and ``worst`` of `_by_concept`, from each concept's share and number of samples."""
    names = plan.scenario.denoiser.concepts
    each = {str(names[one]): {"share": share, "n": n, "interval": wilson(share, n)} for one, (share, n) in found.items()}
    kept, worst = [(share, n, one) for one, (share, n) in found.items() if one not in erased], None
    if kept:
        share, n, concept = min(kept)
        worst = {"concept": concept, "share": share, "n": n, "interval": wilson(share, n, len(kept))}
    return {"each": each, "worst": worst}
