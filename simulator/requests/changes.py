"""Changes of a plan from which counterfactuals are built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from clients.config import PeerConfig
from clients.unlearning.general.contract import MethodSpec
from server.timeline import Erasure, Round
from simulator.scenarios.plan import Plan

P = TypeVar("P", bound=Plan)


def with_rounds(plan: P, change: Callable[[Round], Round]) -> P:
    """Return the plan with a function applied to every round."""
    rounds = tuple(change(now) for now in plan.timeline.rounds)
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"rounds": rounds})})


def with_erasures(plan: P, erasures: Iterable[Erasure]) -> P:
    """Return the plan with these erasures only; they keep their indices."""
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"erasures": tuple(erasures)})})


def with_configs(plan: P, erasure: Erasure, change: Callable[[Any], dict[str, Any]]) -> P:
    """Return the plan with other values in the config of an erasure's peer and generation; ``change`` returns them by name."""

    def config(one: PeerConfig) -> PeerConfig:
        return one.model_copy(update=change(one)) if same_life(one, erasure) else one

    return plan.model_copy(update={"configs": tuple(map(config, plan.configs)), "returns": tuple(map(config, plan.returns))})


def with_method(plan: P, request: int, method: MethodSpec) -> P:
    """Return the plan in which a request is carried out by another method."""
    changed = (one.model_copy(update={"method": method}) if one.request == request else one for one in plan.timeline.erasures)
    return with_erasures(plan, changed)


def same_life(one: PeerConfig | Erasure, erasure: Erasure) -> bool:
    """Return whether a config, or another erasure, belongs to the same peer and generation."""
    return (one.peer, one.generation) == (erasure.peer, erasure.generation)


def not_forgetting(plan: P, peer: int, gone: set[int]) -> P:
    """Return the plan in which a peer is not asked to forget the rows or edges ``gone``."""
    return with_rounds(plan, lambda now: now.model_copy(update={"forget": _less(now.forget, peer, gone)}))


def not_arriving(plan: P, peer: int, gone: set[int]) -> P:
    """Return the plan in which the rows ``gone`` never reach a peer."""
    return with_rounds(plan, lambda now: now.model_copy(update={"arrive": _less(now.arrive, peer, gone)}))


def _less(named: Mapping[int, tuple[int, ...]], peer: int, gone: set[int]) -> dict[int, tuple[int, ...]]:
    """Return ids by peer without some of a peer's; a peer is left out if none are left."""
    if peer not in named:
        return dict(named)
    left = tuple(one for one in named[peer] if one not in gone)
    return {p: ids for p, ids in named.items() if p != peer} | ({peer: left} if left else {})
