"""What a released checkpoint leaks without further knowledge: the location of a cut, and how well lost signs can be guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.audit.intervals import wilson
from server.defences.detection import auc
from server.defences.grid import COARSE
from server.revival.attack import Revival
from server.revival.columns import column_statistic
from server.revival.knowledge import WithMask
from server.revival.scan import scan
from simulator.checkpoints import tensors
from simulator.checkpoints.cut import Zeros, all_zero, no_cut, zeros_of
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import find
from simulator.checkpoints.progress import Bars
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

_ODD = 4.0
"""Number of robust standard deviations below the median at which a column counts as odd."""


@dataclass(frozen=True)
class LayerScan:
    """Findings in one layer.

    Parameters
    ----------
    zeros : Zeros
        Exact zeros, and whether they are a cut.
    column_auc : float or None
        How well a column's coherence with the layer's rank-8 approximation separates columns with zeros from others; one half is chance.
        None without both kinds of columns.
    odd_columns : int
        Columns whose coherence is far below that of the others, with or without zeros; a fill may cause them.
    off_grid : int
        Entries off a coarser number grid on which nearly all others lie, such as noise among rounded weights.
    signs, signs_top_fifth : float or None
        Share of correct signs among held-out entries, overall and for the most confident fifth.
    held_out : int
        Number of held-out entries.
    """

    zeros: Zeros
    column_auc: float | None
    odd_columns: int
    off_grid: int
    signs: float | None
    signs_top_fifth: float | None
    held_out: int


@dataclass(frozen=True)
class CheckpointScan:
    """Findings in all layers by name, and their summary."""

    checkpoint: str
    variant: str
    layers: dict[str, LayerScan]

    @property
    def cut(self) -> int:
        """Number of entries located as cut."""
        return sum(zeros.count for zeros in self._cut())

    @property
    def held_out(self) -> int:
        """Number of held-out entries."""
        return sum(one.held_out for one in self.layers.values())

    def signs(self, layers: Iterable[LayerScan], top_fifth: bool = False) -> float | None:
        """Return the share of correct signs over some layers; None if nothing was held out."""
        shares = [((one.signs_top_fifth if top_fifth else one.signs), one.held_out) for one in layers]
        known = [(share, count) for share, count in shares if share is not None]
        total = sum(count for _, count in known)
        return sum(share * count for share, count in known) / total if total else None

    def verdicts(self) -> list[str]:
        """Return the conclusions from the findings, one line each."""
        return [self._located(), self._hidden(), self._guessed()]

    def as_json(self) -> dict[str, object]:
        """Return everything as plain values."""
        whole: dict[str, object] = {"cut": self.cut, "held_out": self.held_out, "signs": self.signs(self.layers.values())}
        whole |= {"signs_top_fifth": self.signs(self.layers.values(), top_fifth=True), "verdicts": self.verdicts()}
        whole |= {f"{name}_interval": ends for name, ends in self._intervals().items()}
        return {"checkpoint": self.checkpoint, "variant": self.variant, **whole, "layers": {n: asdict(o) for n, o in self.layers.items()}}

    def _located(self) -> str:
        if not self.cut:
            return f"no cut located by its zeros: {no_cut(self._zeros())}{all_zero(self._zeros())}"
        share = self.cut / sum(one.zeros.entries for one in self.layers.values())
        where = f"in {len(self._cut())} of {len(self.layers)} layers can be located exactly"
        return f"a cut: {self.cut} zeros ({share:.2%} of these weights) {where}{all_zero(self._zeros())}"

    def _zeros(self) -> dict[str, Zeros]:
        return {name: one.zeros for name, one in self.layers.items()}

    def _cut(self) -> list[Zeros]:
        return [zeros for zeros in self._zeros().values() if zeros.cut and not zeros.all]

    def _hidden(self) -> str:
        off, odd = (sum(getattr(one, key) for one in self.layers.values()) for key in ("off_grid", "odd_columns"))
        columns = f"columns that fit their layer's low-rank part oddly badly, which an edit can cause, and chance too: {odd}"
        return f"{off} weights lie off the number grid of all others: edited later; {columns}" if off else columns

    def _intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % intervals of the shares of correct signs, over held-out entries, if there are any."""
        fifth = sum(int(0.2 * one.held_out + 0.5) for one in self.layers.values())
        shares = {"signs": (self.signs(self.layers.values()), self.held_out)}
        shares["signs_top_fifth"] = self.signs(self.layers.values(), top_fifth=True), fifth
        return {name: wilson(share, n) for name, (share, n) in shares.items() if share is not None}

    def _guessed(self) -> str:
        right, intervals = self.signs(self.layers.values()), self._intervals()
        if right is None:
            return "signs: nothing could be held out"
        found = f"signs of {self.held_out} weights held out were guessed right {right:.1%} ({_ends(intervals['signs'])}) of the time"
        if (surest := self.signs(self.layers.values(), top_fifth=True)) is not None:
            found += f", the surest fifth {surest:.1%} ({_ends(intervals['signs_top_fifth'])})"
        if intervals["signs"][0] <= 0.5:
            return f"{found}: at chance, these weights predict no signs"
        return f"{found}: " + ("expect the same of the lost ones" if self.cut else "what would be cut from here could be guessed as well")


def scan_checkpoint(root: Path, settings: Revival, share: float = 0.05, variant: str | None = None) -> CheckpointScan:
    """Return what a checkpoint leaks; one layer is read at a time, and nothing is written.

    Parameters
    ----------
    root : Path
    settings : Revival
        Its completion, arithmetic and seed are used.
    share : float
        Share of each layer's entries to hold out.
    variant : str, optional
    """
    checkpoint, found = find(root, variant), {}
    check_weights(checkpoint)
    with Bars() as bars:
        step = bars.stage("scanning layers", len(checkpoint.layers))
        for layer in checkpoint.layers:
            weight = tensors.read(checkpoint.shard(layer), layer.tensor)
            try:
                found[layer.name] = scan_layer(layer.name, weight, settings, share)
            except ValueError as error:
                raise LetheError(f"{checkpoint.shard(layer)}: {error}") from None
            step(1)
    return CheckpointScan(str(checkpoint.root), checkpoint.variant, found)


def scan_layer(name: str, weight: Tensor, settings: Revival, share: float) -> LayerScan:
    """Return the findings in one layer ``(m, n)``, given in its stored dtype."""
    zeros = zeros_of(weight)
    if zeros.all:
        return LayerScan(zeros, column_auc=None, odd_columns=0, off_grid=0, signs=None, signs_top_fifth=None, held_out=0)
    mask = (weight == 0) & zeros.cut
    coherence = column_statistic(weight, "coherence")
    area = auc(-coherence, mask.any(dim=0)).value
    result = scan(WithMask({name: weight}, {name: mask}), settings, share)
    right, surest = (None if math.isnan(value) else value for value in (result.right, result.right_top_fifth))
    return LayerScan(zeros, None if math.isnan(area) else area, _odd(coherence), _off_grid(weight), right, surest, result.entries)


def _odd(coherence: Tensor) -> int:
    """Return the number of columns far below the median."""
    middle = coherence.median()
    spread = 1.4826 * (coherence - middle).abs().median()
    return int((coherence < middle - _ODD * spread).sum())


def _off_grid(weight: Tensor) -> int:
    """Return the number of entries off the coarsest grid that holds over half of them; 0 if there is no such grid.

    Zeros do not count, as they lie on every grid.
    """
    present = int(weight.count_nonzero())
    for dtype in COARSE:
        off = int((weight.to(dtype).to(weight.dtype) != weight).sum())
        if off < 0.5 * present:
            return off
    return 0


def table(found: CheckpointScan) -> object:
    """Return the findings as a table for a terminal."""
    from rich.table import Table

    result = Table(box=None, pad_edge=False)
    result.add_column("layer", overflow="fold")
    for column in ("zeros", "share", "in\ncolumns", "alone", "column\nAUC", "odd\ncolumns", "off\ngrid", "signs", "surest\nfifth"):
        result.add_column(column, justify="right", no_wrap=True)
    for name, one in found.layers.items():
        zeros = one.zeros
        cells = [str(zeros.count), f"{zeros.count / zeros.entries:.2%}", str(zeros.columns), str(zeros.alone), _number(one.column_auc)]
        cells += [str(one.odd_columns), str(one.off_grid), _number(one.signs), _number(one.signs_top_fifth)]
        result.add_row(_short(name), *cells)
    return result


def _short(name: str) -> str:
    """Return a layer's name without the parts that all of them share: ``down.0.0.0``."""
    short = name.removeprefix("model.diffusion_model.").replace("transformer_blocks.", "")
    return re.sub(r"_blocks?|\battentions\.|\btransformer\.|\.ff\.net\.2$", "", short)


def _ends(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
