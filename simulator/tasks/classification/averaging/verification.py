"""Verification, from a run directory, that peers were evaluated on the server's final model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clients import data, wire
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.classification.averaging.plan import AveragedPlan


def answers(plan: AveragedPlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every peer whose predictions in the final evaluation are not those of the last global model."""
    config = plan.configs[0]
    try:
        weights = wire.from_bytes(store.artefact(str(store.model("global"))))
        source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
        expected = config.network.probabilities(weights, source.inputs(test)).astype(np.float64)
        for peer, sha256 in store.rows("select peer, sha256 from probabilities order by peer"):
            if wire.from_bytes(store.artefact(sha256))["probabilities"].tobytes() != expected.tobytes():
                yield f"peer {peer}: its answers in the final evaluation are not those of the last global model"
    except LetheError as error:
        yield str(error)
