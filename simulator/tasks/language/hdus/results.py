"""Results of peers that exchange seed language models: what leaks at the peers, and at the neighbours that hold their seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clients import data
from clients.data.rows import Rows
from clients.language.hdus.peer import HdusLanguagePeer
from clients.unlearning.prompts.bypasses import unguarded
from simulator.tasks.language.results import Asked, findings_of, share
from simulator.tasks.replica import peers_at_end

if TYPE_CHECKING:
    from clients.unlearning.prompts.rules import Guarded, Rule
    from simulator.storage.store import RunStore
    from simulator.tasks.language.hdus.plan import HdusLanguagePlan


def findings(plan: HdusLanguagePlan, store: RunStore) -> dict[str, Any]:
    """Return the keys of the results that only runs of a language model have; each published rule with what its owner's neighbours answer.

    They are asked as their users ask them: the mixture of their main model and of the seeds that they hold, with all rules in force and
    with none.
    """
    asked = Asked(plan, store)
    told = findings_of(asked)
    acting, peers = plan.served.acting(plan.rounds + 1), peers_at_end(plan, store)
    models: dict[int, Guarded] = {}
    for number, peer in peers.items():
        assert isinstance(peer, HdusLanguagePeer)
        peer.in_force = peer.config.known(acting)
        models[number] = peer.guarded
    for row, rule in zip(told["guards"], plan.timeline.rules, strict=True):
        near = [models[number] for number, peer in peers.items() if rule.peer in peer.held]
        if rule in plan.timeline.acting(plan.rounds + 1) and rule.scope == "global" and near:
            row["neighbours"] = {"peers": len(near), **_at_neighbours(rule, near, asked)}
    return {"language": told}


def _at_neighbours(rule: Rule, near: list[Guarded], asked: Asked) -> dict[str, Any]:
    """Return the shares of protected answers that neighbours give with guards on, and off, each asked the question itself."""
    rows = data.load(asked.plan.configs[0].data).rows(np.array(asked.plan.timeline.protected(rule, asked.plan.rounds), np.int64))
    counts = {"asked": float(len(rows) * len(near))}
    for name, change in (("on", lambda model: model), ("off", unguarded)):
        counts[name] = float(sum(_right(change(model), rows) for model in near))
    return {name: share(counts, name, "asked", asked.names(rows.ids)) for name in ("on", "off")}


def _right(model: Guarded, rows: Rows) -> int:
    """Return to how many questions about rows the reply is the row's answer."""
    replies = model.replies([model.world.text(x) for x in rows.x])
    return sum(reply.word == model.world.answers[y] for reply, y in zip(replies, rows.y, strict=True))
