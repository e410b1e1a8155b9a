"""Tables, bars and pictures of ``roots``: our figures with the paper's, and one picture per seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
from rich.table import Table

from clients.diffusion.spec import Concept
from experiments.intervals import written
from experiments.reproductions.intervals import farthest, over_seeds, shift
from experiments.reproductions.roots_pairs import PICTURED, RIVALS, Pair
from simulator.report.diffusion.words import VARIANTS

PAPER: Mapping[str, tuple[str, str]] = {"pruned": ("0.08", ""), "revived": ("0.54", "0.91")}
"""Accuracy on the erased and on the retained classes: the figures on which two independent summaries of the paper agree."""
PAPER_SIGNS = "> 0.70"
PAPER_SECONDS = "< 420, Stable Diffusion 1.5"
ROUNDED, RELEARNT = RIVALS
ROWS = {name: VARIANTS[name] for name in ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean")} | {
    "quantised": f"rounded to {ROUNDED.bits} bits",
    "relearnt": f"relearnt: {RELEARNT.steps} steps on {RELEARNT.images} images",
    "random_mask": "random mask, equal density",
    "defended": "defended: Gaussian fill, f = 1",
    "adaptive": "adaptive attack after the fill",
    "mask_oracle": "mask oracle after the fill",
    "redrawn": "defended: redrawn columns",
    "redrawn_oracle": "mask oracle after redrawn columns",
}
SINGLE = {
    "sign_accuracy": "sign accuracy, all lost entries",
    "sign_accuracy_top_fifth": "sign accuracy, surest fifth",
    "density": "share of the feed-forward output that was cut",
    "seconds": "processor seconds of a revival",
}
WHERE = {"original": "original", "pruned": "pruned", "defended": "Gaussian fill, f = 1", "redrawn": "redrawn columns"}
AREAS = {
    "location_auc": "entries",
    "column_auc": "columns, coherence",
    "column_auc_worst": "columns, worst of 3",
    "column_auc_rank_16": "columns, rank 16",
}

COMPARED = (
    ("pruned", "original"),
    ("revived", "pruned"),
    ("revived", "random_signs"),
    ("true_signs", "revived"),
    ("defended", "pruned"),
    ("adaptive", "defended"),
    ("redrawn", "pruned"),
    ("redrawn_oracle", "redrawn"),
    ("relearnt", "pruned"),
)
"""Rows that are compared cut by cut: the first less the second."""


class Summary:
    """Means over the concepts of one axis, per seed, and their statistics over seeds."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.seeds = sorted({pair["seed"] for pair in pairs})
        self.concepts = sorted({pair["concept"] for pair in pairs})
        self.crossed = all("cross" in pair["rows"]["original"] for pair in pairs)

    def mean(self, value: Callable[[Pair], float]) -> float:
        """Return the mean over seeds of the means over concepts."""
        return over_seeds(self.pairs, value).mean

    def text(self, value: Callable[[Pair], float]) -> str:
        """Format a mean with its 95 % interval over seeds; a single seed has none."""
        return written(over_seeds(self.pairs, value))

    def row(self, name: str, part: str) -> float:
        """Return the mean accuracy of a row; ``part`` is target or others."""
        return self.mean(lambda pair: pair["rows"][name][part])

    def area(self, name: str, kind: str) -> float:
        """Return the mean AUC of one kind for a version of the weights."""
        return self.mean(lambda pair: pair["where"][name][kind])

    def span(self) -> str:
        """Describe the seeds and concepts."""
        return f"training seeds {', '.join(map(str, self.seeds))}; concepts {', '.join(map(str, self.concepts))}"


def certainty(summary: Summary, counts: Mapping[str, int]) -> str:
    """Return how many samples there are of each accuracy, and how far the farthest end of their 95 % intervals lies from its share.

    ``counts`` are the numbers of samples of one pair, of its target and of all others together.
    """
    told = []
    for part, count in counts.items():
        shares = [mean(pair["rows"][name][part] for pair in summary.pairs) for name in ROWS]
        told.append(farthest(part, shares, count * len(summary.pairs)))
    return "; ".join(told)


def tables(summary: Summary) -> list[Table]:
    """Return accuracies with the paper's, differences of rows, single figures, and detectability of the cut."""
    accuracies = Table(title="accuracy: mean with 95 % interval over training seeds", title_justify="left")
    parts = {"target": "target", "others": "others"} | ({"cross": "the other axis"} if summary.crossed else {})
    for column in ("", *parts.values(), "paper: target", "paper: others"):
        accuracies.add_column(column)
    for name, label in ROWS.items():
        ours = [summary.text(lambda pair, n=name, p=part: pair["rows"][n][p]) for part in parts]  # type: ignore[misc]
        accuracies.add_row(label, *ours, *PAPER.get(name, ("", "")))
    figures = Table(title="the attack, with 95 % intervals over training seeds", title_justify="left")
    for column in ("", "ours", "paper"):
        figures.add_column(column)
    for name, label in SINGLE.items():
        ours_text = summary.text(lambda pair, n=name: pair[n])  # type: ignore[misc]
        figures.add_row(label, ours_text, {"sign_accuracy": PAPER_SIGNS, "seconds": PAPER_SECONDS}.get(name, ""))
    found = Table(title="telling the cut from the rest: area under the curve, 0.5 is chance", title_justify="left")
    for column in ("", *AREAS.values()):
        found.add_column(column)
    for name, label in WHERE.items():
        found.add_row(label, *(summary.text(lambda pair, n=name, k=kind: pair["where"][n][k]) for kind in AREAS))  # type: ignore[misc]
    return [accuracies, _differences(summary, parts), figures, found]


def _differences(summary: Summary, parts: Mapping[str, str]) -> Table:
    title = f"differences from equal start noise; 95 % interval over training seeds, paired p over {len(summary.pairs)} cuts"
    table = Table(title=title, title_justify="left")
    for column in ("", "less", *parts.values()):
        table.add_column(column)
    for after, before in COMPARED:
        drawn = [shift(summary.pairs, *(lambda pair, n=name, p=part: pair["rows"][n][p] for name in (before, after))) for part in parts]  # type: ignore[misc]
        table.add_row(ROWS[after], ROWS[before], *drawn)
    return table


FAILS = "FAILS"
"""How the line of a bar begins that is not met."""


def bars(summary: Summary, data: str) -> list[str]:
    """Return one line per bar of these data, with the measured value and whether it is met."""
    lines = []
    for what, value, least, limit in [*(_digits_bars(summary) if data == "digits" else []), *_bars(summary)]:
        holds = value >= limit if least else value <= limit
        lines.append(f"{'holds' if holds else FAILS}  {what} {value:.3f} (at {'least' if least else 'most'} {limit:.2f})")
    return lines


Bar = tuple[str, float, bool, float]
"""Name, measured value, whether the limit is a lower bound (else an upper one), limit."""


def _digits_bars(summary: Summary) -> list[Bar]:
    row = summary.row
    gain = row("revived", "target") - row("pruned", "target")
    effect = row("original", "target") - row("random_mask", "target")
    return [
        ("original: target", row("original", "target"), True, 0.93),
        ("pruned: target", row("pruned", "target"), False, 0.25),
        ("pruned: others", row("pruned", "others"), True, 0.85),
        ("revived: target", row("revived", "target"), True, 0.50),
        ("revived: others", row("revived", "others"), True, 0.92),
        ("revived less random signs", row("revived", "target") - row("random_signs", "target"), True, 0.30),
        ("revived less pruned, less what a random mask of equal density takes", gain - effect, True, 0.30),
        ("defended: target", row("defended", "target"), False, 0.28),
        ("adaptive: target", row("adaptive", "target"), False, 0.33),
        ("redrawn columns: target", row("redrawn", "target"), False, 0.28),
    ]


def _bars(summary: Summary) -> list[Bar]:
    pruned, others = summary.row("pruned", "target"), summary.row("defended", "others")
    found: list[Bar] = [
        ("pruned over original", pruned / max(summary.row("original", "target"), 1e-9), False, 0.50),
        ("revived over pruned", summary.row("revived", "target") / max(pruned, 1e-9), True, 2.0),
    ]
    for fill in ("defended", "redrawn"):
        found += [
            (f"{WHERE[fill]}: area of entries, distance from 0.5", abs(summary.area(fill, "location_auc") - 0.5), False, 0.05),
            (f"{WHERE[fill]}: area of columns, worst of 3", summary.area(fill, "column_auc_worst"), False, 0.60),
        ]
    return [*found, ("redrawn columns: others less those of the Gaussian fill", summary.row("redrawn", "others") - others, True, -0.02)]


def picture(pairs: Iterable[Pair], samples: Mapping[Concept, npt.NDArray[np.uint8]], path: Path) -> None:
    """Draw rows by concepts, with the target accuracy under each cell, as a PNG.

    Parameters
    ----------
    pairs : iterable of Pair
        Pairs of one seed.
    samples : mapping of int or str to uint8 array, shape (rows, samples, channels, size, size)
        Samples by concept.
    """
    from matplotlib.figure import Figure

    own = sorted(pairs, key=lambda pair: (isinstance(pair["concept"], str), pair["concept"]))  # classes before styles
    figure = Figure(figsize=(1.1 * len(own) + 1.2, 0.62 * len(PICTURED) + 0.4), layout="constrained")
    axes = figure.subplots(len(PICTURED), len(own), squeeze=False)
    for column, pair in enumerate(own):
        for line, name in enumerate(PICTURED):
            axis = axes[line, column]
            own_samples = samples[pair["concept"]][line].transpose(0, 2, 3, 1)
            images = np.pad(own_samples, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=255)  # a gap next to each
            axis.imshow(np.concatenate(images, axis=1)[:, :-1], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_xlabel(f"{pair['rows'][name]['target']:.2f}", fontsize=8, labelpad=1)
            if line == 0:
                axis.set_title(str(pair["concept"]), fontsize=9)
            if column == 0:
                axis.set_ylabel(name.replace("_", "\n"), fontsize=8, rotation=0, ha="right", va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
