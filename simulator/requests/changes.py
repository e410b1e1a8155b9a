"""Changes of a plan from which counterfactuals are built."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from clients.config import PeerConfig
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


def same_life(one: PeerConfig | Erasure, erasure: Erasure) -> bool:
    """Return whether a config, or another erasure, belongs to the same peer and generation."""
    return (one.peer, one.generation) == (erasure.peer, erasure.generation)


def not_forgetting(plan: P, peer: int, gone: set[int]) -> P:
    """Return the plan in which a peer is not asked to forget the rows or edges ``gone``."""

    def change(now: Round) -> Round:
        if peer not in now.forget:
            return now
        left = tuple(one for one in now.forget[peer] if one not in gone)
        others = {p: ids for p, ids in now.forget.items() if p != peer}
        return now.model_copy(update={"forget": others | ({peer: left} if left else {})})

    return with_rounds(plan, change)
