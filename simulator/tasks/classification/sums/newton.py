"""Verification, from a run directory, that steps on sums over peers have left no more of rows than was certified."""

from __future__ import annotations

import json
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

    Where the peers' rows are others than the server's last model is of, because a member was away at the end, requests since then have
    no certificate, and there is nothing to compare. The certificate of the round in which that model was made must tell what it rests on.
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
        same = bool(there) and combined([peer.commitment() for peer in there]) == state.commitment
        if isinstance(state, Kept):
            last = plan.timeline.rounds[-1]
            if there and not same and set(last.members) == set(last.present):
                yield "the server's last model is of other rows than its members hold, though none was away in the last round"
            yield from _uncertified(state, config, store, sum(len(peer.rows) for peer in there) if same else None)
        if same:
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


def _uncertified(state: Kept, config: NewtonConfig, store: RunStore, rows: int | None) -> Iterator[str]:
    """Yield a line for everything that the newest certificate tells otherwise than the server's state, if it is of the same round.

    ``rows`` is the number of rows that the members hold, None if they are others than the model is of.
    """
    ((made,),) = store.rows("select max(round) from models where name = ?", (PROOF,))
    found = store.rows("select certificate from outcomes where round = ? and certificate is not null", (made,))
    wanted = {
        "bound": state.bound,
        "draw": state.draw,
        "divisor": state.divisor,
        "shares": len(state.members),
        "commitment": state.commitment,
        "budget": _law(config).budget,
        **({} if rows is None else {"rows": rows}),
    }
    for (text,) in found:
        told = json.loads(text)
        for name, value in wanted.items():
            if told.get(name) != value:
                yield f"the certificate of round {made} says {name} = {told.get(name)}, the server's model rests on {value}"
        if state.bound > _law(config).budget:
            yield f"the certificate of round {made} stands on a bound of {state.bound:.3g}, above the budget {_law(config).budget:.3g}"


def _law(config: NewtonConfig) -> Law:
    assert isinstance(config.removal, CertifiedRemoval)
    return config.removal.law


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
