"""Verification, from a run directory, that steps on sums over peers have left no more of rows than was certified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from clients import data, wire
from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.peer import NewtonPeer, answered
from clients.unlearning.approximate.certified.certificate import reading
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.approximate.certified.shared import combined
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.convex.learner import WEIGHTS
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.sums import ObjectiveSums
from server.classification.sums.newton.anchored import Anchored, taken
from server.classification.sums.newton.asking import PROOF
from server.classification.sums.newton.state import Kept
from server.ledger import RELEASE
from simulator.errors import LetheError
from simulator.tasks.classification.sums.verification import strangers

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.classification.sums.plan import SumsPlan


def problems(plan: SumsPlan, store: RunStore) -> Iterator[str]:
    """Yield a line if what is left over all peers is not what was certified, and for every peer evaluated on another model.

    Where the peers' rows are others than the server's last model is of, because a member was away until the end, requests since then have
    no certificate, and there is nothing to compare.
    """
    try:
        state, config = kept(plan, store), plan.configs[0]
        if state is None:
            return
        assert isinstance(config, NewtonConfig)
        released = torch.tensor(wire.from_bytes(store.artefact(str(store.model(RELEASE))))[WEIGHTS])
        learner = reading(config.main, data.load(config.data))
        yield from strangers(plan, store, partial(answered, learner, released), "those of the server's model")
        there = peers(plan, store, state.members if isinstance(state, Kept) else state.present)
        if there and combined([peer.commitment() for peer in there]) == state.commitment:
            yield from _exceeded(state, config, there) if isinstance(state, Kept) else _far(state, config, there, released)
    except LetheError as error:
        yield str(error)


def kept(plan: SumsPlan, store: RunStore) -> Kept | Anchored | None:
    """Return the server's last state; None if it never had a model."""
    release, proof = store.model(RELEASE), store.model(PROOF)
    if release is None or proof is None:
        return None
    rests_on = wire.from_bytes(store.artefact(proof))
    if not isinstance(plan.scenario.federation.model, CertifiedRemoval):
        return Anchored.read(rests_on)
    return Kept.read(wire.from_bytes(store.artefact(release)), rests_on)


def peers(plan: SumsPlan, store: RunStore, members: Sequence[tuple[int, int]]) -> list[NewtonPeer]:
    """Return these peers as the ledger has them, in peer order; none if one is not there."""
    states, found = store.states(), []
    for number, generation in members:
        if number not in states or states[number].generation != generation:
            return []
        config: Any = plan.config(number, generation)
        peer = NewtonPeer.restored(config, store.artefact(states[number].main))
        assert isinstance(peer, NewtonPeer)
        found.append(peer)
    return found


def pooled(there: Sequence[NewtonPeer]) -> Objective:
    """Return the objective over the rows of all peers at once, without a perturbation."""
    parts = [peer.objective(0, 0.0) for peer in there]
    x, targets = torch.cat([part.x for part in parts]), torch.cat([part.targets for part in parts])
    return replace(parts[0], x=x, targets=targets)


def _exceeded(state: Kept, config: NewtonConfig, there: Sequence[NewtonPeer]) -> Iterator[str]:
    """Yield a line if the sum of all peers' gradients is longer than the server has said."""
    assert isinstance(config.removal, CertifiedRemoval)
    scale = config.removal.sigma / max(1, state.divisor) ** 0.5
    whole = ObjectiveSums.total([ObjectiveSums.of(peer.objective(state.draw, scale), state.weights) for peer in there])
    residual = float(whole.gradient.norm())
    if residual - whole.rounding > state.bound:
        yield f"the residual over {len(there)} peers is {residual:.3g}, above the bound {state.bound:.3g} that the server has certified"


def _far(state: Anchored, config: NewtonConfig, there: Sequence[NewtonPeer], released: torch.Tensor) -> Iterator[str]:
    """Yield a line if the optimum on the rows of all peers is farther away than the server has said, and if the noise is not its own."""
    table, whole = config.removal, pooled(there)
    if not len(whole.x):
        return
    if table.sigma and not Law(table.epsilon, table.delta, table.sigma).plausible((released - state.weights).numpy()):
        yield f"the noise on the server's model was not drawn with sigma = {table.sigma:g}"
    optimum = minimise(whole).weights
    away = float((state.weights - optimum).norm()) - whole.at(optimum).residual / whole.ridge
    bound = state.statistics(taken(table)).distance(whole.loss, whole.penalty)
    if away > bound:
        yield f"the optimum on the rows of {len(there)} peers is {away:.3g} away, above the bound {bound:.3g} that the server has certified"
