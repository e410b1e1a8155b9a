"""Unlearning in spiking networks by selective retraining, pruning of synapses, and adaptive thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import fsum
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Rows
from clients.iterations import Iterations, IterationsFromZero
from clients.models import ModelSpec
from clients.models.spiking import Spiking
from clients.streams import Field, bottom, order
from clients.training import Adam, Arrays, Training, from_arrays, to_arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec

if TYPE_CHECKING:
    from torch import Tensor

    from clients.models.spikes import SpikingNetwork
    from clients.unlearning.spiking.activity import Activity, Neurons
    from clients.unlearning.spiking.phases import Batch

Share = Annotated[float, Setting(ge=0, le=1)]

_PRUNED = re.compile(r"pruning: (\d+) of [^,]*(?:, filled with noise that sums to (\S+))?")


def pruned_by(notes: Iterable[str]) -> tuple[int, float]:
    """Return how many synapses were pruned, and the sum of what they carry, given the notes of requests."""
    found = [match.groups(default="0") for note in notes if (match := _PRUNED.match(note))]
    return sum(int(count) for count, _ in found), fsum(float(total) for _, total in found)


class SpikingUnlearning(MethodSpec):
    """Changes only what answers to the rows to forget: trains its synapses anew, prunes some of them, and raises thresholds.

    Neurons are chosen by the correlation of their spike counts with whether a row is to be forgotten, synapses by weights and gradients.
    The source's formulas were not at hand: those here are this project's own. Much of what is forgotten is hidden rather than removed.
    In an averaging federation spikes and gradients are summed over all peers; the asking peer carries the phases out on the global model,
    and the server keeps masks and thresholds apart from the means of weights.

    Parameters
    ----------
    retrain : bool
        Whether synapses of the chosen neurons are trained towards undecided answers on the rows to forget.
    prune : bool
        Whether synapses that answer to the rows to forget are removed for good.
    fill : {"zeros", "gaussian"}
        What pruned synapses carry from then on: nothing, or noise with the standard deviation of the layer's other weights, since zeros
        tell everybody who sees the weights what was pruned.
    thresholds : bool
        Whether thresholds of neurons that fire more on the rows to forget are raised.
    repair : int
        Epochs on the retained rows afterwards (Adam, learning rate 0.001); pruned synapses stay pruned.
    choose : {"relevance", "random"}
        How neurons are chosen; ``random`` is the negative control, as many neurons drawn by key.
    neurons : float
        Quantile of correlations above which neurons are chosen.
    synapses : float
        Quantile of the chosen neurons' synapses above which they are pruned.
    steps : int
        Gradient steps of retraining.
    lr : float
        Their step size.
    push : float
        Weight of undecided answers against the loss on retained rows.
    sample : int
        Rows of each kind in a step, and rows on which activity is measured.
    gain : float
        How strongly a threshold follows activity.
    ceiling : float
        Highest threshold.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    by_peers: ClassVar[bool] = True
    summary: ClassVar[str] = "spiking networks: trains anew, prunes and damps what fires for the rows; a little relearning brings much back"
    source: ClassVar[str] = "Wang, Ying and Pan, Frontiers in Neurorobotics 18, 2024 (idea; formulas are this project's)"

    kind: Literal["spiking"] = "spiking"
    retrain: bool = True
    prune: bool = True
    fill: Literal["zeros", "gaussian"] = Setting("zeros", exclude_if=lambda fill: fill == "zeros")
    thresholds: bool = True
    repair: IterationsFromZero = 2
    choose: Literal["relevance", "random"] = "relevance"
    neurons: Share = 0.8
    synapses: Share = 0.98
    steps: Iterations = 15
    lr: PositiveFloat = 0.2
    push: NonNegativeFloat = 1.0
    sample: PositiveInt = 256
    gain: NonNegativeFloat = 0.5
    ceiling: PositiveFloat = 2.0

    def misfit(self, base: ModelSpec) -> str | None:
        """Return an error line for a network that does not spike."""
        return None if isinstance(base, Spiking) else f'needs a spiking network, {base.tag} is none: take {{ kind = "spiking" }}'

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after the phases that are switched on; those before any training, which is exact, if no row is kept."""
        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        return _Work(self, weights, learning, forget, retain, key).done()

    def measure(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows) -> Arrays:
        """Return sums of spikes and gradients over a sample of rows of each kind, and the numbers of retained rows by class."""
        from clients.unlearning.spiking.sums import CLASSES, FORGET, RETAIN, sums

        work = _Work(self, weights, learning, forget, retain, (*learning.key, "measured"))
        batches = {part: work.batch(rows, self.sample, part) for part, rows in ((FORGET, forget), (RETAIN, retain))}
        counts = np.bincount(retain.y.astype(np.int64), minlength=learning.network.classes)
        return sums(work.module, batches) | {CLASSES: counts}

    def carry_out(
        self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...], totals: Arrays
    ) -> tuple[Arrays, Outcome]:
        """Do what ``apply`` does, with what was measured of all peers' rows; the weights before any training if nobody keeps a row."""
        from clients.unlearning.spiking.sums import CLASSES

        if not totals[CLASSES].any():
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        return _Work(self, weights, learning, forget, retain, key, totals).done()


class _Work:
    """One request to one network; ``totals`` are the sums over all peers' rows, None if the network is that of one peer."""

    def __init__(
        self,
        spec: SpikingUnlearning,
        weights: Arrays,
        learning: Learning,
        forget: Rows,
        retain: Rows,
        key: tuple[Field, ...],
        totals: Arrays | None = None,
    ) -> None:
        self.spec, self.learning, self.forget, self.retain, self.key, self.totals = spec, learning, forget, retain, key, totals
        self.module: SpikingNetwork = learning.network.build(("unlearning",)).eval()  # type: ignore[assignment]
        from_arrays(self.module, weights)
        self.steps = 0

    def done(self) -> tuple[Arrays, Outcome]:
        """Carry everything out, and return the weights and the outcome."""
        notes = self.phases()
        repaired, steps = self.repaired()
        return repaired, Outcome(Cost(self.steps + steps, parts=1), self.spec.guarantee, notes=tuple(notes))

    def phases(self) -> list[str]:
        """Choose neurons and synapses on the network as it is, carry out the phases, and return a line for each."""
        from clients.unlearning.spiking import phases
        from clients.unlearning.spiking.synapses import candidates, scores

        spec, measured = self.spec, self.activities()
        neurons = self.chosen(*measured)
        allowed = candidates(self.module, neurons, self.classes())
        told = [
            f"choice: {neurons.sum()} of {len(neurons)} neurons, {sum(int(mask.sum()) for mask in allowed.values())} synapses and biases"
        ]
        ranked = scores(self.module, *self.gradients()) if spec.prune else {}
        self.steps += 2 * spec.prune
        if not len(self.retain):
            told.append("retraining: left out with repair, as this peer keeps no row")
        elif spec.retrain:
            told.append(phases.retrain(self.module, allowed, self.batches, steps=spec.steps, lr=spec.lr, push=spec.push))
            self.steps += spec.steps
        if spec.prune:
            key = (*self.key, "fill") if spec.fill == "gaussian" else None
            told.append(phases.prune(self.module, ranked, allowed, spec.synapses, key))
        if spec.thresholds:
            told.append(phases.raise_thresholds(self.module, *measured, gain=spec.gain, ceiling=spec.ceiling))
        return told

    def repaired(self) -> tuple[Arrays, int]:
        """Return the weights after a few epochs on the retained rows, and the gradient steps."""
        spec, rows = self.spec, self.retain
        if not len(rows):
            return to_arrays(self.module), 0
        settings = Training(batch_size=self.learning.training.batch_size, optimizer=Adam(lr=0.001))
        key, epochs = (*self.key, "repair"), range(spec.repair)
        network = self.learning.network
        return network.train(to_arrays(self.module), rows.x, rows.y, epochs=epochs, ids=rows.ids, key=key, settings=settings)

    def activities(self) -> tuple[Activity, Activity]:
        """Return the activity on the rows to forget and on retained ones: on equally many of one peer, or on those that all measured."""
        from clients.unlearning.spiking.activity import activity
        from clients.unlearning.spiking.sums import FORGET, RETAIN, summed_activity

        if self.totals is not None:
            steps = self.module.steps
            return summed_activity(self.totals, FORGET, steps), summed_activity(self.totals, RETAIN, steps)
        count = min(self.spec.sample, len(self.forget), len(self.retain))
        parts = ((self.forget, "measured forgotten"), (self.retain, "measured retained"))
        found = [activity(self.module, self.batch(rows, count, what)[0]) for rows, what in parts]
        return found[0], found[1]

    def gradients(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the gradients of the mean loss on the rows to forget and on retained ones, by parameter."""
        from clients.unlearning.spiking.sums import FORGET, RETAIN, mean_gradients
        from clients.unlearning.spiking.synapses import gradients

        if self.totals is not None:
            return mean_gradients(self.totals, FORGET), mean_gradients(self.totals, RETAIN)
        forget, retain = self.batches(0)
        return gradients(self.module, *forget), gradients(self.module, *retain)

    def classes(self) -> list[int]:
        """Return the classes to forget of which nothing is kept, by any peer."""
        from clients.unlearning.spiking.sums import CLASSES

        kept = self.retain.y if self.totals is None else np.flatnonzero(self.totals[CLASSES])
        found: list[int] = np.setdiff1d(self.forget.y, kept).tolist()
        return found

    def chosen(self, forget: Activity, retain: Activity) -> Neurons:
        """Return the neurons that answer to the rows to forget, or as many that are drawn."""
        from clients.unlearning.spiking.activity import relevance, relevant

        found = relevant(relevance(forget, retain), self.spec.neurons)
        if self.spec.choose == "random":
            found = np.isin(np.arange(len(found)), bottom(int(found.sum()), range(len(found)), *self.key, "neurons"))
        return found

    def batches(self, step: int) -> tuple[Batch, Batch]:
        """Return the rows to forget and the retained rows of a step."""
        count = self.spec.sample
        return self.batch(self.forget, count, "forgotten", step), self.batch(self.retain, count, "retained", step)

    def batch(self, rows: Rows, count: int, *what: Field) -> Batch:
        """Return inputs and classes of the first rows in an order drawn by key."""
        kept = np.sort(order(rows.ids, *self.key, *what)[:count])
        network = self.learning.network
        return network.inputs(rows.x[kept]), network.targets(rows.y[kept])
