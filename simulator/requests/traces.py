"""Traces of forgotten data in a run directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy.typing as npt

from clients import wire
from clients.averaging.update import COUNT
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

Main = Mapping[str, npt.NDArray[Any]]


def left_over(who: str, hashes: set[str], store: RunStore) -> Iterator[str]:
    """Yield a line for each of these artefacts that is still in the run directory.

    An update without weights, which another peer has sent as well, is no trace: its bytes are the same for all with as many rows.
    """
    shared = hashes & {state.seed for state in store.states().values()}
    empty = {name for name in shared if wire.from_bytes(store.artefact(name)).keys() <= {COUNT}}
    for name in sorted((hashes - empty) & store.on_disk()):
        yield f"{who}: artefacts/{name}.safetensors is still there"


def kept(who: str, erasure: Erasure, plan: Plan, store: RunStore, known: Callable[[Main], list[Any]]) -> Iterator[str]:
    """Yield a line if the peer has not forgotten, its main artefact still holds the data, or an older artefact of the peer remains.

    ``known`` returns the ids that a main artefact still holds. Where the server waits for other peers, the peer itself has forgotten.
    """
    done = store.rows("select round from outcomes where erasure = ?", (erasure.index,))
    state = store.states().get(erasure.peer)
    if state is None:
        return  # the peer itself was erased later, or never trained
    awaited = plan.awaited(erasure)
    waits = bool(awaited) and erasure.peer not in awaited
    if not done and not waits and state.generation == erasure.generation:
        yield f"{who}: the peer has not come back to forget them"
        return
    if left := known(wire.from_bytes(store.artefact(state.main))):
        yield f"{who}: its main model still knows {len(left)} of them, the first is {left[0]}"
    rows = store.rows("select main, seed from states where peer = ? and round < ?", (erasure.peer, done[0][0] if done else erasure.round))
    yield from left_over(who, {name for pair in rows for name in pair} - {state.main, state.seed}, store)
