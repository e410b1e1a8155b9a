"""Corrections of features and labels on networks: what theory says where it holds, and what is moved elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clients import wire
from clients.data.rows import Column, Rows
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays, Sgd, Training
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import UnlearningError
from clients.unlearning.general import constant_columns
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.general.features_labels import FeaturesLabels
from clients.unlearning.general.influence import Influence
from tests.clients.unlearning.general.test_influence import distance, optimum, rows, trained

N, COUNT = 200, 2


def wrong(what: str) -> Rows:
    """Return rows of which the first have a wrong label, or a wrong cell."""
    right, first = rows(N), np.arange(N) < COUNT
    x, y = right.x.copy(), np.where(first, (right.y + 1) % 3, right.y)
    x[first, 1] = 1.5
    return Rows(right.ids, right.x, y) if what == "label" else Rows(right.ids, x, right.y)


@cache
def learned(what: str) -> tuple[Arrays, Learning]:
    return trained(wrong(what))


def left(what: str, method: FeaturesLabels) -> tuple[float, float, tuple[str, ...]]:
    """Return the distances to the optimum on right rows after the method and after doing nothing, and what it notes."""
    weights, learning = learned(what)
    forget = wrong(what).only(rows(N).ids[:COUNT])
    found, outcome = method.apply(weights, learning, forget, rows(N), ())
    assert outcome.guarantee == "approximate"
    never = optimum(N)[0]
    return distance(found, never), distance(weights, never), outcome.notes


@pytest.mark.parametrize("what", ["label", "feature"])
def test_the_second_order_comes_nearer_than_the_first_and_the_first_than_nothing(what: str) -> None:
    second, nothing, notes = left(what, FeaturesLabels(damping=0.0))
    assert "away" not in " ".join(notes)
    first, _, notes = left(what, FeaturesLabels(order="first"))
    assert second < first < nothing
    assert second < 0.1 * nothing
    assert notes[0].startswith("a step of length ")
    assert left(what, FeaturesLabels(order="first", tau=1e-3))[0] < nothing


def test_a_step_in_the_wrong_direction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Curvature.gradient
    monkeypatch.setattr(Curvature, "gradient", lambda self, data: -honest(self, data))
    left_over, nothing, notes = left("label", FeaturesLabels(damping=0.0))
    assert left_over > 1.5 * nothing
    assert "the step leads away from their optimum" in notes[0]
    found, nothing, notes = left("label", FeaturesLabels(order="first"))
    assert found == nothing
    assert notes[0] == "no step along the change makes the gradient smaller: nothing was moved"


def test_rows_that_nothing_replaces_are_a_deletion() -> None:
    weights, learning = learned("label")
    gone, kept = rows(N).only(rows(N).ids[:COUNT]), rows(N).without(rows(N).ids[:COUNT])
    found, _ = FeaturesLabels().apply(weights, learning, gone, kept, ())
    assert distance(found, Influence().apply(weights, learning, gone, kept, ())[0]) == 0


def test_all_but_the_last_layers_keep_every_bit() -> None:
    weights, learning = trained(wrong("label"), Mlp(hidden=(5, 4)), Training(epochs=3, optimizer=Sgd()))
    forget = wrong("label").only(rows(N).ids[:COUNT])
    moved = {}
    for layers in (1, 2, 3, None):
        found, _ = FeaturesLabels(layers=layers).apply(weights, learning, forget, rows(N), ())
        moved[layers] = [name for name in weights if found[name].tobytes() != weights[name].tobytes()]
    with pytest.raises(UnlearningError, match=r"^layers = 9, but the network has 3: lower it$"):
        FeaturesLabels(layers=9).apply(weights, learning, forget, rows(N), ())
    assert moved == {1: list(weights)[4:], 2: list(weights)[2:], 3: list(weights), None: list(weights)}


COLUMNS = (Column("age", 0.0, 1.0), Column("sex", 0.0, 2.0, 3), Column("hours", 0.0, 1.0))


def blinded(base: Any, share: float = 1.0, **settings: Any) -> tuple[Network, Arrays, Rows, tuple[str, ...]]:
    """Return what is left of a network when the category of all rows, or of a share, is made the same; the corrected rows; and notes."""
    chance = np.random.default_rng(1)
    x = np.column_stack([chance.random(90), chance.integers(0, 3, 90), chance.random(90)]).astype(np.float32)
    data = Rows(np.arange(90), x, (x[:, 0] + 0.3 * (x[:, 1] == 2) > 0.6).astype(np.int64))
    learning = Learning(Network(base, (3,), 2, COLUMNS), Training(epochs=40, optimizer=Sgd(lr=0.5, weight_decay=1e-3)), 1, ("blinded",))
    weights, _ = learning.train(learning.initial(), data, range(1))
    right = x.copy()
    right[: int(share * 90), 1] = 1.0
    after = Rows(data.ids, right, data.y)
    found, outcome = FeaturesLabels(**settings).apply(weights, learning, data.keep((x != right).any(axis=1)), after, ())
    return learning.network, found, after, outcome.notes


def answers(network: Network, weights: Arrays, rows: Rows, category: int) -> Any:
    """Return what a network answers if all rows have this category; 7 is one that nobody knows."""
    x = rows.x.copy()
    x[:, 1] = category
    return network.probabilities(weights, x)


@pytest.mark.parametrize("base", [Linear(), Mlp(hidden=(4,))], ids=["linear", "mlp"])
def test_a_column_that_is_the_same_in_all_rows_acts_on_no_question(base: Any) -> None:
    network, found, after, notes = blinded(base)
    assert notes[-2] == "columns that are the same in all rows now: 1, whose weights are 0 and act on no question"
    assert not found["1.weight"][:, 1:4].any()
    saved = wire.from_bytes(wire.to_bytes(found))
    for category in (0, 1, 2, 7):
        np.testing.assert_array_equal(answers(network, saved, after, category), network.probabilities(found, after.x))
    assert not blinded(base, order="first")[1]["1.weight"][:, 1:4].any()


def test_what_rows_with_the_value_are_answered_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    network, found, after, _ = blinded(Linear())
    monkeypatch.setattr(constant_columns, "fold", lambda *_: False)
    _, bare, _, notes = blinded(Linear())
    np.testing.assert_allclose(network.probabilities(found, after.x), network.probabilities(bare, after.x), atol=1e-6)
    assert np.abs(answers(network, bare, after, 2) - answers(network, bare, after, 1)).max() > 1e-3, "the control: its weights act"
    assert notes[-2].startswith("columns that are the same in all rows now: 1, whose weights stay, and act where a question has another")


def test_a_column_that_still_differs_or_whose_layer_stays_keeps_its_weights() -> None:
    for network, found, after, notes in (blinded(Linear(), share=0.5), blinded(Mlp(hidden=(4,)), layers=1)):
        assert np.abs(answers(network, found, after, 2) - answers(network, found, after, 1)).max() > 1e-3
        assert not any("act on no question" in one for one in notes)


IDLE: list[dict[str, Any]] = [{"tau": 1.0}, {"iterations": 5, "order": "first"}, {"damping": 0.1, "order": "first", "tau": 1.0}]
"""Settings of which the first acts on nothing."""


@pytest.mark.parametrize("settings", [{"order": "third"}, {"layers": 0}, {"tau": 0.0}, {"damping": -1.0}, {"tolerance": 1.0}, *IDLE])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        FeaturesLabels(**settings)


@pytest.mark.parametrize("method", ["cf_k", "eu_k", "features_labels"])
def test_more_layers_than_a_network_has_are_refused_before_anything_is_trained(method: str) -> None:
    taken = {"kind": "approximate", "base": {"kind": "mlp", "hidden": [8]}, "method": {"kind": method, "layers": 2}}
    Approximate.model_validate(taken)
    with pytest.raises(ValidationError, match=rf"method '{method}' has layers = 3, but mlp has 2: lower it"):
        Approximate.model_validate(taken | {"method": {"kind": method, "layers": 3}})


def test_settings_that_act_and_defaults_are_accepted_as_they_are_written() -> None:
    for one in (FeaturesLabels(iterations=5), FeaturesLabels(order="first", tau=1.0), FeaturesLabels(order="first", damping=0.1)):
        assert FeaturesLabels.model_validate_json(one.model_dump_json()) == one
