"""One cell of a table: its column's position, and its value as inputs hold it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clients.data import Dataset
from clients.data.bundled import Digits, Wine
from clients.data.cells import coded
from clients.data.csv import Csv
from clients.data.errors import DataError
from clients.data.facts import ColumnFacts, PublicRows
from clients.data.npz import Npz

FACTS = (ColumnFacts(name="age", low=20, high=60), ColumnFacts(name="city", categories=("Bonn", "Cork", "other")))
TABLE = Csv(path="people.csv", label="income", columns=FACTS)
COLUMNS, NAMES = tuple(one.column for one in FACTS), ((), ("Bonn", "Cork", "other"))
DATA = Dataset(np.array([[0.5, 1.0]], np.float32), np.array([0]), ("low",), COLUMNS, categories=NAMES)


def test_numbers_are_scaled_by_the_declared_bounds_and_categories_become_codes() -> None:
    assert coded(TABLE, DATA, "age", 30) == (0, 0.25)
    assert coded(TABLE, DATA, "age", 60) == (0, 1.0)
    assert coded(TABLE, DATA, "city", "Cork") == (1, 1.0)


def test_values_of_a_bundled_table_are_those_of_its_inputs() -> None:
    place, value = coded(Wine(), Wine().load(), "ash", 0.1)
    assert (place, value) == (2, float(np.float32(0.1)))


def test_values_of_an_npz_table_are_not_scaled_as_its_inputs_are_not(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.linspace(0, 10, 22).reshape(11, 2), y=np.arange(11) % 2)
    spec, rows = Npz(path=str(tmp_path / "t.npz")), np.arange(11)
    known = spec.known(spec.load(), PublicRows(rows, rows))
    assert coded(known, known.load(), "x0", 5) == (0, 5.0)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("size", 1, "there is no column 'size': the columns are age, city"),
        ("age", 61, "column age: 61 lies outside its public range [20, 60]: give a value within"),
        ("age", "old", "column age holds numbers, 'old' is none: give a number"),
        ("city", "Rome", "column city has no category 'Rome': its categories are Bonn, Cork, other"),
        ("city", 2, "column city has no category '2'"),
    ],
)
def test_what_cannot_stand_in_a_column_is_refused(column: str, value: float | str, words: str) -> None:
    with pytest.raises(DataError, match=words.replace("[", r"\[").replace("]", r"\]")):
        coded(TABLE, DATA, column, value)


def test_images_have_no_columns() -> None:
    with pytest.raises(DataError, match="inputs of this data set have no named columns, only tables have"):
        coded(Digits(), Digits().load(), "x0", 0.5)


def test_a_name_that_two_columns_have_says_of_neither_which_is_meant() -> None:
    facts = TABLE.model_copy(update={"columns": (FACTS[0], FACTS[0], FACTS[1])})
    data = replace(DATA, columns=(COLUMNS[0], *COLUMNS), categories=((), *NAMES))
    with pytest.raises(DataError, match="2 columns are called 'age': give each a name of its own"):
        coded(facts, data, "age", 30)
    assert coded(facts, data, "city", "Cork") == (2, 1.0)


def test_a_column_of_numbers_that_are_categories_takes_a_number() -> None:
    data = replace(DATA, columns=(DATA.columns[0], ColumnFacts(name="city", categories=("1", "2")).column), categories=((), ("1", "2")))
    assert coded(TABLE, data, "city", 2) == (1, 1.0)
