"""The model zoo: shapes, sizes, and weights that come from the key alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from clients.data.columns import expand, expanded_shape
from clients.data.rows import Column
from clients.models import MODELS, ModelSpec
from clients.models.cnn import Cnn
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Adam, Training, from_arrays, to_arrays
from clients.unlearning.layers import layers

IMAGES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
SPECS = [Mlp(), Mlp(hidden=()), Mlp(hidden=(16, 8)), Linear(), Cnn(), Cnn(channels=(4,))]


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_logits_for_every_image_shape(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    module = spec.build(shape, 7, ("k",))
    assert module(torch.zeros(5, *shape)).shape == (5, 7)
    assert spec.parameters(shape, 7) == sum(parameter.numel() for parameter in module.parameters())
    assert spec.learned_layers == len(layers(module))


@pytest.mark.parametrize("spec", [Mlp(), Linear()], ids=repr)
def test_features_need_no_image(spec: ModelSpec) -> None:
    assert spec.build((13,), 3, ("k",))(torch.zeros(5, 13)).shape == (5, 3)
    assert spec.parameters((13,), 3) == sum(parameter.numel() for parameter in spec.build((13,), 3, ("k",)).parameters())


@pytest.mark.parametrize(("shape", "cure"), [((30,), "mlp"), ((8, 8), "mlp"), ((1, 3, 8), "fewer channels")])
def test_cnn_refuses_what_is_no_image(shape: tuple[int, ...], cure: str) -> None:
    for ask in (lambda: Cnn().build(shape, 2, ("k",)), lambda: Cnn().parameters(shape, 2)):
        with pytest.raises(ValueError, match=cure) as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_weights_are_a_function_of_the_key(spec: ModelSpec) -> None:
    first, again, other = (to_arrays(spec.build((1, 8, 8), 10, key)) for key in (("k", 1), ("k", 1), ("k", 2)))
    assert {name: array.tobytes() for name, array in first.items()} == {name: array.tobytes() for name, array in again.items()}
    assert all(first[name].tobytes() != other[name].tobytes() for name in first)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_weights_follow_the_default_law(spec: ModelSpec) -> None:
    for layer in spec.build((1, 28, 28), 10, ("k",)).modules():
        weight = getattr(layer, "weight", None)
        if weight is not None:
            bound = weight[0].numel() ** -0.5
            assert weight.abs().max() <= bound
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.2)


def test_building_and_training_leave_the_global_generators_alone() -> None:
    torch.manual_seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    network = Network(Cnn(), (1, 8, 8), 3)
    network.train(
        network.initial(("k",)),
        np.ones((4, 1, 8, 8), np.float32),
        np.arange(4) % 3,
        epochs=range(2),
        ids=np.arange(4),
        key=("k",),
        settings=Training(),
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tobytes() == numpy_before  # noqa: NPY002


def test_arrays_survive_the_way_through_a_module() -> None:
    spec = Mlp(hidden=(8,))
    arrays = to_arrays(spec.build((6,), 3, ("a",)))
    for array in arrays.values():
        array.flags.writeable = False
    module = spec.build((6,), 3, ("b",))
    from_arrays(module, arrays)
    assert all(np.array_equal(array, arrays[name]) for name, array in to_arrays(module).items())


def test_networks_of_one_architecture_share_nothing() -> None:
    network = Network(Mlp(hidden=(8,)), (6,), 3)
    first, second = network.initial(("a",)), network.initial(("b",))
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    alone = network.probabilities(first, x)
    trained, _ = network.train(second, x, np.array([0, 1, 2, 0]), epochs=range(3), ids=np.arange(4), key=("k",), settings=Training())
    assert network.probabilities(first, x).tobytes() == alone.tobytes()
    assert all(second[name].tobytes() == array.tobytes() for name, array in network.initial(("b",)).items())
    assert any(trained[name].tobytes() != second[name].tobytes() for name in second)


def test_specs_load_without_torch() -> None:
    code = (
        "import sys; from clients.models import MODELS; from clients.unlearning import UNLEARNERS; "
        "MODELS.union(); UNLEARNERS.specs(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_registry_holds_the_zoo() -> None:
    assert {"cnn", "linear", "mlp"} <= set(MODELS.targets())


def test_a_category_is_an_input_of_its_own() -> None:
    columns = (Column("size", 0, 1), Column("colour", 0, 3, 4))
    draw = np.random.default_rng(0)
    x = np.stack([draw.random(200), draw.integers(0, 4, 200)], axis=1).astype(np.float32)
    y = (x[:, 1] == 1).astype(np.int64)  # in the middle of the codes: no straight line finds it

    def right(columns: tuple[Column, ...]) -> float:
        network = Network(Linear(), (2,), 2, columns)
        settings = Training(optimizer=Adam(lr=0.1))
        arrays, _ = network.train(network.initial(("k",)), x, y, epochs=range(20), ids=np.arange(200), key=("k",), settings=settings)
        return float((network.probabilities(arrays, x).argmax(axis=1) == y).mean())

    assert right(columns) == 1.0
    assert right(()) < 0.9, "the control: as a number, a code cannot say it"


def test_inputs_follow_the_declared_categories_not_those_at_hand() -> None:
    columns = (Column("colour", 0, 2, 3), Column("size", 0, 1), Column("shape", 0, 1, 2))
    assert expanded_shape((3,), columns) == (6,)
    found = expand(np.array([[2, 0.5, 1], [0, 0.25, 7]], np.float32), columns)
    assert found.tolist() == [[0, 0, 1, 0.5, 0, 1], [1, 0, 0, 0.25, 0, 0]]
    plain = np.ones((2, 1, 4, 4), np.float32)
    assert expand(plain, ()) is plain
    assert expanded_shape((1, 4, 4), ()) == (1, 4, 4)
