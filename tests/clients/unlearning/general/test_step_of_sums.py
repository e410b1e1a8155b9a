"""Steps at a server that adds up the sums of peers are those on all rows in one place, for every method that takes one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.training import Arrays, Sgd, Training
from clients.unlearning.contract import UnlearningError
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.derivatives import SUM, Local
from clients.unlearning.general.features_labels import FeaturesLabels
from clients.unlearning.general.l_codec import LCodec
from clients.unlearning.general.puma import Puma
from clients.unlearning.general.step_of_sums import StepOfSums
from tests.clients.unlearning.general.test_influence import asked, distance, rows, trained

BASE, NEAR = Mlp(hidden=(5,)), Training(epochs=150, batch_size=100, optimizer=Sgd(lr=1.0, weight_decay=0.02))
FEW: dict[str, Any] = {"damping": 0.1, "iterations": 12}
"""Iterations in which rounding does not grow yet."""
STEPS: list[StepOfSums] = [
    FeaturesLabels(**FEW),
    FeaturesLabels(order="first"),
    FeaturesLabels(order="first", tau=1e-3),
    FeaturesLabels(layers=1, **FEW),
    LCodec(units=2, copies=40, gap=1.0, **FEW),
    Puma(share=0.5, damping=0.1, iterations=6),
]
Part = tuple[Rows, Rows]


@cache
def case() -> tuple[Arrays, Learning, Rows]:
    """Return float64 weights near an optimum, how they were trained, and the rows."""
    data = rows()
    weights, learning = trained(data, BASE, NEAR)
    validation = Rows(1000 + np.arange(30), rows(30, 7).x, rows(30, 7).y)
    learning = Learning(learning.network, learning.training, 1, learning.key, validation)
    return {name: array.astype(np.float64) for name, array in weights.items()}, learning, data


def dealt(data: Rows, correct: bool) -> list[Part]:
    """Return rows to forget and to retain of four unequal peers, the last without rows; the second asks, and holds the first rows."""
    none, wrong = data.without(data.ids), data.only(data.ids[:4])
    right = Rows(wrong.ids, wrong.x, (wrong.y + 1) % 3)
    kept = data.only(data.ids[4:30])
    return [
        (none, data.only(data.ids[30:33])),
        (wrong, kept.joined(right) if correct else kept),
        (none, data.only(data.ids[33:])),
        (none, none),
    ]


def told(method: StepOfSums, parts: list[Part], fault: float = 1.0) -> tuple[Arrays, list[Arrays]]:
    """Return where a server's step leads, and what the peers answered; sums of who asks may be faulty."""
    weights, learning, _ = case()
    answers: list[Arrays] = []
    asking = max(range(len(parts)), key=lambda k: len(parts[k][0]))

    def ask(question: Arrays) -> Arrays:
        found = [method.answer(weights, learning, *part, question) for part in parts]
        if SUM in found[asking]:
            found[asking][SUM] = found[asking][SUM] * fault
        answers.append({name: np.sum([one[name] for one in found], axis=0) for name in found[0]})
        return answers[-1]

    found, outcome = method.solve(weights, learning, ask, learning.initial(), ("server",))
    assert any(f"{len(answers)} exchanges with peers" in note for note in outcome.notes)
    return found, answers


def pooled(method: StepOfSums, parts: list[Part]) -> Arrays:
    """Return where the step leads with all rows in one place, of which only those of the second peer can be weighted up."""
    weights, learning, _ = case()
    forget, retain = parts[1]
    for _, others in (parts[0], *parts[2:]):
        retain = retain.joined(others)
    key = (*learning.key, method.tag, learning.progress)
    if not isinstance(method, Puma):
        return method.apply(weights, learning, forget, retain, key)[0]
    curvature = method.curvature(weights, learning)
    whole = Local(curvature, forget, retain)
    sums = asked(whole)
    change = sums.gradient()
    assert learning.validation is not None
    solved = [method._solve(sums, one).x for one in method.criteria(curvature, learning.validation, np.unique(retain.y))]
    sampled = method.sampled(forget, parts[1][1].without(forget.ids), key)
    lifts = method.lifts(curvature, solved, change, sampled)
    assert lifts.any()
    curvature.move(method._solve(sums, change - curvature.gradient(sampled, lifts)).x)
    return curvature.weights()


@pytest.mark.parametrize(
    ("method", "correct"),
    [*((one, False) for one in STEPS), *((one, True) for one in STEPS if isinstance(one, FeaturesLabels))],
    ids=str,
)
def test_the_step_on_sums_of_unequal_peers_is_that_on_all_rows(method: StepOfSums, correct: bool) -> None:
    weights, _, data = case()
    parts = dealt(data, correct)
    wanted, size = pooled(method, parts), distance(weights, {name: 0 * array for name, array in weights.items()})
    found, answers = told(method, parts)
    assert distance(found, wanted) < 1e-9 * size
    assert distance(wanted, weights) > 1e-6 * size
    assert all(one[SUM].dtype == np.float64 for one in answers if SUM in one)
    if isinstance(method, LCodec):  # its first sums are masks
        return
    with suppress(UnlearningError):  # where no solve is left that can be trusted
        assert distance(told(method, parts, -1.0)[0], wanted) > 1e-6 * size, "the control: sums of one peer come with the wrong sign"


def test_a_column_that_is_the_same_at_all_peers_is_found_by_sums() -> None:
    _, _, data = case()
    x = data.x.copy()
    x[:, 2] = 0.75
    right = Rows(data.ids, x, data.y)
    ids = np.array_split(data.ids, [3, 30])
    parts = [(data.only(one), right.only(one)) for one in ids]
    whole = told(FeaturesLabels(**FEW), [(data, right)])[0]
    found = told(FeaturesLabels(**FEW), parts)[0]
    assert distance(found, whole) < 1e-9
    assert not found["1.weight"][:, 2].any()
    some = [parts[0], parts[1], (data.only(()), data.only(ids[2]))]
    assert found["1.weight"][:, [0, 1, 3]].all()
    assert told(FeaturesLabels(**FEW), some)[0]["1.weight"][:, 2].all(), "the control: one peer's rows still differ"


def test_no_column_leaves_use_while_a_member_is_away() -> None:
    weights, learning, data = case()
    x = data.x.copy()
    x[:, 2] = 0.75
    for complete in (True, False):
        present = replace(learning, complete=complete)
        found, outcome = FeaturesLabels(**FEW).apply(weights, present, data, Rows(data.ids, x, data.y), ())
        assert found["1.weight"][:, 2].any() != complete
        assert any(note.startswith("columns that are the same in all rows now") for note in outcome.notes) == complete
        assert any("of those present: 1, whose weights stay" in note for note in outcome.notes) != complete


def test_every_method_that_a_server_solves_is_held_to_it() -> None:
    tags = {kind for kind, spec in METHODS.working().items() if spec.by_server}
    assert tags == {"influence", *(one.tag for one in STEPS)}


@pytest.mark.parametrize("method", STEPS[3:5], ids=lambda one: one.tag)
def test_what_may_not_move_keeps_every_bit_at_a_server_too(method: Any) -> None:
    weights, _, data = case()
    found, answers = told(method, dealt(data, False))
    same = {name: (found[name].view(np.int64) == array.view(np.int64)).ravel() for name, array in weights.items()}
    moved = ~np.concatenate(list(same.values()))
    if isinstance(method, LCodec):
        assert (moved <= (answers[0][SUM] > 0)).all()
    else:
        assert all(same[name].all() for name in list(weights)[:2])
    assert moved.any()
    assert not moved.all()


def test_two_who_ask_take_the_step_on_the_units_of_both() -> None:
    _, _, data = case()
    parts = dealt(data, False)
    first = (data.only(data.ids[30:32]), data.only(data.ids[32:33]))
    method = LCodec(units=1, copies=40, gap=1.0)
    alone = [told(method, [part])[1][0][SUM] > 0 for part in (first, parts[1])]
    both = told(method, [first, *parts[1:]])[1][0][SUM] > 0
    assert (both == (alone[0] | alone[1])).all()


def test_no_answer_has_a_number_for_each_kept_row() -> None:
    _, learning, data = case()
    _, answers = told(Puma(**FEW), dealt(data, False))
    size = len(Puma().curvature(learning.initial(), learning).flat())
    assert {array.size for one in answers for array in one.values()} <= {1, learning.network.classes, size}


def test_without_kept_rows_a_server_begins_again() -> None:
    _, learning, data = case()
    none = data.without(data.ids)
    for method in STEPS:
        assert distance(told(method, [(data, none), (none, none)])[0], learning.initial()) == 0


def test_peers_without_a_change_move_nothing() -> None:
    weights, _, data = case()
    none = data.without(data.ids)
    for method in (FeaturesLabels(), FeaturesLabels(order="first")):
        found, _ = told(method, [(data.only(data.ids[:3]), data), (none, none)])
        assert all(torch.equal(torch.tensor(found[name]), torch.tensor(weights[name])) for name in weights), "rows as they were"
