"""Tables of ``scars``: what erasers leave of a concept, and what adversaries bring back of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from experiments.reproductions.intervals import text
from server.audit.intervals import wilson

OTHERS = 9
"""Number of other classes."""
PARTS = {"released": "nothing", "completed": "completion", "relearned": "relearning", "embedding": "embedding learned"}
"""Shares of a scar, and after what they were taken."""
Each = Mapping[int, float]


@dataclass(frozen=True)
class Scar:
    """What an eraser left of one concept of one training seed, and what adversaries make of it.

    Parameters
    ----------
    eraser : str
    seed, concept : int
    zeros, changed : float
        Shares of the feed-forward output weights that are zero, and that differ from before.
    elsewhere : bool
        Whether other weights differ.
    named : bool
        Whether the concept is named first.
    released, relearned, embedding : dict of int to float
        Shares of samples judged right, by class.
    completed : dict of int to float or None
        The same; None if there is nothing to complete.
    """

    eraser: str
    seed: int
    concept: int
    zeros: float
    changed: float
    elsewhere: bool
    named: bool
    released: Each
    completed: Each | None
    relearned: Each
    embedding: Each


def tables(scars: Sequence[Scar], samples: Sequence[int]) -> Iterator[Table]:
    """Yield what erasers leave, means over seeds and concepts, and what adversaries bring back, with 95 % intervals over samples.

    With several seeds or concepts, a last table tells the least and the most of them, and of what completion adds to the same cut.

    Parameters
    ----------
    scars : sequence of Scar
    samples : sequence of int
        Number of samples of the erased concept, and of each other one.
    """
    by_eraser = {kind: [scar for scar in scars if scar.eraser == kind] for kind in dict.fromkeys(scar.eraser for scar in scars)}
    left = _empty("what is released", "eraser", "erased", "others", "worst other", "zeros", "changed", "other weights", "named")
    back = _empty("share of samples that show the erased concept, after", "eraser", *PARTS.values(), "completed")
    apart = _empty("the same, least and most of a seed and concept, after", "eraser", *PARTS.values(), "completion adds")
    for kind, own in by_eraser.items():
        left.add_row(kind, *_left(own, samples))
        found = {part: _targets(own, part) for part in PARTS}
        back.add_row(kind, *(_pooled(shares, samples[0]) for shares in found.values()), _what(own))
        apart.add_row(kind, *(f"{min(shares):.2f} to {max(shares):.2f}" if shares else "-" for shares in (*found.values(), _added(own))))
    yield from (left, back) if len(scars) == len(by_eraser) else (left, back, apart)


def _empty(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, no_wrap=True)
    return table


def _left(own: Sequence[Scar], samples: Sequence[int]) -> Iterator[str]:
    """Yield the cells of an eraser in the first table."""
    target, rest = samples
    others = [share for scar in own for one, share in scar.released.items() if one != scar.concept]
    yield _pooled(_targets(own, "released"), target)
    yield text(sum(others) / len(others), rest * OTHERS * len(own))
    yield _worst(own, rest)
    for part in ("zeros", "changed"):
        yield f"{sum(getattr(scar, part) for scar in own) / len(own):.2f}"
    yield "changed" if any(scar.elsewhere for scar in own) else "as before"
    yield f"{sum(scar.named for scar in own)} of {len(own)}"


def _what(own: Sequence[Scar]) -> str:
    """Return what an adversary completes, or why there is nothing to complete."""
    if any(scar.zeros for scar in own):
        return "zeros"
    if any(scar.completed is not None for scar in own):
        return "the smallest"
    return "all changed" if any(scar.changed for scar in own) else "none changed"


def _targets(own: Sequence[Scar], part: str) -> list[float]:
    """Return the share of the erased concept of each scar."""
    return [each[scar.concept] for scar in own if (each := getattr(scar, part)) is not None]


def _added(own: Sequence[Scar]) -> list[float]:
    """Return by how much the share of the erased concept of each completed scar grows."""
    return [scar.completed[scar.concept] - scar.released[scar.concept] for scar in own if scar.completed is not None]


def _pooled(shares: Sequence[float], n: int) -> str:
    return text(sum(shares) / len(shares), n * len(shares)) if shares else "-"


def _worst(own: Sequence[Scar], n: int) -> str:
    """Return the other class of which the fewest samples are right, with an interval that holds for all of them together."""
    shares = [(share, one) for scar in own for one, share in scar.released.items() if one != scar.concept]
    share, one = min(shares)
    low, high = wilson(share, n, len(shares))
    return f"{one}: {share:.2f} ({low:.2f}-{high:.2f})"
