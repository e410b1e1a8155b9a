"""Networks trained as one equal networks trained one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from clients import data
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models import ModelSpec
from clients.models.cnn import Cnn
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.models.shadows import halves, shadows
from clients.models.stacked import Stack, StackError
from clients.streams import Field
from clients.training import Adam, Sgd, Training

SIZES = (5, 0, 23, 16, 23)
KEYS = [("stacked", k) for k in range(len(SIZES))]


@pytest.fixture
def rows() -> Rows:
    return data.load(Digits()).rows(np.arange(100, 140))


def network(spec: ModelSpec) -> Network:
    source = data.load(Digits())
    return Network(spec, source.shape, source.classes)


def members(rows: Rows) -> Any:
    """Return subsets of different sizes, so that networks take different numbers of steps."""
    chosen = np.zeros((len(SIZES), len(rows)), bool)
    for k, size in enumerate(SIZES):
        chosen[k, np.random.default_rng(k).permutation(len(rows))[:size]] = True
    return chosen


@pytest.mark.parametrize("spec", [Mlp(hidden=(6,)), Cnn(channels=(2,))])
@pytest.mark.parametrize("optimizer", [Adam(weight_decay=0.1), Sgd(momentum=0.5, weight_decay=0.1), Sgd()], ids=["adam", "momentum", "sgd"])
def test_each_network_of_a_stack_is_the_one_trained_alone(rows: Rows, spec: ModelSpec, optimizer: Adam | Sgd) -> None:
    alone, settings, chosen = network(spec), Training(batch_size=8, optimizer=optimizer), members(rows)
    stack = Stack(alone)
    initial = stack.initial(KEYS)
    trained = stack.train(initial, rows.x, rows.y, members=chosen, epochs=range(3, 6), ids=rows.ids, keys=KEYS, settings=settings)
    answers = stack.logits(trained, rows.x)
    for k, key in enumerate(KEYS):
        own = rows.only(rows.ids[chosen[k]])
        weights, _ = alone.train(alone.initial(key), own.x, own.y, epochs=range(3, 6), ids=own.ids, key=key, settings=settings)
        assert trained.keys() == weights.keys()
        assert max(np.abs(trained[name][k] - weights[name]).max() for name in weights) < 1e-5
        exponentials = np.exp(answers[k] - answers[k].max(axis=1, keepdims=True))
        share = exponentials / exponentials.sum(axis=1, keepdims=True)
        assert np.allclose(share, alone.probabilities(weights, rows.x), atol=1e-5)
    assert all(np.array_equal(trained[name][1], initial[name][1]) for name in trained)  # the network without rows
    assert max(np.abs(trained[name][2] - initial[name][2]).max() for name in trained) > 1e-3


def test_rows_of_others_have_no_influence(rows: Rows) -> None:
    stack, chosen = Stack(network(Mlp(hidden=(6,)))), members(rows)
    settings: dict[str, Any] = {"epochs": range(2), "ids": rows.ids, "keys": KEYS, "settings": Training(batch_size=8)}
    x, masked = rows.x.copy(), ~chosen[2]
    x[masked] = 7.0
    one, other = (stack.train(stack.initial(KEYS), inputs, rows.y, members=chosen, **settings) for inputs in (rows.x, x))
    assert all(np.array_equal(one[name][2], other[name][2]) for name in one)
    assert not np.array_equal(one["1.weight"][4], other["1.weight"][4])


class Buffered(ModelSpec):
    """A network with batch normalisation."""

    kind: Literal["buffered"] = "buffered"

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> Any:
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes), nn.BatchNorm1d(classes))


class Forgetful(ModelSpec):
    """A network that draws random numbers while it trains."""

    kind: Literal["forgetful"] = "forgetful"

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> Any:
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, classes))


class Frozen(Mlp):
    """A network of which nothing is trained."""

    kind: Literal["frozen"] = "frozen"  # type: ignore[assignment]
    summary: ClassVar[str] = ""

    def build(self, shape: tuple[int, ...], classes: int, key: tuple[Field, ...]) -> Any:
        return super().build(shape, classes, key).requires_grad_(False)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (Buffered(), "'buffered' keeps buffers"),
        (Forgetful(), "cannot batch a network of kind 'forgetful'"),
        (Frozen(), "frozen parameters"),
    ],
)
def test_what_cannot_be_stacked_is_refused_in_a_line(spec: ModelSpec, reason: str) -> None:
    with pytest.raises(StackError, match=reason) as error:
        Stack(network(spec))
    assert "\n" not in str(error.value)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[list[int]]:
    """Count the networks that are trained, with stacks of two, and a cache of its own."""
    trained: list[int] = []
    train = Stack.train

    def counting(self: Stack, *given: Any, **rest: Any) -> Any:
        trained.append(len(rest["keys"]))
        return train(self, *given, **rest)

    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    monkeypatch.setattr(Stack, "train", counting)
    monkeypatch.setattr("clients.models.shadows.AT_ONCE", 2)
    return trained


def test_shadow_models_go_on_after_the_last_complete_stack(rows: Rows, counted: list[int], tmp_path: Any) -> None:
    stack, chosen = Stack(network(Mlp(hidden=(6,)))), halves(rows.ids, 5, ("test",))
    settings: dict[str, Any] = {"rounds": [range(2)], "key": ("test",), "settings": Training(batch_size=8)}
    first = shadows(stack, rows, chosen, **settings)
    assert counted == [2, 2, 1]
    assert len(list(tmp_path.iterdir())) == 3
    again = shadows(stack, rows, chosen, **settings)
    assert counted == [2, 2, 1]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    sorted(tmp_path.iterdir())[0].unlink()  # as if the process had been killed before this one was complete
    again = shadows(stack, rows, chosen, **settings)
    assert len(counted) == 4
    assert all(np.array_equal(first[name], again[name]) for name in first)
    fewer = shadows(stack, rows, chosen[:3], **settings)
    assert all(np.allclose(first[name][:3], fewer[name], atol=1e-6) for name in first)


def test_whatever_changes_a_shadow_model_is_no_cached_one(rows: Rows, counted: list[int]) -> None:
    stack, chosen = Stack(network(Mlp(hidden=(6,)))), halves(rows.ids, 2, ("test",))
    usual: dict[str, Any] = {"rounds": [range(2)], "key": ("test",), "settings": Training(batch_size=8)}
    first = shadows(stack, rows, chosen, **usual)
    others = [
        shadows(stack, rows, chosen, **usual | {"rounds": [range(1), range(1, 2)]}),
        shadows(stack, rows, chosen, **usual | {"key": ("other",)}),
        shadows(stack, rows, chosen, **usual | {"settings": Training(batch_size=8, optimizer=Adam(lr=0.01))}),
        shadows(stack, rows, ~chosen, **usual),
        shadows(stack, Rows(rows.ids, rows.x + 1, rows.y), chosen, **usual),
        shadows(stack, rows, chosen, **usual, start=first),
    ]
    assert counted == [2] * 8
    assert all(not np.array_equal(first["1.weight"], other["1.weight"]) for other in others)


def test_halves_are_halves_of_their_own() -> None:
    ids = np.arange(1000, 1041)
    chosen = halves(ids, 40, ("test",))
    assert (chosen.sum(axis=1) == 20).all()
    assert len({half.tobytes() for half in chosen}) == 40
    assert np.array_equal(halves(ids, 3, ("test",)), chosen[:3])
    assert not np.array_equal(halves(ids, 3, ("other",)), chosen[:3])
    assert chosen.sum(axis=0).min() >= 8
    assert chosen.sum(axis=0).max() <= 32
