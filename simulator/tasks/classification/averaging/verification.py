"""Verification, from a run directory, that peers were evaluated on the server's final model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import fsum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.compute import Compute
from clients.models.spiking import Spiking
from clients.unlearning.spiking.method import pruned_by
from server.averaging.methods import method_of
from server.classification.averaging.scores import Tested
from server.timeline import Timeline
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.storage.store import RunStore

SAME = 1e-12
"""Largest error of a sum of a few hundred thousand weights that was written down; the last bit of one weight changes it by more."""
NEAR = 0.01
"""Distance of two devices' probabilities beyond which they are not of one model; products in TF32 keep ten bits."""


class Verified(Tested, Protocol):
    """The part of a peer's config that is needed here."""

    @property
    def compute(self) -> Compute:
        """Where the model was evaluated."""


def answers(config: Verified, store: RunStore) -> Iterator[str]:
    """Yield a line for every peer whose predictions in the final evaluation are not those of the last global model.

    ``config`` is that of any peer.
    """
    from simulator.engines.host import one_thread

    try:
        weights = wire.from_bytes(store.artefact(str(store.model("global"))))
        source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
        network = replace(config.network, device="cpu")  # a run is verified where there is no card, too
        with one_thread():  # as in the run: larger products are summed otherwise by more threads
            expected = network.probabilities(weights, source.inputs(test)).astype(np.float64)
        alike = _near if config.compute.device == "cuda" else _equal
        for peer, sha256 in store.rows("select peer, sha256 from probabilities order by peer"):
            if not alike(wire.from_bytes(store.artefact(sha256))["probabilities"], expected):
                yield f"peer {peer}: its answers in the final evaluation are not those of the last global model"
    except LetheError as error:
        yield str(error)


def regrown(config: Verified, timeline: Timeline, store: RunStore) -> Iterator[str]:
    """Yield a line if a synapse that a request had pruned is back in the last global model of spiking neurons."""
    if not isinstance(config.network.spec, Spiking):
        return
    weights = wire.from_bytes(store.artefact(str(store.model("global"))))
    masks = {name.removesuffix("pruned"): array for name, array in weights.items() if name.endswith(".pruned")}
    outcomes = store.outcomes()
    methods = {one.index: method_of(one).tag for one in timeline.erasures}
    notes = [note for index, line in outcomes.items() if methods.get(index) == "spiking" for note in line.outcome.notes]
    told, filled = pruned_by(notes)
    if (kept := sum(int(mask.sum()) for mask in masks.values())) < told:
        yield f"the last global model: {told} synapses were pruned, {kept} are: the mask was not kept when models were averaged"
    carried = np.concatenate([weights[f"{layer}weight"][mask] for layer, mask in masks.items()]).astype(np.float64)
    if filled:
        if abs(fsum(carried) - filled) > SAME:
            yield "the last global model: pruned synapses carry other noise than filled them: it was not kept when models were averaged"
    elif grown := np.count_nonzero(carried):
        yield f"the last global model: {grown} pruned synapses carry a weight: the mask was not enforced when models were averaged"


def _equal(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return found.tobytes() == expected.tobytes()


def _near(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return found.shape == expected.shape and bool((np.abs(found - expected) <= NEAR).all())
