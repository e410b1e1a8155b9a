"""Pruning a concept beside training without it: ``python -m experiments.reproductions.retrained [--seeds 0 1 2] [--concepts 3]``.

Two models never learned the concept: one whose public backbone saw its images, without their class, and one trained without them from the
start. Beside them stand the original, the pruned model and the revived one, and what each took in processor seconds after the request.
Finished concepts are stored at once, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from clients.cache import configuration_hash
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images
from clients.diffusion.training import train_phase
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.reproductions.lines import Line
from experiments.reproductions.retrained_tables import HOWS, ratios, table
from experiments.reproductions.roots_pairs import Work, masks_of
from experiments.reproductions.studies import Study, by_concept
from experiments.threads import one_thread
from server.revival.attack import revive
from server.revival.knowledge import WeightsOnly

VERSION = 1
"""Version of the measurements; increase it when the same settings give other numbers."""


def name(work: Work, seed: int, concept: int) -> str:
    """Return the hash of everything that determines the measurements of a concept, but for seconds."""
    return configuration_hash({"pair": work.pair(seed, concept), "retrained": VERSION})


def measure(work: Work, denoiser: Denoiser, seed: int, concept: int, advance: Callable[[int], None]) -> Line:
    """Return what each of `HOWS` draws, and its processor seconds."""
    original = feed_forward_weights(denoiser.unet)
    rows: dict[str, dict[str, float]] = {}

    def judged(how: str, model: Denoiser, seconds: float) -> None:
        rows[how] = {**work.score(model, seed, concept), "seconds": seconds}
        advance(1)

    try:
        judged("original", denoiser, 0.0)
        begin = time.process_time()
        masks = masks_of(work, denoiser, seed, concept)
        pruned = {layer: weight.masked_fill(masks[layer], 0.0) for layer, weight in original.items()}
        set_feed_forward_weights(denoiser.unet, pruned)
        judged("pruned", denoiser, time.process_time() - begin)
        begin = time.process_time()
        set_feed_forward_weights(denoiser.unet, revive(WeightsOnly(pruned), work.revival.settled(work.compute.device)).weights)
        judged("revived", denoiser, time.process_time() - begin)
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    without = work.images.select(work.images.classes != concept)
    for how, backbone in (("phase 2 without it", work.images), ("both phases without it", without)):
        model, seconds = never(work, seed, backbone, without)
        judged(how, model, seconds)
    return {"seed": seed, "concept": concept, "n": work.counts(), "rows": rows}


def never(work: Work, seed: int, backbone: Images, without: Images) -> tuple[Denoiser, float]:
    """Return a denoiser whose feed-forward weights learned from ``without``, and the processor seconds of what had to be trained again.

    A backbone that saw the concept is public and stays: its training is not counted.
    """
    key = (seed, "denoiser")
    model = build(work.spec, key).to(work.compute.place())
    with work.compute.active():
        begin = time.process_time()
        train_phase(model, backbone, work.training, "backbone", key, total=work.training.backbone_steps)
        kept = time.process_time() if len(backbone) > len(without) else begin
        train_phase(model, without, work.training, "concept", key, total=work.training.concept_steps)
    return model.eval(), time.process_time() - kept


def study(work: Work) -> Study[int]:
    """Return the study of concepts."""
    return Study("retrained", work, partial(name, work), partial(measure, work), lambda _: len(HOWS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, prune, revive, train without the concept, and print the table."""
    lines = by_concept("retrained", __doc__ or "", (3,), study, arguments)
    Console(width=140).print(table(lines))
    print(*ratios(lines), sep="\n")


if __name__ == "__main__":
    one_thread()
    main()
