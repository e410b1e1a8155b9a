"""Common parts of classification with one model of all rows: the base of its cells, and what it demands of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from clients.data import Dataset
from simulator.scenarios.plan import Plan
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification import by_class
from simulator.tasks.contract import Cell

if TYPE_CHECKING:
    from simulator.storage.store import RunStore

S = TypeVar("S", bound=Scenario)
P = TypeVar("P", bound=Plan)


class PooledClassification(Cell[S, P]):
    """Peers predict with one classifier of all their rows, which the server holds."""

    page: ClassVar[str] = "simulator.report.classification.page:ClassificationPage"
    pooled: ClassVar[bool] = True
    unjudged: ClassVar[Mapping[str, str]] = {
        "membership_inference": "the model of all rows is the server's alone, peers keep none that had to forget",
        "relearn": "peers send no seed model that could learn again",
    }

    def only(self, metric: str, *, of_peer: bool) -> Literal["rounds", "final"] | None:
        """Return when alone a metric is measured: in rounds the server judges the model, in the final evaluation peers do."""
        if metric == "loss.global":
            return "rounds"
        by_peers = (".local.model", ".local.ensemble", *((".global.model", ".global.ensemble") if of_peer else ()))
        return "final" if metric.endswith(by_peers) else None

    def at_end(self, plan: P, store: RunStore) -> None:
        """Count the model's answers by class."""
        store.set_meta(by_class.KEY, json.dumps(by_class.measured_pooled(plan, store)))

    def findings(self, plan: P, store: RunStore) -> dict[str, Any]:
        """Return figures by class."""
        return by_class.findings(json.loads(store.meta(by_class.KEY) or "[]"), plan.labels)


def unfit(data: Dataset) -> str | None:
    """Return why a classifier cannot learn from the rows of a data set, or None if it can."""
    if data.users is not None:
        return "ratings of users are no rows of classes: choose other data"
    if data.classes < 2:
        return f"every row is of class {data.labels[0]!r}: choose data with at least two classes"
    return None
