"""How loud a Gaussian fill must be, and may be: ``python -m experiments.reproductions.noise [--seeds 0 1 2] [--concepts 6 9 3]``.

Each concept is cut from the denoiser of each training seed, and the cut filled at several noise levels, in standard deviations of the
untouched entries of a layer. Too quiet a fill is seen: entries are told by their size, who cuts as many of the smallest hits many of them,
and who knows the level prunes again and revives.
Too loud a one ruins how other concepts are drawn. Finished cuts are stored at once, so that the same command goes on after any
interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from clients.cache import configuration_hash
from clients.diffusion.denoiser import Denoiser
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import density
from experiments.reproductions.lines import Line
from experiments.reproductions.noise_tables import edges, table
from experiments.reproductions.roots_pairs import Work, masks_of
from experiments.reproductions.studies import Study, by_concept
from experiments.threads import one_thread
from server.defences.detection import column_auc, entry_auc, hit_rate
from server.defences.fills import Gaussian
from server.defences.secret import Secret
from server.revival.attack import revive
from server.revival.knowledge import Adaptive

VERSION = 2
"""Version of the measurements; increase it when the same settings give other numbers."""
LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


def name(work: Work, levels: Sequence[float], seed: int, concept: int) -> str:
    """Return the hash of everything that determines the measurements of a cut."""
    return configuration_hash({"pair": work.pair(seed, concept), "noise": VERSION, "levels": list(levels)})


def measure(
    work: Work, levels: Sequence[float], denoiser: Denoiser, seed: int, concept: int, advance: Callable[[int], None]
) -> Line:
    """Return, for each level, what the filled model draws, what it draws after the adaptive attack, and how well the cut is told."""
    original = feed_forward_weights(denoiser.unet)
    masks, revival = masks_of(work, denoiser, seed, concept), work.revival.settled(work.compute.device)
    pruned = {layer: weight.masked_fill(masks[layer], 0.0) for layer, weight in original.items()}
    rows = []
    try:
        for level in levels:
            filled = Gaussian(relative=level).seal(pruned, masks, Secret.of_run(seed)).weights if level else pruned
            attacked = revive(Adaptive(filled, density(masks), level), revival).weights
            drawn = []
            for weights in (filled, attacked):
                set_feed_forward_weights(denoiser.unet, weights)
                drawn.append(work.score(denoiser, seed, concept))
                advance(1)
            told = {"entries": entry_auc(filled, masks).value, "columns": column_auc(filled, masks).two_sided}
            rows.append({"level": level, "filled": drawn[0], "attacked": drawn[1], **told, "hits": hit_rate(filled, masks)})
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    return {"seed": seed, "concept": concept, "n": work.counts(), "share": density(masks), "levels": rows}


def study(work: Work) -> Study[int]:
    """Return the study of concepts."""
    return Study("noise", work, partial(name, work, LEVELS), partial(measure, work, LEVELS), lambda _: 2 * len(LEVELS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, cut, fill, attack, and print the table and the two edges."""
    lines = by_concept("noise", __doc__ or "", (6, 9, 3), study, arguments)
    Console(width=160).print(table(lines))
    print(*edges(lines), sep="\n")


if __name__ == "__main__":
    one_thread()
    main()
