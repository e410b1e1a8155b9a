"""The capacity curve of a run: what its published guards do one after the other, on the global model at the end."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from clients import data, wire
from clients.data.rows import Ids
from clients.language.capacity import curve, doubling
from clients.language.measures import PUBLIC
from clients.unlearning.prompts.rules import Guard, Guarded

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.language.averaging.plan import LanguagePlan

FEWEST = 2
"""With fewer guards there is no curve."""


def capacity(plan: LanguagePlan, store: RunStore, held: Ids) -> list[dict[str, Any]]:
    """Return counts of questions by number of published guards that act at the end; none with fewer than two.

    Parameters
    ----------
    plan : LanguagePlan
    store : RunStore
    held : int64 array
        Ids of the rows that peers have at the end.
    """
    config, last = plan.configs[0], plan.rounds + 1
    source = data.load(config.data)
    rows = {
        rule.id: np.intersect1d(plan.timeline.protected(rule, last), held) for rule in plan.timeline.acting(last) if rule.scope == "global"
    }
    rules = [rule for rule in plan.timeline.acting(last) if len(rows.get(rule.id, ()))]
    sha256 = store.model("global")
    if len(rules) < FEWEST or sha256 is None:
        return []
    guards = tuple(Guard(rule, config.patterns(rule, rows[rule.id])) for rule in rules)
    model = Guarded(config.network, wire.from_bytes(store.artefact(sha256)), guards, config.hash_key)
    every = [row for rule in plan.timeline.acting(last) for row in rule.rows]
    kept, public = source.rows(np.setdiff1d(held, every)), config.network.world.public(PUBLIC, *config.hash_key)[0]
    found = curve(model, {rule.id: source.rows(rows[rule.id]) for rule in rules}, kept, public, doubling(len(rules)))
    return [asdict(point) | {"precision": point.precision} for point in found]
