"""What spiking neurons do before and after a request: spikes on two public test rows, and thresholds; in no digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from server.timeline import Erasure
from simulator.audits.contract import ORIGINAL, RETRAINED, RUN, Branch, Branches

if TYPE_CHECKING:
    from clients.classification.hdus.peer import Peer
    from clients.unlearning.plain import Plain
    from simulator.storage.store import RunStore

KEY = "firing"
"""Under this key of the ledger's table meta, followed by the index of an erasure, stands what was seen."""
MOST_NEURONS = 200
"""Of more neurons, the first are shown."""

_RUNS = {"before the request": ORIGINAL, "at the end": RUN, "never there": RETRAINED}


def look(erasure: Erasure, branches: Branches) -> dict[str, Any] | None:
    """Return spikes and thresholds of the peer that had to forget, in the runs beside an erasure; None if its neurons do not spike."""
    if not erasure.rows or not _spiking(branches[RUN], erasure.peer):
        return None
    found = {name: _spiking(branches[row], erasure.peer) for name, row in _RUNS.items() if row in branches.rows}
    there = {name: both for name, both in found.items() if both is not None}
    rows = _shown(there["at the end"][0], erasure)
    return {"peer": erasure.peer, "round": erasure.round, "rows": rows, "runs": {name: _of(*both, rows) for name, both in there.items()}}


def findings(store: RunStore, indices: Iterator[int]) -> dict[str, Any]:
    """Return the results' list ``firing``; empty if nothing was seen."""
    told = [json.loads(text) for index in indices if (text := store.meta(f"{KEY}-{index}")) is not None]
    return {KEY: told} if told else {}


def _spiking(branch: Branch, number: int) -> tuple[Peer, Plain] | None:
    """Return a peer and its main model, if that is one network of spiking neurons, else None."""
    from clients.classification.hdus.peer import Peer
    from clients.models.spiking import Spiking
    from clients.unlearning.plain import Plain

    peer = branch.peers.get(number)
    if not isinstance(peer, Peer) or not isinstance(peer.main, Plain):
        return None
    main = peer.main
    return (peer, main) if isinstance(main.network.spec, Spiking) and main.weights else None


def _shown(peer: Peer, erasure: Erasure) -> list[dict[str, Any]]:
    """Return the first test row of the class that most erased rows have, and the first of another class, with their classes by name."""
    from clients import data

    source, test = data.load(peer.config.data), np.asarray(peer.config.test, dtype=np.int64)
    y = source.classes_of(test)
    most = int(np.bincount(source.classes_of(erasure.rows), minlength=source.classes).argmax())
    places = [np.flatnonzero(part) for part in (y == most, y != most)]
    return [{"id": int(test[part[0]]), "class": source.labels[y[part[0]]]} for part in places if len(part)]


def _of(peer: Peer, main: Plain, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the thresholds of hidden neurons, and for each row the step and the neuron of every spike, both from 0."""
    import torch

    from clients import data
    from clients.models.spikes import SpikingNetwork
    from clients.training import from_arrays

    network = main.network
    module = network.build(("firing",)).eval()
    assert isinstance(module, SpikingNetwork)
    from_arrays(module, main.weights)
    x = network.inputs(data.load(peer.config.data).inputs(np.array([row["id"] for row in rows], dtype=np.int64)))
    with torch.no_grad():
        spikes = torch.cat(module.run(x)[1], dim=2)[..., :MOST_NEURONS]
    thresholds = torch.cat([layer.threshold for layer in module.firing])[:MOST_NEURONS].tolist()
    return {"steps": module.steps, "thresholds": thresholds, "spikes": [one.nonzero().tolist() for one in spikes.unbind(1)]}
