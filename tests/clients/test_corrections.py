"""What rows should have held: the last word on each class and cell, applied to copies, and kept in a main artefact."""

from __future__ import annotations

import numpy as np

from clients.corrections import Correction, Corrections
from clients.data.rows import Rows

ROWS = Rows(np.array([3, 5, 8]), np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 2]))


def test_the_last_correction_of_a_class_or_a_cell_counts() -> None:
    first, second = Correction(rows=(3, 5, 9), label=2), Correction(rows=(5,), label=0)
    cell, other = Correction(rows=(3, 8), column=1, value=0.5), Correction(rows=(8,), column=0, value=0.25)
    told = Corrections().joined([first, cell, second, other])
    found = told.applied(ROWS)
    assert found.y.tolist() == [2, 0, 2]
    assert found.x.tolist() == [[0.0, 0.5], [2.0, 3.0], [0.25, 0.5]]
    assert told == Corrections().joined([first, cell]).followed_by(Corrections().joined([second, other]))
    assert told != Corrections().joined([second, other]).followed_by(Corrections().joined([first, cell])), "the order counts"


def test_given_rows_are_not_changed_and_without_corrections_not_even_copied() -> None:
    before = ROWS.x.copy(), ROWS.y.copy()
    Corrections().joined([Correction(rows=(3,), label=1), Correction(rows=(3,), column=0, value=9.0)]).applied(ROWS)
    assert np.array_equal(ROWS.x, before[0])
    assert np.array_equal(ROWS.y, before[1])
    assert Corrections().applied(ROWS).x is ROWS.x


def test_they_survive_as_arrays() -> None:
    told = Corrections().joined([Correction(rows=(5, 8), label=1), Correction(rows=(3,), column=1, value=0.5)])
    assert Corrections.read(told.arrays()) == told
    assert Corrections().arrays() == {}
    assert not Corrections.read({})
    assert Corrections.read(told.of([8]).arrays()).applied(ROWS).y.tolist() == [0, 1, 1]


def test_what_is_left_otherwise_is_found() -> None:
    told, ids = Corrections().joined([Correction(rows=(3, 5), label=2), Correction(rows=(8,), column=0, value=0.5)]), ROWS.ids
    assert told.wrong(ids, told) == []
    assert told.wrong(ids, Corrections()) == [3, 5, 8]
    assert told.wrong(ids, told.joined([Correction(rows=(5,), label=0)])) == [5]
    assert told.wrong(np.array([8]), Corrections()) == [8]


def test_a_plan_without_corrections_is_written_as_before() -> None:
    assert Correction(rows=(1,), label=0).model_dump() == {"rows": (1,), "label": 0}
    assert Correction(rows=(1,), column=2).model_dump() == {"rows": (1,), "column": 2}
