"""The wording of reports on classification: accuracies of main models, and of ensembles or one model of all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from simulator.report import svg, words
from simulator.report.classification import calibration, classes, curves, spikes
from simulator.report.contract import Section, TaskPage, at_the_end, proven
from simulator.report.model import Accuracy, Figure, PeerRow, ReportData, RoundRow
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

TEMPLATE = """{{ picture(chart, w.capital(data.measure) ~ ": mean over the peers live in each round; "
  ~ ("thin lines: each peer\u2019s " if not many else "the band holds the middle 80 % of the peers\u2019 ") ~ data.together
  ~ ("s." if many else ".")
  ~ (" Numbered lines mark the rounds with events, red where something had to be forgotten." if data.events else "")) }}
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any]:
    chart = tuple(curves.accuracy(data, width) for width in (svg.WIDE, svg.NARROW))
    return {"chart": chart, "many": len(data.peers) > curves.MANY_PEERS}


@dataclass(frozen=True)
class Own:
    """What pages of classification show beside the common data.

    Parameters
    ----------
    simulated : mapping of int to (float, int or None)
        Simulated seconds of a round, and its slowest peer, by round; empty without devices.
    seeds : mapping of int to mapping
        Of each live peer, how well its seed mimics its main model: ``agreement``, ``main``, ``seed``; empty where there are no seeds.
    confidence : mapping of str to mapping
        The results' table ``confidence``: of ``ensembles`` and of ``shards``, where there are any.
    by_class : mapping
        The results' table ``by_class``; empty where nothing was counted.
    firing : sequence of mapping
        The results' list ``firing``: spikes and thresholds before and after requests; empty where no neuron spikes.
    privacy : mapping
        The results' table ``privacy``; empty where training is not private.
    """

    simulated: Mapping[int, tuple[float, int | None]] = field(default_factory=dict)
    seeds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    confidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by_class: Mapping[str, Any] = field(default_factory=dict)
    firing: Sequence[Mapping[str, Any]] = ()
    privacy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spent(self) -> dict[int, float]:
        """Epsilon of private training by peer."""
        return {one["peer"]: one["epsilon"] for one in self.privacy.get("peers", ())}


def _calibration(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    """Return the view of confidence by agreement; None where no peer has an ensemble."""
    own = _own(data).confidence
    return calibration.view(own) if own else None


def _classes(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    """Return the view of figures by class; None where nothing was counted."""
    own = _own(data).by_class
    return classes.view(own) if own else None


def _spikes(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    """Return the view of spikes and thresholds; None where no neuron spikes."""
    own = _own(data).firing
    return spikes.view(own) if own else None


SPIKES = Section("spikes", "Spikes", "Spikes and thresholds, before and after", 35, spikes.TEMPLATE, _spikes)
CLASSES = Section("classes", "Classes", "Class by class", 74, classes.TEMPLATE, _classes)
CONFIDENCE = Section("confidence", "Confidence", "Confidence by agreement", 75, calibration.TEMPLATE, _calibration)
ACCURACY = Section("accuracy", "", "Accuracy by round", 11, TEMPLATE, _view, within="timeline")


class ClassificationPage(TaskPage):
    """Peers classify, with their main models alone and with shared models."""

    sections: ClassVar[tuple[str, ...]] = tuple(
        f"simulator.report.classification.page:{name}" for name in ("ACCURACY", "SPIKES", "CLASSES", "CONFIDENCE")
    )
    model: ClassVar[str] = "main model"

    def collect(self, plan: Plan, store: RunStore, results: Mapping[str, Any]) -> Own:
        """Return what the page shows beside the common data."""
        rows = [row for row in results["timeline"] if "simulated_seconds" in row]
        simulated = {row["round"]: (row["simulated_seconds"], row["slowest"]) for row in rows}
        return Own(
            simulated,
            {row["peer"]: row for row in results.get("seeds", ())},
            results.get("confidence", {}),
            results.get("by_class", {}),
            results.get("firing", ()),
            results.get("privacy", {}),
        )

    def headline(self, data: ReportData) -> list[str]:
        """Return what happened, in a few sentences."""
        who, long = words.plural(len(data.peers), "peer").capitalize(), words.plural(len(data.rounds), "round")
        apart = "each from its own rows, and lent each other small seed models"
        how = "each from its own rows, and sent a server what it made one model of" if data.pooled else apart
        said = [f"{who} learned from {data.dataset} for {long}, {how}."]
        said += words.departures(data)
        live = data.rounds[-1].live if data.rounds else 0
        left = "Nobody was" if live == 0 else "One peer was" if live == 1 else f"{words.number(live).capitalize()} peers were"
        said.append(f"{left} live at the end.")
        if data.accuracy.global_ensemble is not None and data.accuracy.global_main is not None:
            together = "The model of all rows" if data.pooled else "With its neighbours' seeds a peer"
            alone = "a model of one peer's rows alone" if data.pooled else "with its main model alone"
            said.append(
                f"{together} reached {words.percent(data.accuracy.global_ensemble)} {data.measure} on the test rows on "
                f"average; {alone}, {words.percent(data.accuracy.global_main)}."
            )
        elif data.accuracy.global_ensemble is not None:
            said.append(f"The {data.together} reached {words.percent(data.accuracy.global_ensemble)} {data.measure} on the test rows.")
        return said + words.proof(data)

    def key_figures(self, data: ReportData) -> list[Figure]:
        """Return metrics of the final evaluation, number of peers, proven erasures, and costs of forgetting."""
        who, mean = f"the {data.together}" if data.pooled else "ensembles", data.accuracy
        return [
            _beside(f"{words.capital(data.measure)} of {who}", mean.global_ensemble, mean.global_main),
            _beside("on their own mix", mean.local_ensemble, mean.local_main),
            *(_beside(f"{name} of {who}", metric.global_ensemble, metric.global_main) for name, metric in data.metrics),
            *at_the_end(data),
            *proven(data),
            *_private(data),
            *_simulated(data),
            *(_costs(data) if data.erasures else []),
        ]

    def round_columns(self, data: ReportData) -> list[tuple[str, Callable[[RoundRow], str]]]:
        """Return columns of the shared model's accuracy and of the simulated time on devices."""
        simulated = _own(data).simulated
        return [
            (f"{data.together}, all classes", lambda row: words.percent(row.accuracy.global_ensemble)),
            ("time on devices", lambda row: words.seconds(simulated[row.round][0] if row.round in simulated else None)),
            ("slowest peer", lambda row: words.integer(simulated[row.round][1] if row.round in simulated else None)),
        ]

    def peer_columns(self, data: ReportData) -> list[tuple[str, Callable[[PeerRow], str]]]:
        """Return columns of a peer's last accuracies, on all classes and on its own class distribution, and of its seed's."""
        seeds, spent = _own(data).seeds, _own(data).spent
        return [
            ("main, all", lambda row: words.percent(_last(row).global_main)),
            (f"{data.together}, all", lambda row: words.percent(_last(row).global_ensemble)),
            ("main, own", lambda row: words.percent(_last(row).local_main)),
            (f"{data.together}, own", lambda row: words.percent(_last(row).local_ensemble)),
            ("seed alone, all", lambda row: words.percent(seeds.get(row.peer, {}).get("seed"))),
            ("seed agrees with main", lambda row: words.percent(seeds.get(row.peer, {}).get("agreement"))),
            ("epsilon of a row", lambda row: f"{spent[row.peer]:.3g}" if row.peer in spent else words.NOT_MEASURED),
        ]

    def about_peers(self, data: ReportData) -> str:
        """Return an explanation of the columns."""
        seeds = " A seed agrees with its main model where both name the same class of a test row." if _own(data).seeds else ""
        private = _privacy(_own(data).privacy)
        return f"{words.capital(data.measure)} when last heard of, on all classes and on the peer\u2019s own class mix.{seeds}{private}"


def _own(data: ReportData) -> Own:
    """Return what the page shows beside the common data; nothing where a report was made without it."""
    return data.own if isinstance(data.own, Own) else Own()


def _private(data: ReportData) -> list[Figure]:
    """Return the largest epsilon of private training."""
    own = _own(data)
    return [Figure("epsilon of a row", f"{max(own.spent.values()):.3g}", f"at most; delta {own.privacy['delta']:g}")] if own.spent else []


def _privacy(told: Mapping[str, Any]) -> str:
    """Return what epsilon says, and whom a budget kept from training; empty if training was not private."""
    if not told:
        return ""
    stopped = [one["peer"] for one in told["peers"] if one["over_budget"]]
    over = f" {words.capital(words.peers(stopped))} sat rounds out: one more would have gone beyond the budget." if stopped else ""
    return f" Epsilon is of what the peer sent, at delta {told['delta']:g}, and takes the number of its rows as known.{over}"


def _simulated(data: ReportData) -> list[Figure]:
    """Return the time of the rounds on the devices, if the scenario names any."""
    simulated = _own(data).simulated
    total = math.fsum(seconds for seconds, _ in simulated.values())
    return [Figure("time on the devices", words.seconds(total), "simulated")] if simulated else []


def _beside(label: str, ensemble: float | None, main: float | None) -> Figure:
    return Figure(label, words.percent(ensemble), "" if main is None else f"main alone {words.percent(main)}")


def _costs(data: ReportData) -> list[Figure]:
    """Return the gradient steps of forgetting and of retraining, and the number of receipts."""
    steps = [row.outcome.gradient_steps for row in data.erasures]
    others = {row.request: row.retrained.gradient_steps for row in data.erasures}.values()
    known = None if None in steps else sum(step or 0 for step in steps)
    retrained = None if None in others else sum(step or 0 for step in others)
    figures = [Figure("steps to forget", words.integer(known), f"retraining: {words.integer(retrained)}")]
    if not data.pooled:  # nothing goes to anybody but the server
        receipts, holders = (sum(getattr(row.outcome, name) or 0 for row in data.erasures) for name in ("receipts", "holders"))
        figures.append(Figure("receipts", words.integer(receipts), f"for {words.integer(holders)} seeds that were held"))
    return figures


def _last(row: PeerRow) -> Accuracy:
    """Return a peer's last measured accuracy."""
    return row.final or next((accuracy for accuracy in reversed(row.accuracy) if accuracy is not None), Accuracy())
