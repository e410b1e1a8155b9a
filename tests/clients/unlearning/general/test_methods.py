"""Every method that works on one network, held to what it promises, and as a main model."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clients import wire
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models import ModelSpec
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.models.spiking import Spiking
from clients.training import Arrays, Training
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import Outcome, Problem, Unlearner
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import Learning, MethodSpec
from clients.unlearning.general.finetune import Finetune
from clients.unlearning.general.retrain import Retrain

BASE, TRAINING, ROUNDS, KEY = Mlp(hidden=(8,)), Training(epochs=2, batch_size=16), 2, ("method", 3)
OF_ITS_OWN: dict[str, ModelSpec] = {"spiking": Spiking(hidden=(8,), steps=3)}
"""Networks of methods that work on no other."""
LOCAL = [kind for kind in METHODS.targets() if METHODS.load(kind).applies()]


@cache
def rows() -> Rows:
    data = Digits().load()
    return Rows(1000 + np.arange(80), data.x[:80], data.y[:80])


@cache
def validation() -> Rows:
    data = Digits().load()
    return Rows(2000 + np.arange(40), data.x[80:120], data.y[80:120])


def trained(data: Rows, base: ModelSpec = BASE) -> tuple[Arrays, Learning]:
    learning = Learning(Network(base, (8, 8), 10), TRAINING, ROUNDS, KEY, validation())
    weights = learning.initial()
    for number in range(ROUNDS):
        weights, _ = learning.train(weights, data, range(number, number + 1))
    return weights, learning


def carried_out(method: MethodSpec, gone: Any) -> tuple[Arrays, Outcome]:
    weights, learning = trained(rows())
    return method.apply(weights, learning, rows().only(gone), rows().without(gone), ("request", 1))


def settings(kind: str) -> MethodSpec:
    return METHODS.load(kind).model_validate({"kind": kind})


@pytest.mark.parametrize("kind", list(METHODS.targets()))
def test_a_method_says_what_it_is(kind: str) -> None:
    spec = METHODS.load(kind)
    assert spec.guarantee in ("exact", "certified", "approximate", "behavioural")
    assert spec.summary
    assert "\n" not in spec.summary
    assert spec.source
    assert spec.model_validate_json(settings(kind).model_dump_json()) == settings(kind)


@pytest.mark.parametrize("kind", LOCAL)
def test_a_method_returns_weights_of_the_same_shape_and_leaves_its_arguments(kind: str) -> None:
    weights, learning = trained(rows(), OF_ITS_OWN.get(kind, BASE))
    before, gone = wire.to_bytes(weights), rows().ids[:5]
    forget, retain = rows().only(gone), rows().without(gone)
    kept = forget.x.tobytes(), retain.x.tobytes(), retain.ids.tobytes()
    first, outcome = settings(kind).apply(weights, learning, forget, retain, ("request", 1))
    assert {name: array.shape for name, array in first.items()} == {name: array.shape for name, array in weights.items()}
    assert wire.to_bytes(weights) == before
    assert (forget.x.tobytes(), retain.x.tobytes(), retain.ids.tobytes()) == kept
    again, told = settings(kind).apply(weights, learning, forget, retain, ("request", 1))
    assert wire.to_bytes(first) == wire.to_bytes(again)
    assert outcome == told


@pytest.mark.parametrize("kind", [kind for kind in LOCAL if METHODS.load(kind).guarantee == "exact"])
@pytest.mark.parametrize("gone", [slice(3, 4), slice(0, 40), slice(0, 80)])
def test_an_exact_method_equals_never_having_had_the_rows(kind: str, gone: slice) -> None:
    found, outcome = carried_out(settings(kind), rows().ids[gone])
    assert wire.to_bytes(found) == wire.to_bytes(trained(rows().without(rows().ids[gone]))[0])
    assert outcome.guarantee == "exact"


def test_finetuning_keeps_the_trace_and_says_so() -> None:
    gone = rows().ids[:5]
    found, outcome = carried_out(Finetune(rounds=2), gone)
    never = trained(rows().without(gone))[0]
    assert max(np.abs(found[name] - never[name]).max() for name in found) > 1e-3
    assert outcome.guarantee == "approximate"
    assert outcome.cost.gradient_steps == 2 * TRAINING.steps(75)
    assert wire.to_bytes(found) != wire.to_bytes(carried_out(Finetune(), gone)[0]), "its setting does something"


def test_retraining_costs_what_training_cost() -> None:
    assert carried_out(Retrain(), rows().ids[:5])[1].cost.gradient_steps == ROUNDS * TRAINING.steps(75)


def main_model(method: Any, data: Rows, done: int = ROUNDS, base: ModelSpec = BASE) -> Unlearner[Any, Any]:
    spec = Approximate.model_validate({"base": base, "method": method})
    model = spec.build(Problem((8, 8), 10, ROUNDS, training=TRAINING, validation=validation()), KEY)
    model.begin(data)
    for _ in range(done):
        model.advance()
    return model


def test_any_method_is_a_main_model_and_its_text_stands_for_its_table() -> None:
    assert Approximate(base=BASE, method="finetune") == Approximate(base=BASE, method=Finetune())  # type: ignore[arg-type]
    gone = rows().ids[:5]
    for kind in LOCAL:
        base = OF_ITS_OWN.get(kind, BASE)
        model = main_model(kind, rows(), base=base)
        model.forget(gone)
        weights = {name.removeprefix("model/"): array for name, array in model.state().items() if name.startswith("model/")}
        assert weights.keys() == trained(rows(), base)[0].keys()
        assert Approximate(base=base, method=kind).guarantee == METHODS.load(kind).guarantee  # type: ignore[arg-type]


@pytest.mark.parametrize("done", [0, 1, 2])
def test_retraining_as_a_main_model_is_exact(done: int) -> None:
    gone, model = rows().ids[:5], main_model("retrain", rows(), done)
    model.forget(gone)
    assert wire.to_bytes(model.state()) == wire.to_bytes(main_model("retrain", rows().without(gone), done).state())
    assert not np.isin(gone, model.stored()[0].ids).any()


def test_two_requests_use_different_keys() -> None:
    seen: list[Any] = []

    class Spy(Finetune):
        def apply(self, weights: Any, learning: Any, forget: Any, retain: Any, key: Any) -> Any:
            seen.append(key)
            return super().apply(weights, learning, forget, retain, key)

    model = main_model(Finetune(), rows())
    model.method = Spy()  # type: ignore[attr-defined]
    for gone in (rows().ids[:2], rows().ids[4:6]):
        model.forget(gone)
    assert len(set(seen)) == 2


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("drop_seed", "needs a federation, it works on no model of one peer: take one of " + ", ".join(LOCAL)),
        ("rmu", "method 'rmu' works on language models alone, whose layers it changes: take one of " + ", ".join(LOCAL)),
        ("in_context", "method 'in_context' works on language models alone, for which it writes prompts: take one of "),
        ("nonsense", "nonsense"),
        ({"kind": "finetune", "rounds": 0}, "greater than 0"),
        (7, "method"),
    ],
)
def test_a_method_that_cannot_be_is_refused(method: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Approximate.model_validate({"base": BASE, "method": method})
