"""The training loop: keyed, resumable at any epoch, and right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from clients import streams
from clients.models.building import keyed
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Adam, Arrays, Sgd, Training, to_arrays, train

X = np.random.default_rng(1).normal(size=(37, 6)).astype(np.float32)
Y = np.arange(37) % 3
IDS = 100 + 3 * np.arange(37)
NETWORK = Network(Mlp(hidden=(5,)), (6,), 3)


def learn(
    epochs: range, begin: Arrays | None = None, key: tuple[Any, ...] = ("k",), keep: slice = slice(None), **settings: Any
) -> tuple[Arrays, int]:
    begin = begin or NETWORK.initial(("k", "init"))
    return NETWORK.train(
        begin, X[keep], Y[keep], epochs=epochs, ids=IDS[keep], key=key, settings=Training(**({"batch_size": 8} | settings))
    )


def raw(arrays: Arrays) -> bytes:
    return b"".join(arrays[name].tobytes() for name in sorted(arrays))


def test_steps_count_short_batches() -> None:
    assert learn(range(3))[1] == 3 * 5
    assert learn(range(2), keep=slice(0, 8))[1] == 2


def test_nothing_to_learn_changes_nothing() -> None:
    begin = NETWORK.initial(("k", "init"))
    assert learn(range(0))[1] == 0
    arrays, steps = learn(range(3), keep=slice(0, 0))
    assert steps == 0
    assert raw(arrays) == raw(begin)


def test_same_key_same_bytes_other_key_other_bytes() -> None:
    assert raw(learn(range(2))[0]) == raw(learn(range(2))[0])
    assert raw(learn(range(2))[0]) != raw(learn(range(2), key=("other",))[0])


def test_rows_given_in_another_order_give_the_same_bytes() -> None:
    assert raw(learn(range(2))[0]) == raw(learn(range(2), keep=slice(None, None, -1))[0])


def test_epoch_index_keys_the_order() -> None:
    assert raw(learn(range(1))[0]) != raw(learn(range(1, 2))[0])


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        (Sgd(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (Sgd(lr=0.1, momentum=0.9, weight_decay=0.01), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
        (Adam(lr=0.01), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.0)),
        (Adam(lr=0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
    ],
)
def test_loop_agrees_with_the_library_optimisers(settings: Adam | Sgd, reference: Any) -> None:
    module = Mlp(hidden=(5,)).build((6,), 3, ("k", "init"))
    optimizer = reference(module.parameters())
    for epoch in range(3):
        order = streams.order(IDS, "k", "order", epoch)
        for begin in range(0, 37, 8):
            batch = order[begin : begin + 8]
            optimizer.zero_grad()
            cross_entropy(module(torch.from_numpy(X[batch])), torch.from_numpy(Y[batch])).backward()
            optimizer.step()
    mine, _ = learn(range(3), optimizer=settings)
    for name, array in to_arrays(module).items():
        np.testing.assert_allclose(mine[name], array, rtol=1e-4, atol=1e-6)


def test_dropout_is_keyed() -> None:
    def run(key: tuple[Any, ...], disturb: int) -> bytes:
        module = keyed(lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)), ("init",))
        torch.manual_seed(disturb)
        train(
            module,
            torch.tensor(X),
            torch.tensor(Y),
            cross_entropy,
            epochs=range(2),
            ids=np.zeros(37, np.int64),
            key=key,
            settings=Training(),
        )
        assert not module.training
        return raw(to_arrays(module))

    assert run(("k",), 0) == run(("k",), 1)
    assert run(("k",), 0) != run(("l",), 0)


def test_global_generator_survives_a_failing_loss() -> None:
    module = nn.Linear(6, 3)
    before = torch.get_rng_state()

    def fail(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no loss")

    with pytest.raises(RuntimeError, match="no loss"):
        train(module, torch.tensor(X), torch.tensor(Y), fail, epochs=range(1), ids=IDS, key=("k",), settings=Training())
    assert torch.equal(torch.get_rng_state(), before)
