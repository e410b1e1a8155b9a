"""The hash over rows: the same whichever way rows have left, and another for any other rows."""

from __future__ import annotations

import numpy as np

from clients.data.rows import Rows
from clients.unlearning.approximate.certified.commitment import Commitment
from clients.unlearning.approximate.certified.correcting import Correcting
from clients.unlearning.approximate.certified.features_labels import FeaturesLabels
from clients.unlearning.contract import Problem


def rows() -> Rows:
    draw = np.random.default_rng(0)
    return Rows(np.arange(10, 18), draw.random((8, 3), dtype=np.float32), draw.integers(0, 2, 8))


def test_rows_that_left_one_by_one_leave_the_hash_of_those_that_never_came() -> None:
    data = rows()
    left = Commitment.of(data).without(np.array([12])).without(np.array([10, 17]))
    assert left.told() == Commitment.of(data.without([10, 12, 17])).told()


def test_another_value_label_id_or_order_of_values_gives_another_hash() -> None:
    data = rows()
    x, y, ids = data.x.copy(), data.y.copy(), data.ids.copy()
    x[3, 1] += 1e-6
    y[2] = 1 - y[2]
    ids[-1] += 1
    others = (Rows(data.ids, x, data.y), Rows(data.ids, data.x, y), Rows(ids, data.x, data.y), Rows(data.ids, data.x[:, ::-1], data.y))
    assert len({Commitment.of(one).told() for one in (data, *others)}) == 5


def test_a_learner_commits_to_the_rows_that_it_has_after_deletions_and_corrections() -> None:
    model = Correcting(FeaturesLabels(sigma=1.0), Problem((3,), 2), ("test",))
    model.fit(rows())
    told = [model.forget(np.array([12])), model.forget(np.array([10]))]
    turned = model.rows.only([14])
    told.append(model.correct(Rows(turned.ids, 1 - turned.x, turned.y)))
    told.append(model.forget(np.array([14])))
    commitments = [outcome.certificate["commitment"] for outcome in told if outcome.certificate is not None]
    assert len(set(commitments)) == 4
    assert commitments[-1] == Commitment.of(rows().without([10, 12, 14])).told()
