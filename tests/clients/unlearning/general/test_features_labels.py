"""Corrections of features and labels on networks: what theory says where it holds, and what is moved elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.training import Arrays, Sgd, Training
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
    second, nothing, _ = left(what, FeaturesLabels(damping=0.0))
    first, _, notes = left(what, FeaturesLabels(order="first"))
    assert second < first < nothing
    assert second < 0.1 * nothing
    assert notes[0].startswith("a step of length ")
    assert left(what, FeaturesLabels(order="first", tau=1e-3))[0] < nothing


def test_a_step_in_the_wrong_direction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Curvature.gradient
    monkeypatch.setattr(Curvature, "gradient", lambda self, data: -honest(self, data))
    left_over, nothing, _ = left("label", FeaturesLabels(damping=0.0))
    assert left_over > 1.5 * nothing
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
    for layers in (1, 2, 9, None):
        found, _ = FeaturesLabels(layers=layers).apply(weights, learning, forget, rows(N), ())
        moved[layers] = [name for name in weights if found[name].tobytes() != weights[name].tobytes()]
    assert moved == {1: list(weights)[4:], 2: list(weights)[2:], 9: list(weights), None: list(weights)}


@pytest.mark.parametrize("settings", [{"order": "third"}, {"layers": 0}, {"tau": 0.0}, {"damping": -1.0}, {"tolerance": 1.0}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        FeaturesLabels(**settings)
