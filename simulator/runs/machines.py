"""Record of the machines of a run, in its ledger. A run is resumed only where the same bits result, because its claims depend on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from clients import machine
from simulator.engines.alike import refuse_unlike
from simulator.engines.host import one_thread
from simulator.errors import LetheError
from simulator.storage.machines import KEY, read
from simulator.storage.store import RunStore


def begin(store: RunStore, folder: object) -> Callable[[Mapping[int, str]], None]:
    """Record what this process computes with; return a function that records the same of the peers, given their reports by peer.

    Raises
    ------
    LetheError
        If earlier rounds were computed in a way that could give other bits.
    StoppedError
        By the returned function, if peers compute in another way than this process.
    """
    with one_thread():  # as during the rounds
        mine, kept = json.loads(machine.told()), read(store)
    if kept is None or store.last_round() == 0:
        _write(store, {"driver": mine, "workers": []})
    elif apart := machine.differences(kept["driver"], mine):
        raise LetheError(
            f"{folder}: was begun where bits come out otherwise ({'; '.join(apart)}): resume it on such a machine, with the versions and"
            ' the environment of then, or run the scenario anew with compute.level = "avx2" or "default", which pins the instructions'
        )

    def meet(told: Mapping[int, str]) -> None:
        for peer, text in sorted(told.items()):
            refuse_unlike(text, f"peer {peer}")
        _add(store, [json.loads(text) for text in dict.fromkeys(told.values())])

    return meet


def _add(store: RunStore, workers: list[dict[str, Any]]) -> None:
    """Record what workers compute with, without duplicates."""
    kept = read(store) or {}
    new = [one for one in workers if one not in kept["workers"]]
    if new:
        _write(store, {**kept, "workers": [*kept["workers"], *new]})


def _write(store: RunStore, told: Mapping[str, Any]) -> None:
    store.set_meta(KEY, json.dumps(told, sort_keys=True))
