"""What one peer may cut from everybody's model: ``python -m experiments.reproductions.one_peer [--seeds 0 1 2] [--concepts 0 1 2 3]``.

Under ``union_zero`` one peer's mask cuts for all. The denoiser of each training seed is averaged with one peer that cuts: the concepts
named, one more each time, as ``concept_prune`` would, or the largest entries of every layer, as a peer would that means harm. Told are what
is left of the digits that nobody asked to erase, and whether the default budget refuses the mask. Finished masks are stored at once, so
that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from clients.cache import configuration_hash
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.metrics import Budget, score
from clients.diffusion.spec import DIGITS, FULL_BUDGET
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.intervals import written
from experiments.reproductions.command import Parser
from experiments.reproductions.intervals import over_seeds, text
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.roots_pairs import Weights, Work, masks_of
from experiments.reproductions.studies import Study, add_spans, check_spans, heading
from experiments.threads import one_thread
from server.diffusion.release.policies import UnionZero
from server.diffusion.release.replies import Reply
from server.revival.locate import strongest

VERSION = 1
"""Version of the measurements; increase it when the same settings give other numbers."""
NOTHING, CONCEPTS, LARGEST = "nothing", "concepts", "largest"
"""What a peer cuts."""
SHARES = (0.1, 0.25, 0.3, 0.35, 0.5, 1.0)
"""Shares of every layer that a peer cuts who means harm."""
SAMPLES = 30
"""Samples of each digit."""
Cut = tuple[str, tuple[int, ...] | float]
"""What a peer cuts: concepts, or a share of every layer's largest entries; of nothing no concept."""


def name(work: Work, seed: int, cut: Cut) -> str:
    """Return the hash of everything that determines the measurement of a cut."""
    specs = {"eraser": work.eraser, "sampling": work.sampling, "policy": UnionZero()}
    settings = {"model": work.model(seed), **{what: spec.model_dump(mode="json") for what, spec in specs.items()}}
    return configuration_hash({"one_peer": VERSION, "cut": list(cut), "samples": SAMPLES, "judge": work.judge.accuracy, **settings})


def said(cut: Cut) -> str:
    """Return what the peer cuts, in words."""
    what, much = cut
    if isinstance(much, float):
        return f"the {what} {much:g} of every layer"
    return f"{what} {', '.join(map(str, much))}" if much else what


def masks(work: Work, denoiser: Denoiser, seed: int, cut: Cut) -> dict[str, Tensor]:
    """Return the entries that the peer cuts, bool ``(m, n)`` by layer."""
    weights = feed_forward_weights(denoiser.unet)
    _, much = cut
    if isinstance(much, float):
        return {layer: strongest(weight.abs(), None, much) for layer, weight in weights.items()}
    nothing = {layer: torch.zeros_like(weight, dtype=torch.bool) for layer, weight in weights.items()}
    return reduce(_union, (masks_of(work, denoiser, seed, concept) for concept in much), nothing)


def _union(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {layer: mask | other[layer] for layer, mask in one.items()}


def measure(work: Work, denoiser: Denoiser, seed: int, cut: Cut, advance: Callable[[int], None]) -> Line:
    """Return how much one peer cuts, whether the default budget allows it, and the share of samples of kept digits judged right."""
    original = feed_forward_weights(denoiser.unet)
    mask = masks(work, denoiser, seed, cut)
    one = Reply("0", {layer: weight.masked_fill(mask[layer], 0.0) for layer, weight in original.items()}, mask)
    erased = cut[1] if isinstance(cut[1], tuple) else ()
    try:
        set_feed_forward_weights(denoiser.unet, _averaged(one, original))
        budget = Budget(SAMPLES, SAMPLES)
        each = score(denoiser, work.judge, 0, (seed, "samples"), budget=budget, sampling=work.sampling).each
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    advance(1)
    kept = [share for concept, share in each.items() if concept not in erased]
    most = {
        "entries": max(float(cut.double().mean()) for cut in mask.values()),
        "squares": max(float(original[layer][cut].square().sum() / original[layer].square().sum()) for layer, cut in mask.items()),
    }
    drawn = {"n": SAMPLES * len(kept), "kept": float(np.mean(kept)), "worst": min(kept)}
    return {"seed": seed, "cut": said(cut), **most, **drawn, "allowed": UnionZero().affords(one)}


def _averaged(one: Reply, original: Weights) -> Weights:
    """Return the aggregate of that peer and another one that cut nothing, under a budget that allows everything."""
    return UnionZero(budget=1.0).aggregate([one, Reply("1", original, {})]).weights


def table(lines: Sequence[Line]) -> Table:
    """Return a row for each cut, over training seeds."""
    drawn = Table(title="one peer cuts for all: what is left of the digits that nobody asked to erase", title_justify="left")
    heads = ("the peer cuts", "most of a layer", "of its squares", "kept digits judged right", "n", "worst of them", "default budget")
    for head in heads:
        drawn.add_column(head)
    for cut in dict.fromkeys(line["cut"] for line in lines):
        own = [line for line in lines if line["cut"] == cut]
        n, allowed = sum(line["n"] for line in own), sum(line["allowed"] for line in own)
        kept = text(sum(line["kept"] * line["n"] for line in own) / n, n)
        keys = ("entries", "squares", "worst")
        entries, squares, worst = (written(over_seeds(own, lambda line, key=key: line[key]), 2) for key in keys)  # type: ignore[misc]
        drawn.add_row(cut, entries, squares, kept, str(n), worst, f"allows {allowed} of {len(own)}")
    return drawn


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("one_peer", __doc__ or "")
    add_spans(parser, (0, 1, 2), (0, 1, 2, 3))
    parser.add_folders("runs/one_peer")
    options = parser.parse_args(arguments)
    check_spans(parser, options)
    if len(options.concepts) > 9:
        parser.error(f"--concepts {' '.join(map(str, options.concepts))}: name up to nine, so that one is kept")
    parser.make_folders(options, Path("runs/one_peer"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, cut as one peer, average, and print the table."""
    options = _options(arguments)
    judge = JUDGES.load("svm")().learned(digits())
    work = Work(digits(), judge, DIGITS, FULL_BUDGET)
    growing = [tuple(options.concepts[:count]) for count in range(1, len(options.concepts) + 1)]
    cuts: list[Cut] = [(NOTHING, ()), *((CONCEPTS, concepts) for concepts in growing), *((LARGEST, share) for share in SHARES)]
    study = Study("one_peer", work, partial(name, work), partial(measure, work), lambda _: 1)
    lines = study.lines(options.seeds, cuts, Lines(options.out), options.cache)
    console = Console(width=140)
    console.print(heading("full", options, judge))
    console.print(table(lines))
    print("Shares with 95 % intervals over samples (Wilson), the rest with those over training seeds.")


if __name__ == "__main__":
    one_thread()
    main()
