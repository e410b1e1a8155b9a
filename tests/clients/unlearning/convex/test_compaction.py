"""Rows that leave a learner leave nothing of themselves in its arrays, whose memory stays the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.data.rows import Rows
from clients.unlearning.contract import Problem
from clients.unlearning.convex import compaction
from clients.unlearning.convex.solved import Solved
from clients.unlearning.convex.spec import Convex


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_rows_that_stay_are_those_of_the_mask_and_nothing_lies_behind_them(stays: list[bool], at_once: int) -> None:
    """However many rows move at once."""
    array = np.arange(1.0, 1 + 3 * len(stays)).reshape(-1, 3)
    mask, wanted = np.array(stays, dtype=bool), array[np.array(stays, dtype=bool)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "_BYTES", at_once * 24)
        found = compaction.compacted(array, mask)
    assert np.array_equal(found, wanted)
    assert not array[len(wanted) :].any()
    assert np.shares_memory(found, array) == bool(len(wanted))


def test_a_learner_keeps_its_memory_and_nothing_in_it_of_rows_that_left() -> None:
    """The rows given to it stay as they were, and the model is the one that its state and the retained rows restore."""
    draw = np.random.default_rng(0)
    rows = Rows(np.arange(20), draw.random((20, 3)).astype(np.float32), np.arange(20) % 2)
    model = Solved(Convex(), Problem((3,), 2), ("compaction",))
    given_rows = rows.x.copy()
    model.fit(rows)
    arrays = model.rows.x, model._x.numpy()
    model.forget(np.array([0, 7, 19]))
    kept = rows.without([0, 7, 19])
    assert np.array_equal(rows.x, given_rows)
    assert np.array_equal(model.rows.x, kept.x)
    for before, after in zip(arrays, (model.rows.x, model._x.numpy()), strict=True):
        assert np.shares_memory(before, after)
        assert not before[17:].any()
    other = Solved(Convex(), Problem((3,), 2), ("compaction",))
    other.restore(model.state(), kept)
    assert np.array_equal(other._x.numpy(), model._x.numpy())
    assert np.array_equal(other._targets.numpy(), model._targets.numpy())
