"""Verification, from a run directory, that Newton's steps on sums over peers have left no more of rows than was certified."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from clients import data, wire
from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.peer import NewtonPeer, answered
from clients.unlearning.approximate.certified.certificate import reading
from clients.unlearning.approximate.certified.shared import combined
from clients.unlearning.convex.sums import ObjectiveSums
from server.classification.sums.newton.state import PROOF, Kept
from server.ledger import RELEASE
from simulator.errors import LetheError
from simulator.tasks.classification.sums.verification import strangers

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.classification.sums.plan import SumsPlan


def problems(plan: SumsPlan, store: RunStore) -> Iterator[str]:
    """Yield a line if the residual over all peers is not what was certified, and for every peer evaluated on another model.

    Where the peers' rows are others than the server's last model is of, because a member was away until the end, requests since then have
    no certificate, and there is no residual to compare.
    """
    try:
        state, config = kept(store), plan.configs[0]
        if state is None:
            return
        assert isinstance(config, NewtonConfig)
        learner = reading(config.main, data.load(config.data))
        yield from strangers(plan, store, partial(answered, learner, state.weights), "those of the server's model")
        yield from _exceeded(plan, store, state, config)
    except LetheError as error:
        yield str(error)


def kept(store: RunStore) -> Kept | None:
    """Return the server's last state; None if it never had a model."""
    release, proof = store.model(RELEASE), store.model(PROOF)
    if release is None or proof is None:
        return None
    return Kept.read(wire.from_bytes(store.artefact(release)), wire.from_bytes(store.artefact(proof)))


def _peer(plan: SumsPlan, store: RunStore, number: int, generation: int) -> NewtonPeer:
    """Return a peer as the ledger has it."""
    config: Any = plan.config(number, generation)
    peer = NewtonPeer.restored(config, store.artefact(store.states()[number].main))
    assert isinstance(peer, NewtonPeer)
    return peer


def _exceeded(plan: SumsPlan, store: RunStore, state: Kept, config: NewtonConfig) -> Iterator[str]:
    """Yield a line if the sum of all peers' gradients is longer than the server has said, or than the budget of a certificate."""
    if not {(peer, one.generation) for peer, one in store.states().items()} >= set(state.members):
        return
    peers = [_peer(plan, store, *member) for member in state.members]
    if combined([peer.commitment() for peer in peers]) != state.commitment:
        return
    scale = config.removal.sigma / max(1, state.divisor) ** 0.5
    parts = [ObjectiveSums.of(peer.objective(state.draw, scale), state.weights) for peer in peers]
    whole = ObjectiveSums.total(parts)
    residual = float(whole.gradient.norm())
    if residual - whole.rounding > state.bound:
        yield f"the residual over {len(peers)} peers is {residual:.3g}, above the bound {state.bound:.3g} that the server has certified"
