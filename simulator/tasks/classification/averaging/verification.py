"""Verification, from a run directory, that peers were evaluated on the server's final model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.compute import Compute
from server.classification.averaging.scores import Tested
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.storage.store import RunStore

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
    try:
        weights = wire.from_bytes(store.artefact(str(store.model("global"))))
        source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
        network = replace(config.network, device="cpu")  # a run is verified where there is no card, too
        expected = network.probabilities(weights, source.inputs(test)).astype(np.float64)
        alike = _near if config.compute.device == "cuda" else _equal
        for peer, sha256 in store.rows("select peer, sha256 from probabilities order by peer"):
            if not alike(wire.from_bytes(store.artefact(sha256))["probabilities"], expected):
                yield f"peer {peer}: its answers in the final evaluation are not those of the last global model"
    except LetheError as error:
        yield str(error)


def _equal(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return found.tobytes() == expected.tobytes()


def _near(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return found.shape == expected.shape and bool((np.abs(found - expected) <= NEAR).all())
