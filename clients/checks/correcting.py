"""Checks of unlearners that can correct rows."""

from __future__ import annotations

import numpy as np

from clients.checks.case import KEY, Case, canonical, require_same
from clients.checks.suite import require
from clients.data.rows import Rows
from clients.unlearning.contract import UnlearningError, family


def corrects_rows(case: Case) -> None:
    """If the spec supports correcting rows, a model with corrected rows equals one to which they were given so before its first round."""
    if not case.spec.corrects:
        return
    right = _otherwise(case)
    whole = case.without(right.ids).joined(right)
    for done in range(case.of.problem.rounds + 1):
        model, oracle = case.fit(rounds=done), case.fit(whole, rounds=done)
        require(family(model.correct(right).guarantee) == "exact", "correcting rows is not exact")
        require_same(case, model, oracle)
        restored = case.spec.build(case.of.problem, KEY)
        restored.restore(model.state(), whole)
        require_same(case, restored, oracle)
        for _ in range(done, case.of.problem.rounds):
            model.advance()
        require_same(case, model, case.fit(whole))
    case.forget(model, right.ids[:7])
    require_same(case, model, case.fit(whole.without(right.ids[:7])))


def notices_not_correcting(case: Case) -> None:
    """If the spec supports it, a model that did not correct differs from one that had the corrected rows."""
    if not case.spec.corrects:
        return
    right = _otherwise(case)
    require(canonical(case.fit()) != canonical(case.fit(case.without(right.ids).joined(right))), "corrected rows make no difference")


def refuses_to_correct_unknown_rows(case: Case) -> None:
    """If the spec supports it, correcting a row that is not held names the row and changes nothing; correcting none has no cost."""
    if not case.spec.corrects:
        return
    right, model = _otherwise(case), case.fit()
    before = canonical(model)
    case.forget(model, right.ids[:1])
    after = canonical(model)
    require(before != after, "forgetting a row changes nothing")
    try:
        model.correct(right)
    except UnlearningError as error:
        require(case.of.shown(int(right.ids[0])) in str(error), f"the error does not name the row: {error}")
    else:
        require(False, "a row that is not held was corrected")
    require(canonical(model) == after, "a refused correction changed the model")
    require(not model.correct(right.keep(np.zeros(len(right), bool))).cost.parts, "correcting nothing has a cost")


def _otherwise(case: Case) -> Rows:
    """Return twenty rows with the labels of others and, of half of them, with their inputs."""
    some = case.of.data.only(case.ids[20:60:2])
    x = some.x.copy()
    x[::2] = some.x[::-1][::2]
    return Rows(some.ids, x, (some.y + 1) % max(case.of.problem.classes, 2))
