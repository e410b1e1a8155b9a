"""Checks of unlearners that can learn more rows."""

from __future__ import annotations

from clients.checks.case import KEY, Case, require_same
from clients.checks.suite import require
from clients.unlearning.contract import family


def learns_more(case: Case) -> None:
    """If the spec supports adding rows, a model with added rows equals one to which they were added before its first round.

    It also equals one that always had them, unless the spec says how they differ; and it forgets added rows as it forgets others.
    """
    if not case.spec.adds:
        return
    more = case.of.data.only(case.ids[20:40])
    for done in range(case.of.problem.rounds + 1):
        model, oracle = (case.fit(case.without(more.ids), rounds=0) for _ in range(2))
        for _ in range(done):
            model.advance()
        require(family(model.add(more).guarantee) == "exact", "adding rows is not exact")
        oracle.add(more)
        for _ in range(done):
            oracle.advance()
        require_same(case, model, oracle)
        restored = case.spec.build(case.of.problem, KEY)
        restored.restore(model.state(), case.of.data)
        require_same(case, restored, oracle)
    if not case.spec.late:
        require_same(case, model, case.fit())
    kept = more.only(more.ids[7:])
    oracle = case.fit(case.without(more.ids))
    oracle.add(kept)
    case.forget(model, more.ids[:7])
    require_same(case, model, oracle)
    case.forget(model, kept.ids)
    require_same(case, model, case.fit(case.without(more.ids)))
