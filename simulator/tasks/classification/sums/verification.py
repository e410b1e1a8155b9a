"""Verification, from a run directory, that the federation's model is that of the remaining sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.classification.sums.config import SumsConfig
from clients.classification.sums.peer import learner
from server.classification.sums.statistics import Statistics
from simulator.errors import LetheError

if TYPE_CHECKING:
    from clients.unlearning.exact.statistical.learner import SumLearner
    from simulator.storage.store import RunStore
    from simulator.tasks.classification.sums.plan import SumsPlan


def model(plan: SumsPlan, store: RunStore) -> SumLearner[Any]:
    """Return the federation's final model, computed from the sums in the mailbox; ``LetheError`` if one cannot be read."""
    config = plan.configs[0]
    assert isinstance(config, SumsConfig)
    statistics = Statistics(learner(config))
    for peer, parcel in sorted(store.mailbox().newest.items()):
        statistics.give(peer, wire.from_bytes(store.artefact(parcel.sha256)))
    return statistics.learner


def problems(plan: SumsPlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every peer evaluated on another model than that of the remaining sums."""
    try:
        total = model(plan, store)
        if total.count:
            yield from strangers(plan, store, total.predict_proba, "those of the sums in the mailbox")
    except LetheError as error:
        yield str(error)


def strangers(plan: SumsPlan, store: RunStore, answers: Callable[[Any], npt.NDArray[Any]], whose: str) -> Iterator[str]:
    """Yield a line for every peer whose final answers are others than a model gives to the inputs of the test rows."""
    source, test = data.load(plan.configs[0].data), np.asarray(plan.configs[0].test, dtype=np.int64)
    expected = answers(source.inputs(test)).astype(np.float64)
    for peer, sha256 in store.rows("select peer, sha256 from probabilities order by peer"):
        if wire.from_bytes(store.artefact(sha256))["probabilities"].tobytes() != expected.tobytes():
            yield f"peer {peer}: its answers in the final evaluation are not {whose}"
