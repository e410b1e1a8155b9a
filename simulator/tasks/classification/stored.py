"""Bytes that classification peers store with their main models, without training them."""

from __future__ import annotations

from clients.classification.hdus.config import HdusConfig, method
from clients.classification.sums.config import SumsConfig
from clients.classification.sums.newton.config import NewtonConfig
from clients.config import PeerConfig
from clients.data import load
from clients.unlearning.contract import Problem
from clients.unlearning.limits import ID_BYTES
from simulator.scenarios.plan import Plan


def stored_in_words(plan: Plan) -> tuple[str, str]:
    """Return the line on what main models and the ids of their rows take at the end, if nothing is deleted."""
    known = [size for config in plan.configs if (size := stored_bytes(plan, config)) is not None]
    depending = len(plan.configs) - len(known)
    rest = f"; of {depending} peers it depends on their rows" if depending else ""
    return "stored with main models", f"{sum(known):,} bytes at {len(known)} peers if nothing is deleted{rest}"


def stored_bytes(plan: Plan, config: PeerConfig) -> int | None:
    """Return the bytes that one peer stores for a full fit on its rows; None if they depend on more than the number of rows."""
    assert isinstance(config, HdusConfig | SumsConfig | NewtonConfig)
    spec = method(config) if isinstance(config, HdusConfig) else config.main
    problem = Problem(plan.shape, plan.classes, plan.rounds, load(config.data).columns, config.training)
    size = spec.state_bytes(problem, len(config.rows))
    return None if size is None else size + ID_BYTES * len(config.rows)


def corrected_in_words(count: int) -> str:
    """Return the number of corrections as the end of a list; empty if there are none."""
    return f", {count} corrections of rows" if count else ""
