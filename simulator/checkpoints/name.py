"""Which of several concepts was erased from a pipeline: the adversary samples each of them and asks whose neurons were edited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.unlearning.pruning.layers import feed_forward_layers
from clients.unlearning.pruning.recorder import Activity
from server.audit.intervals import wilson
from server.revival.arithmetic import Arithmetic
from server.revival.knowledge import WithActivity
from server.revival.naming import by_chance, likeness
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import find
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.prompts import Prompts, PromptSubject, load_pipeline, recorded
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor


LEVEL = 0.05
"""Largest p-value at which the likeliest suspect is named; so many of the models without an edit name somebody."""


@dataclass(frozen=True)
class Suspect:
    """A concept, and how well its neurons match the scar.

    Parameters
    ----------
    concept : str
    likeness : float
        Rank correlation of scar and excitation, mean over layers, in [-1, 1].
    first : int
        Number of sampler runs that, taken alone, name this concept first.
    """

    concept: str
    likeness: float
    first: int


@dataclass(frozen=True)
class Named:
    """The suspects, the likeliest first.

    Parameters
    ----------
    suspects : tuple of Suspect
    runs : int
        Number of sampler runs of each, which share the weights: how often they name a concept tells of start noise alone.
    p : float
        How often a scar without anything to do with the suspects is as like the likeliest of them; see `by_chance`.
    """

    suspects: tuple[Suspect, ...]
    runs: int
    p: float

    @property
    def chance(self) -> float:
        """How often a guess would name the erased concept first."""
        return 1 / len(self.suspects)

    def as_json(self) -> dict[str, object]:
        """Return the figures as plain values; ``low`` and ``high`` are the ends of the 95 % interval of ``share``."""
        rows = []
        for one in self.suspects:
            low, high = wilson(one.first / self.runs, self.runs)
            counted = {"first": one.first, "n": self.runs, "share": one.first / self.runs, "low": low, "high": high}
            rows.append({"concept": one.concept, "likeness": one.likeness, **counted})
        return {"chance": self.chance, "p": self.p, "named": self.suspects[0].concept if self.p <= LEVEL else None, "suspects": rows}


def name_checkpoint(root: Path, prompts: Prompts, calls: int, arithmetic: Arithmetic, variant: str | None = None) -> Named:
    """Return the concepts of the prompts by how well they match what was edited; nothing is written.

    Parameters
    ----------
    root : Path
        A pipeline that was pruned, or pruned and sealed.
    prompts : Prompts
        All concepts share scenes and start noise.
    calls : int
        First sampler calls of each run whose activations count.
    arithmetic : Arithmetic
        Device and determinism of sampling.
    variant : str, optional
    """
    if len(prompts.concepts) < 2:
        raise LetheError(f"--concept {prompts.concepts[0]!r}: is the only suspect; name two or more, one of which was erased")
    checkpoint = find(root, variant)
    check_weights(checkpoint, parts=True)
    pipeline, runs = load_pipeline(checkpoint, prompts, arithmetic.place()), range(len(prompts.without()))
    heard: list[list[Activity]] = []
    with Bars() as bars, arithmetic.active():
        step = bars.stage("sampling the suspects", len(prompts.concepts) * len(runs))
        for index in runs:
            heard.append([])
            for concept in prompts.concepts:
                heard[-1].append(recorded(PromptSubject(pipeline, prompts, concept, index), "target", calls, "cond"))
                step(1)
    layers = feed_forward_layers(getattr(pipeline, checkpoint.denoiser.name))
    weights = {name: layer.weight.detach().cpu() for name, layer in layers.items()}
    alone = [likeness(_known(weights, [one])) for one in heard]
    known = _known(weights, heard)
    first = [scores.index(max(scores)) for scores in alone if len(set(scores)) > 1]
    rows = [Suspect(c, score, first.count(i)) for i, (c, score) in enumerate(zip(prompts.concepts, likeness(known), strict=True))]
    return Named(tuple(sorted(rows, key=lambda one: -one.likeness)), len(runs), by_chance(known))


def _known(weights: dict[str, Tensor], heard: Sequence[Sequence[Activity]]) -> WithActivity:
    """Return what the adversary has after some runs of all concepts."""
    summed = [{name: sum(run[number].sums[name].sum(dim=0) for run in heard) for name in weights} for number in range(len(heard[0]))]
    known: Any = tuple(summed)
    return WithActivity(weights, known)


def told(found: Named) -> Iterator[str]:
    """Yield what the ranking says in words."""
    best = found.suspects[0].concept
    chance = f"a guess among {len(found.suspects)} is right {found.chance:.0%} of the time"
    shuffled = f"of scars with shuffled columns, {found.p:.1%} are as like their likeliest suspect"
    if found.p <= LEVEL:
        yield f"named: {best}; {shuffled}; {chance}; taken as given: nothing but an edit ties columns to a concept"
    else:
        yield f"nobody is named: {best} is the likeliest, but {shuffled}, so that chance explains it; {chance}"


def table(found: Named) -> object:
    """Return the ranking as a table for a terminal."""
    from rich.table import Table

    title = "likeness of neurons to the scar; runs that name a concept first (95 % over start noise)"
    result = Table(title=title, title_justify="left", box=None, pad_edge=False)
    result.add_column("concept", overflow="fold")
    for column in ("likeness", "first in", "n", "share", "interval"):
        result.add_column(column, justify="right", no_wrap=True)
    for one in found.suspects:
        low, high = wilson(one.first / found.runs, found.runs)
        result.add_row(
            one.concept, f"{one.likeness:.3f}", str(one.first), str(found.runs), f"{one.first / found.runs:.2f}", f"[{low:.2f}, {high:.2f}]"
        )
    return result
