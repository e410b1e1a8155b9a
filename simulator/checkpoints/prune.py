"""ConceptPrune on a released pipeline: record activations with and without concepts, and cut the weights that they excite."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clients.unlearning.pruning.concept_prune import ConceptPrune, prune_mask
from clients.unlearning.pruning.recorder import Activity
from server.revival.arithmetic import Arithmetic
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import find
from simulator.checkpoints.parts import check_names
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.prompts import Prompts, PromptSubject, denoiser, load_pipeline, recorded
from simulator.checkpoints.workshop import Job, Workshop, groups
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Heard:
    """Activation statistics: of each concept's prompts, and of the prompts without any, which all concepts share."""

    concepts: dict[str, Activity]
    base: Activity


def prune_checkpoint(
    root: Path, out: Path, prompts: Prompts, settings: ConceptPrune, arithmetic: Arithmetic, variant: str | None = None
) -> str:
    """Write a copy of a pipeline with concepts cut out, and a record next to it; return one line on what was done.

    Each concept is cut as if it were the only one; several are cut by the union of their masks.

    Parameters
    ----------
    root, out : Path
        The input, which is never changed, and the folder to create.
    prompts : Prompts
    settings : ConceptPrune
    arithmetic : Arithmetic
        Device and determinism of sampling, which uses the checkpoint's own precision.
    variant : str, optional
    """
    checkpoint, device = find(root, variant), arithmetic.place()
    chosen: dict[str, Any] = {"prompts": vars(prompts), "pruning": settings.model_dump(mode="json"), "on": device.type}
    if arithmetic.deterministic:
        chosen["deterministic"] = True
    job = Job("prune", checkpoint, out, chosen)
    Workshop.check(job)
    check_weights(checkpoint, parts=True)
    pipeline = load_pipeline(checkpoint, prompts, device)
    with Bars() as bars, Workshop(job) as shop:
        if not shop.delivered:
            with arithmetic.active():
                heard = listen(shop, pipeline, prompts, settings, bars)
            del pipeline
            gc.collect()
            check_names(checkpoint.layers, heard.base.sums)
            shop.copy(bars.stage("copying files", len(checkpoint.copied())))
            step = bars.stage("cutting layers", len(checkpoint.layers))
            shop.rewrite(groups(checkpoint.layers, "cpu"), lambda weights: _cut(weights, heard, settings), step)
        facts = shop.done()
        cut, entries = (sum(one[key] for one in facts.values()) for key in ("cut", "entries"))
        for concept in prompts.concepts:
            if not sum(one["cut_for"][concept] for one in facts.values()):
                raise LetheError(f"--concept {concept!r}: no neuron fires more for it than without it, so there is nothing to cut")
        report = {"command": "prune", "settings": chosen, "density": cut / entries, "layers": facts}
        shop.deliver(report)
    return job.said(f"{cut} weights cut in {len(facts)} layers, {cut / entries:.2%} of them; record in {job.report}")


def listen(shop: Workshop, pipeline: Any, prompts: Prompts, settings: ConceptPrune, bars: Bars) -> Heard:
    """Return activation statistics with each concept and without any, summed over all runs; finished runs come from the journal."""
    notes, runs = shop.journal.of("heard"), range(len(prompts.without()))
    sets: list[tuple[int, Literal["target", "base"]]] = [*((number, "target") for number in range(len(prompts.concepts))), (0, "base")]
    step = bars.stage("listening to the denoiser", len(sets) * settings.calls * len(runs))
    heard: dict[tuple[int, str], Activity] = {}
    handle = denoiser(pipeline).register_forward_hook(lambda *_: step(1))
    try:
        for index, (number, which) in product(runs, sets):
            name = f"{index:05d} {which} {number}"
            if name in notes:
                step(settings.calls)
                one = _unpacked(notes[name])
            else:
                one = recorded(PromptSubject(pipeline, prompts, prompts.concepts[number], index), which, settings.calls, settings.halves)
                shop.journal.keep("heard", {name: _packed(one)})
            heard[number, which] = heard[number, which] + one if index else one
    finally:
        handle.remove()
    return Heard({concept: heard[number, "target"] for number, concept in enumerate(prompts.concepts)}, heard[0, "base"])


def _packed(activity: Activity) -> bytes:
    """Return activation statistics as the bytes of a safetensors file."""
    import torch
    from safetensors.torch import save

    rows = {f"rows.{name}": torch.tensor(count) for name, count in activity.rows.items()}
    return save({f"sums.{name}": value for name, value in activity.sums.items()} | rows)


def _unpacked(blob: str | bytes) -> Activity:
    """Return the activation statistics of one run."""
    from safetensors.torch import load

    assert isinstance(blob, bytes)
    arrays = load(blob)
    sums = {name.removeprefix("sums."): value for name, value in arrays.items() if name.startswith("sums.")}
    rows = {name.removeprefix("rows."): int(value) for name, value in arrays.items() if name.startswith("rows.")}
    return Activity(sums, rows, 1)


def _cut(weights: dict[str, Tensor], heard: Heard, settings: ConceptPrune) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a group's weights without those that any concept excites, and each layer's part of the report."""
    import torch

    new, facts = {}, {}
    for name, weight in weights.items():
        base, mask, alone = heard.base.sums[name].sqrt(), torch.zeros_like(weight, dtype=torch.bool), {}
        for concept, activity in heard.concepts.items():
            own = prune_mask(weight, activity.sums[name].sqrt(), base, settings.share, settings.select)
            mask, alone[concept] = mask | own, int(own.sum())
        new[name] = weight.masked_fill(mask, 0.0)
        counts = {"entries": mask.numel(), "cut": int(mask.sum()), "columns": int(mask.any(dim=0).sum()), "cut_for": alone}
        facts[name] = {"shape": list(weight.shape), **counts}
    return new, facts
