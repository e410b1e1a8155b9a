"""RUM: one group is the plain method, later groups stay until their turn, and what is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clients.unlearning.contract import UnlearningError
from clients.unlearning.deep.nothing import Nothing
from clients.unlearning.general import METHODS
from clients.unlearning.refine import hardness
from clients.unlearning.refine.hardness import moments, penultimate
from clients.unlearning.refine.memorisation import memorisation, proxies, together
from tests.clients.unlearning.deep.small import (
    REQUEST,
    TRAINING,
    changed,
    module,
    parts,
    rows,
    same,
    tensors,
    trained,
    unchanged,
)

FORGET = 12


def refined(**settings: Any) -> Any:
    return changed("rum", data=parts(forget=FORGET), **settings)


@pytest.mark.parametrize("kind", ["finetune", "salun", "scrub"])
def test_one_group_is_the_plain_method_bit_for_bit(kind: str) -> None:
    found, outcome = refined(groups=1, methods=[kind])
    plain, told = changed(kind, data=parts(forget=FORGET))
    assert same(found, plain)
    assert outcome.cost == told.cost
    assert outcome.notes[1:] == told.notes
    assert outcome.notes[0].startswith("entanglement ")


class Watched:
    """What each stage was given."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.stages: list[tuple[list[int], list[int], Any]] = []
        apply = Nothing.apply

        def watched(method: Any, weights: Any, learning: Any, forget: Any, retain: Any, key: Any) -> Any:
            self.stages.append((forget.ids.tolist(), retain.ids.tolist(), key))
            return apply(method, weights, learning, forget, retain, key)

        patch.setattr(Nothing, "apply", watched)


@pytest.mark.parametrize(
    "settings", [{}, {"order": "descending"}, {"grouping": "shuffled"}, {"by": "accuracy"}, {"by": "memorisation", "models": 32}]
)
def test_later_groups_are_retained_until_their_turn_and_earlier_ones_are_gone(settings: Any, monkeypatch: Any) -> None:
    watched = Watched(monkeypatch)
    found, _ = refined(methods=["nothing"], **settings)
    assert unchanged(found)
    forget, retain = parts(forget=FORGET)
    gone: set[int] = set()
    for ids, kept, _ in watched.stages:
        gone |= set(ids)
        assert set(kept) == set(rows().ids.tolist()) - gone
        assert kept == sorted(kept)
    assert sorted(one for ids, _, _ in watched.stages for one in ids) == forget.ids.tolist()
    assert [len(ids) for ids, _, _ in watched.stages] == [4, 4, 4]
    assert len({key for _, _, key in watched.stages}) == 3
    assert set(watched.stages[-1][1]) == set(retain.ids.tolist())


def test_groups_by_the_estimator_are_those_of_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    _, outcome = refined(methods=["nothing"], by="memorisation", models=32)
    forget, _ = parts(forget=FORGET)
    value = memorisation(rows().ids, together(trained()[1], rows()), 32, 0.7, REQUEST).value[np.isin(rows().ids, forget.ids)]
    means = [value[np.isin(forget.ids, ids)].mean() for ids, _, _ in watched.stages]
    assert means == sorted(means)
    assert means[0] < means[-1]
    assert outcome.cost.gradient_steps == 32 * 2 * trained()[1].training.steps(63), "what the networks took is told"
    told = [note for note in outcome.notes if note.startswith("mean memorisation of the groups")]
    assert len(told) == 1


def test_groups_go_from_the_least_to_the_most_memorised_or_back(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    refined(methods=["nothing"])
    refined(methods=["nothing"], order="descending")
    refined(methods=["nothing"], grouping="shuffled")
    stages = [ids for ids, _, _ in watched.stages]
    assert stages[:3] == stages[5:2:-1]
    assert stages[6:] != stages[:3], "the control is another split"
    for by in ("confidence", "accuracy"):  # low where a row is memorised
        known = proxies(trained()[1], rows())
        score = dict(zip(rows().ids.tolist(), getattr(known, by), strict=True))
        watched.stages.clear()
        refined(methods=["nothing"], by=by)
        means = [np.mean([score[row] for row in ids]) for ids, _, _ in watched.stages]
        assert means == sorted(means, reverse=True)
        assert means[0] > means[-1], "the fault: groups from the most memorised on"


def test_a_method_for_each_group_and_what_is_told() -> None:
    _, outcome = refined(methods=["nothing", "finetune", "salun"])
    notes = "\n".join(outcome.notes)
    assert "group 1 (least memorised), 4 rows, nothing: the weights are as they were" in notes
    assert "group 2, 4 rows, finetune" in notes
    assert "cost: group 3 (most memorised), 4 rows, salun: gradient passes" in notes
    assert "mean confidence of the groups, least memorised first: " in notes
    assert outcome.guarantee == "approximate"
    replay = 4 * -(-90 // 16)
    assert outcome.cost.gradient_steps > replay
    rows_of_salun = 4 + 5 * (4 + 78)
    rows_taken = 4 * 90 + TRAINING.epochs * (78 + 4) + rows_of_salun
    told = f"cost: gradient passes: {rows_taken / 90:.3g} over all rows"
    assert outcome.notes[-1].startswith(told), "the proxy's training and the finetune count, too"


def test_a_method_belongs_to_a_level_of_memorisation_whichever_is_forgotten_first() -> None:
    """The fault: with the most memorised group first, its rows got the first method of the list."""
    methods = ["nothing", "finetune", "nothing"]
    up, down = (refined(methods=methods, order=order)[1].notes for order in ("ascending", "descending"))
    names = [[note for note in notes if note.removeprefix("cost: ").startswith("group ")] for notes in (up, down)]
    assert names[1] == names[0][::-1]
    assert [note.split(":")[0] for note in names[1]] == [
        "group 3 (most memorised), 4 rows, nothing",
        "group 2, 4 rows, finetune",
        "group 1 (least memorised), 4 rows, nothing",
    ]
    shuffled = refined(methods=methods, grouping="shuffled")[1].notes
    assert not any("memorised)" in note for note in shuffled), "the control has no levels"


def test_rows_of_a_level_get_its_method_in_either_order(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    for order in ("ascending", "descending"):
        refined(methods=["nothing", "finetune", "finetune"], order=order)
    (least, later, _), (again, _, _) = watched.stages
    assert least == again
    assert len(later) == 90 - 4, "it is the first that goes"
    assert len(watched.stages[1][1]) == 90 - FORGET, "and the last, if the most memorised are first"


def test_scores_are_those_of_the_original_network_and_features_those_of_its_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: scores of the network that has begun to forget."""
    seen = []
    original = hardness.score

    def noted(network: Any, weights: Any, forget: Any, retain: Any) -> str:
        seen.append(same(weights, trained()[0]))
        return original(network, weights, forget, retain)

    monkeypatch.setattr(hardness, "score", noted)
    refined(methods=["scrub"])
    assert seen == [True]
    weights, learning = trained()
    x, _ = tensors(rows())
    wanted = module(weights)[:3](x).detach().numpy()  # type: ignore[index]
    np.testing.assert_allclose(penultimate(learning.network, weights, rows().x), wanted, rtol=1e-6)
    monkeypatch.setattr(hardness, "_CHUNK", 7)
    np.testing.assert_allclose(penultimate(learning.network, weights, rows().x), wanted, rtol=1e-6, err_msg="whatever is passed at once")
    halves = [moments(learning.network, weights, rows().keep(np.arange(90) % 2 == one)) for one in range(2)]
    together = moments(learning.network, weights, rows())
    np.testing.assert_allclose((halves[0] + halves[1]).total, together.total, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"methods": ["finetune", "salun"]}, "methods lists 2, but there are 3 groups"),
        ({"methods": ["rum"]}, "method 'rum' would split its groups again: take another one, or set groups higher"),
        ({"methods": ["rmu"]}, "method 'rmu' works on language models alone, whose layers it changes: take another one"),
        ({"methods": ["drop_seed"]}, "method 'drop_seed' needs a federation"),
        ({"methods": []}, "at least 1 item"),
        ({"groups": 0}, "greater than or equal to 1"),
    ],
)
def test_bad_settings_are_refused(settings: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        METHODS.load("rum").model_validate({"kind": "rum", **settings})


def test_fewer_rows_than_groups_are_refused() -> None:
    """Else the first groups alone would exist, and by default their method does nothing."""
    weights, learning = trained()
    with pytest.raises(UnlearningError, match="rum: 2 rows make no 3 groups: lower groups, or take one method"):
        METHODS.load("rum")().apply(weights, learning, rows().keep(np.arange(90) < 2), rows().keep(np.arange(90) >= 2), ("k",))


@pytest.mark.parametrize(
    ("order", "forget", "line"),
    [
        ("ascending", 11, "group 1, 'ntk': 4 rows to forget and as many retained exceed rows = 7: set rows higher"),
        ("descending", 11, "group 2, 'ntk': 4 rows to forget and as many retained exceed rows = 7: set rows higher"),
        ("ascending", 9, None),
    ],
)
def test_limits_of_groups_methods_hold_for_each_group(order: str, forget: int, line: str | None) -> None:
    """Eleven rows are groups of four, four and three."""
    small = METHODS.load("rum").model_validate({"kind": "rum", "methods": [{"kind": "ntk", "rows": 7}], "order": order})
    assert small.unable(forget, 79) == line
