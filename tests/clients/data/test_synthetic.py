"""Synthetic reference rows: a function of the seed and of public facts, in the range of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clients.data.rows import Column
from clients.data.synthetic import SyntheticReference

KINDS = ("generated", "noise")
TABLE = (Column("age", 17.0, 90.0), Column("colour", 0.0, 2.0, 3), Column("still", 5.0, 5.0))


def drawn(kind: Any, shape: tuple[int, ...], columns: tuple[Column, ...] = (), seed: int = 7, rows: int = 50) -> np.ndarray:
    return SyntheticReference(kind=kind, rows=rows).inputs(shape, columns, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 10)])
def test_images_are_float32_between_0_and_1_and_keyed_by_the_seed(kind: str, shape: tuple[int, ...]) -> None:
    x = drawn(kind, shape)
    assert (x.shape, x.dtype) == ((50, *shape), np.float32)
    assert 0 <= x.min() < x.max() <= 1
    assert len(np.unique(x.reshape(50, -1), axis=0)) == 50
    from clients.data import synthetic

    synthetic._drawn.cache_clear()
    assert np.array_equal(x, drawn(kind, shape))
    assert not np.array_equal(x, drawn(kind, shape, seed=8))


@pytest.mark.parametrize("kind", KINDS)
def test_tables_keep_to_bounds_and_categories(kind: str) -> None:
    x = drawn(kind, (3,), TABLE, rows=400)
    assert 17 <= x[:, 0].min() < 25
    assert 82 < x[:, 0].max() <= 90
    assert set(np.unique(x[:, 1])) == {0.0, 1.0, 2.0}
    assert set(x[:, 2]) == {5.0}


def test_generated_values_go_together_and_noise_does_not() -> None:
    near = [np.corrcoef(x[:, 0, 4, 4], x[:, 0, 4, 5])[0, 1] for x in (drawn(kind, (1, 8, 8), rows=400) for kind in KINDS)]
    assert near[0] > 0.5 > 0.2 > abs(near[1])
    table = [np.abs(np.corrcoef(drawn(kind, (6,), rows=400).T) - np.eye(6)).max() for kind in KINDS]
    assert table[0] > 0.5 > 0.2 > table[1]
