"""Tables and findings of the reproduction of spiking networks, and the revival of their pruned synapses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from clients.data.rows import Rows
from clients.training import Arrays
from experiments.intervals import interval, said
from server.revival.attack import Revival, revive
from server.revival.knowledge import WeightsOnly, WithMask
from server.revival.oracle import random_signs, sign_accuracy, true_signs

METRICS = ("accuracy", "precision", "recall", "F1")
RELEARNED = ("all phases", "none", "never there (retrained)")
"""Networks that learn the forgotten class again."""
PRUNED = (0.98, 0.5)
"""Quantiles above which synapses are pruned before the attack."""
Moved = Sequence[Mapping[str, Mapping[str, float]]]


class Trial(Protocol):
    """What the attack needs of a trial."""

    @property
    def train(self) -> Rows:
        """The training rows."""

    @property
    def label(self) -> int:
        """The class that is forgotten."""

    @property
    def weights(self) -> Arrays:
        """Weights after training on all training rows."""

    def forgotten(self, gone: npt.NDArray[Any], **settings: Any) -> Arrays:
        """Return the weights after a request for rows."""

    def right(self, weights: Arrays) -> tuple[float, float]:
        """Return the shares of correct predictions of the forgotten class and of others."""


def metrics(wanted: npt.NDArray[Any], answers: npt.NDArray[Any]) -> dict[str, float]:
    """Return accuracy, and the means over classes of precision, recall and F1, by name; a class never predicted has a precision of 0."""
    means = precision_recall_fscore_support(wanted, answers, average="macro", zero_division=0)[:3]
    return dict(zip(METRICS, (float(accuracy_score(wanted, answers)), *map(float, means)), strict=True))


def _table(title: str, headings: Sequence[str]) -> Table:
    drawn = Table(title=title)
    for place, heading in enumerate(headings):
        drawn.add_column(heading, justify="right" if place else "left")
    return drawn


def of_shares(name: str, tested: int, found: Moved) -> Table:
    """Return the table of metrics by the share of rows that a request names."""
    drawn = _table(
        f"{name}: rows forgotten, no repair but in the last line; n = {tested}, {len(found)} seeds, 95 % intervals", ["", *METRICS]
    )
    for line in found[0]:
        drawn.add_row(line, *(interval([one[line][metric] for one in found]) for metric in METRICS))
    return drawn


def of_phases(name: str, classes: int, found: Sequence[Mapping[str, tuple[float, ...]]], again: Sequence[int]) -> Table:
    """Return the table of the ablation: one class of several is forgotten, and learned again by epochs on all rows."""
    heads = ["", "forgotten class", "others", *(f"again, epochs: {epochs}" for epochs in again)]
    drawn = _table(f"{name}: one of {classes} classes forgotten, {len(found)} seeds, 95 % intervals", heads)
    for line in found[0]:
        drawn.add_row(line, *(interval([one[line][i] for one in found]) for i in range(len(found[0][line]))))
    return drawn


def revived(one: Trial) -> dict[str, tuple[float, ...]]:
    """Return shares of correct predictions, of the forgotten class and of others, after pruning alone and after attacks on it; signs last.

    The attacker has the weights and finds exact zeros. Synapses filled with noise are attacked by one who has the weights alone, and by one
    who knows the mask. The model without its masks is what runs on the refilled weights.
    """
    found: dict[str, tuple[float, ...]] = {"original": one.right(one.weights)}
    rule = Revival().settled("cpu")
    original = _layers(one.weights)
    for quantile in PRUNED:
        settings: dict[str, Any] = {"retrain": False, "thresholds": False, "repair": 0, "synapses": quantile}
        zeroed, filled = (one.forgotten(one.train.y == one.label, fill=fill, **settings) for fill in ("zeros", "gaussian"))
        pruned, noisy, mask = _layers(zeroed), _layers(filled), _layers(zeroed, "pruned")
        attack, blind, told = (revive(knowledge, rule) for knowledge in (WeightsOnly(pruned), WeightsOnly(noisy), WithMask(noisy, mask)))
        found |= {
            f"pruned above {quantile}": one.right(zeroed),
            f"{quantile}: revived": (*one.right(_unmasked(zeroed, attack.weights)), sign_accuracy(attack.guesses, mask, original).overall),
            f"{quantile}: random signs": one.right(_unmasked(zeroed, random_signs(pruned, mask, rule, ("spiking",)))),
            f"{quantile}: true signs": one.right(_unmasked(zeroed, true_signs(pruned, mask, original, rule))),
            f"filled above {quantile}": one.right(filled),
            f"{quantile}: filled, revived": one.right(_unmasked(filled, blind.weights)),
            f"{quantile}: filled, mask known": (
                *one.right(_unmasked(filled, told.weights)),
                sign_accuracy(told.guesses, mask, original).overall,
            ),
        }
    return found


def _layers(state: Arrays, what: str = "weight") -> dict[str, torch.Tensor]:
    """Return the weights, or what else is told of them, of every layer, by the name of its weights."""
    return {name: torch.from_numpy(state[name.replace("weight", what)].copy()) for name in state if name.endswith("weight")}


def _unmasked(after: Arrays, weights: Mapping[str, torch.Tensor]) -> Arrays:
    """Return the state with these weights and no pruned synapse."""
    kept = {name: np.zeros_like(array) if name.endswith("pruned") else array for name, array in after.items()}
    return kept | {name: weight.float().numpy() for name, weight in weights.items()}


def of_revival(name: str, found: Sequence[Mapping[str, tuple[float, ...]]]) -> Table:
    """Return the table of the revival attack."""
    heads = ["", "forgotten class", "others", "right signs"]
    drawn = _table(f"{name}: pruned synapses under the revival attack, {len(found)} seeds, 95 % intervals", heads)
    for line in found[0]:
        drawn.add_row(line, *(interval([one[line][i] for one in found]) for i in range(len(found[0][line]))))
    return drawn


def findings(moved: Mapping[str, Moved], trends: Mapping[str, Sequence[float]], middle: str) -> Iterator[str]:
    """Yield a line for each of the four findings: seen if the whole 95 % interval lies above 0."""
    drops = {name: {of: [one["original"][of] - one[middle][of] for one in found] for of in METRICS} for name, found in moved.items()}
    for name, by_metric in drops.items():
        for metric, values in by_metric.items():
            yield said(f"1. {name}: {metric} falls, {middle} of the rows forgotten", values)
    gaps = np.subtract(drops["activities"]["accuracy"], drops["digits"]["accuracy"]).tolist()
    yield said("2. activities: accuracy falls more than on digits", gaps)
    back = {name: [one["repaired"]["accuracy"] - one[middle]["accuracy"] for one in found] for name, found in moved.items()}
    for name, values in back.items():
        yield said(f"3. {name}: accuracy rises by repair", values)
        yield _beyond_half(f"3. {name}: by more than half of what fell", values, drops[name]["accuracy"])
    for name, ranks in trends.items():
        yield said(f"4. {name}: rank correlation of the share with the loss of accuracy", ranks)


def _beyond_half(what: str, back: Sequence[float], drops: Sequence[float]) -> str:
    """Return the line of a finding about seeds in which something fell: of the others, any repair is more than half of nothing."""
    values = [gain - drop / 2 for gain, drop in zip(back, drops, strict=True) if drop > 0]
    if len(values) < len(drops):
        what += f" (nothing fell in {len(drops) - len(values)} of {len(drops)} seeds)"
    return said(what, values) if len(values) > 1 else f"{what}: too few for an interval, not seen"
