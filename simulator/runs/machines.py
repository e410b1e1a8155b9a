"""On which machines a run computes: written into its ledger, and compared before it goes on, for the machine is part of what is claimed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from clients import machine
from simulator.engines.alike import refuse_unlike
from simulator.engines.host import one_thread
from simulator.errors import LetheError
from simulator.storage.store import RunStore

KEY = "machines"
"""Under this key of the ledger's table meta stands what driver and peers compute with."""


def begin(store: RunStore, folder: object) -> Callable[[Mapping[int, str]], None]:
    """Write down what this process computes with, and return what does the same for the peers once they have told.

    Raises
    ------
    LetheError
        If rounds were computed in a way that could give other bits; nothing is played.
    StoppedError
        From what is returned: if peers compute otherwise than this process.
    """
    with one_thread():  # as while playing
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


def read(store: RunStore) -> dict[str, Any] | None:
    """Return what was written down: ``driver``, and of ``workers`` those that differ in anything; None if nothing was."""
    kept = store.meta(KEY)
    return None if kept is None else dict(json.loads(kept))


def _add(store: RunStore, workers: list[dict[str, Any]]) -> None:
    """Write down what workers compute with, each once."""
    kept = read(store) or {}
    new = [one for one in workers if one not in kept["workers"]]
    if new:
        _write(store, {**kept, "workers": [*kept["workers"], *new]})


def _write(store: RunStore, told: Mapping[str, Any]) -> None:
    store.set_meta(KEY, json.dumps(told, sort_keys=True))
