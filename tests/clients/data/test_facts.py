"""Facts come from public rows: no private row decides a bound, a category, a class or a kind."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clients.data import DataError, load
from clients.data.csv import Csv
from clients.data.facts import ColumnFacts, PublicRows, codes
from clients.data.labels import codes_of, names_of
from clients.data.npz import Npz
from clients.data.tables import Table

PUBLIC = [["1", "0.5", "red", "no"], ["2", "1.5", "blue", "yes"], ["5", "1.0", "red", "no"], ["6", "0.75", "blue", "yes"]]
"""Rows of id, number, category and class; the first three are the reference set, the fourth is a test row."""

SHOWN = PublicRows(np.asarray([1, 2, 5]), np.asarray([1, 2, 5, 6]))


def table(rows: list[list[str]]) -> Table:
    columns = [list(cells) for cells in zip(*rows, strict=True)]
    return Table("t.csv", ["key", "a", "colour", "label"], columns, lambda row: f"line {row + 2}")


def coded(rows: list[list[str]], **declared: Any) -> Any:
    """Return the data of a table whose facts are declared, or read off the public rows, and these facts."""
    spec = Csv(path="t.csv", id="key", **declared)
    source = spec.of(table(rows))
    known = spec.known(source, SHOWN)
    return source.dataset(known.columns, known.class_names), known


def facts(**keys: Any) -> ColumnFacts:
    return ColumnFacts(**keys)


def test_facts_are_those_of_public_rows():
    data, known = coded([*PUBLIC, ["9", "7.5", "green", "no"], ["8", "-3", "red", "yes"]])
    assert known.columns == (
        facts(name="a", kind="numeric", low=0.5, high=1.5),
        facts(name="colour", kind="categorical", categories=("blue", "red", "other")),
    )
    assert known.labels == ("no", "yes")
    assert data.ids.tolist() == [1, 2, 5, 6, 8, 9]
    assert data.x.tolist() == [[0, 1], [1, 0], [0.5, 1], [0.25, 0], [0, 1], [1, 2]], "clipped, and in other"
    assert data.y.tolist() == [0, 1, 0, 1, 1, 0]
    assert [column.categories for column in data.columns] == [0, 3]
    assert data.notes == ("values beyond a bound, and count as the bound: a 2", "values in no category, and count as other: colour 1")
    assert data.rows(np.asarray([5, 9])).x.tolist() == [[0.5, 1], [1, 2]]
    with pytest.raises(DataError, match="row 7: no row"):
        data.at([7])


COLOURS = st.sampled_from(["red", "blue", "green", "3", "", "other", "ß"])
PRIVATE = st.lists(st.tuples(st.floats(-1e9, 1e9).map(repr), COLOURS, st.sampled_from(["yes", "no"])), min_size=1, max_size=8)


@given(PRIVATE, st.data())
def test_private_rows_decide_nothing_for_others(private, draw):
    """The property of the whole: leave any private rows out, in any order of the file, and all others stay what they were."""
    rows = [*PUBLIC, *([str(10 + 3 * i), *cells] for i, cells in enumerate(private))]
    left = [row for row in rows if row in PUBLIC or draw.draw(st.booleans())]
    (data, known), (rest, known_rest) = coded(rows), coded(draw.draw(st.permutations(left)))
    assert known.columns == known_rest.columns
    assert known.labels == known_rest.labels
    same = data.rows(rest.ids)
    assert same.x.tobytes() == rest.x.tobytes()
    assert same.y.tobytes() == rest.y.tobytes()


def test_all_rows_decide_where_all_are_asked():
    """The negative control of the property above."""
    rows = [*PUBLIC, ["9", "7.5", "green", "no"]]
    source = (spec := Csv(path="t.csv", id="key")).of(table(rows))
    known = spec.known(source, PublicRows(source.ids, source.ids))
    assert known.columns[0].high == 7.5
    assert known.columns[1].categories == ("blue", "green", "red"), "nothing is left that could be another"
    whole = source.dataset(known.columns, None)
    assert [column.categories for column in whole.columns] == [0, 3], "neither when they are read off, nor when they are used"
    assert whole.x[2, 0] != coded(rows)[0].x[2, 0]
    apart = source.dataset(None, None)
    assert apart.x.tobytes() == whole.x.tobytes()
    assert apart.columns == whole.columns


def test_what_is_declared_counts():
    columns = (facts(name="a", low=0, high=4), facts(name="colour", categories=("red", "green")))
    data, known = coded([*PUBLIC, ["9", "7.5", "green", "maybe"]], columns=columns, labels=("no", "maybe", "yes"))
    assert known.columns[1].categories == ("red", "green", "other")
    assert data.x[:, 0].tolist() == [0.125, 0.375, 0.25, 0.1875, 1]
    assert data.x[:, 1].tolist() == [0, 2, 0, 2, 1]
    assert data.labels == ("no", "maybe", "yes")
    assert data.y.tolist() == [0, 2, 0, 2, 1]
    half, _ = coded(PUBLIC, columns=(facts(name="a", low=0),))
    assert half.x[:, 0].tolist() == [np.float32(value / 1.5) for value in (0.5, 1.5, 1.0, 0.75)], "high is read off, low declared"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["9", "1", "red", "maybe"], r"line 6 is of class 'maybe'.*labels = \[\"maybe\", \"no\", \"yes\"\]"),
        (["9", "n/a", "red", "no"], r"line 6: column a holds 'n/a', which is no number: .*categorical = \[\"a\", \"colour\"\]"),
        (["9", "1", "red", "?"], "line 6 has the label"),
        (["x", "1", "red", "no"], "line 6: column key holds 'x'"),
        (["-1", "1", "red", "no"], "line 6: column key holds '-1'"),
        (["9.0", "1", "red", "no"], "line 6: column key holds '9.0'"),
        (["99999999999999999999", "1", "red", "no"], "an id is a whole number from 0"),
        (["2", "1", "red", "no"], "line 6: column key gives the id 2 again"),
    ],
)
def test_rows_that_cannot_be_are_refused_with_the_cure(row, words):
    with pytest.raises(DataError, match=words):
        coded([*PUBLIC, row])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([{"name": "nix"}], "columns = 'nix' is no column"),
        ([{"name": "label"}], "is no feature"),
        ([{"name": "key"}], "is no feature"),
        ([{"name": "a"}, {"name": "a"}], "declared twice"),
        ([{"name": "colour", "kind": "numeric"}], "colour holds 'red', which is no number"),
        ([{"name": "a", "low": 9}], "low = 9 lies above high = 1.5"),
    ],
)
def test_declarations_that_fit_no_table_are_refused(columns, words):
    with pytest.raises(DataError, match=words):
        coded(PUBLIC, columns=tuple(ColumnFacts(**one) for one in columns))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"low": 0, "categories": ["a"]}, "has low or high and is categorical"),
        ({"kind": "categorical", "high": 1}, "has low or high and is categorical"),
        ({"kind": "numeric", "categories": ["a"]}, "is numeric and has categories"),
        ({"categories": ["a", "a"]}, "names a category twice"),
        ({"categories": []}, "at least 1 item"),
        ({"low": 2, "high": 1}, "low = 2 lies above high = 1"),
        ({"low": -1.7e308, "high": 1.7e308}, "too far for a scale"),
    ],
)
def test_facts_that_contradict_themselves_are_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        ColumnFacts(name="a", **keys)


def test_a_class_named_twice_is_refused():
    with pytest.raises(ValidationError, match="names a class twice"):
        Csv(path="t.csv", labels=("1", 1))


def test_large_numbers_are_classes_of_their_own() -> None:
    cells = ["9007199254740992", "9007199254740993"]
    assert names_of(cells) == tuple(cells)
    assert codes_of(["0" + cell for cell in cells], cells, "t.csv", str).tolist() == [0, 1]
    assert names_of(["0" * 5000, "0", "0.0", "-0"]) == ("0",)


@pytest.mark.parametrize(("labels", "twice"), [(["0", "0.0", "1"], True), ([1, "1"], True), (["0", "0.0", "no"], False)])
def test_a_class_that_is_declared_twice_is_refused(labels, twice) -> None:
    with pytest.raises(ValueError, match="names a class twice: name each once") if twice else nullcontext():
        Csv(path="t.csv", labels=labels)


def test_classes_are_found_by_value_and_named_by_public_rows():
    rows = [[*row[:3], str(i % 2)] for i, row in enumerate(PUBLIC)]
    data, known = coded([*rows, ["9", "1", "red", "1.0"], ["10", "1", "red", "00"]])
    assert known.labels == ("0", "1")
    assert data.y.tolist() == [0, 1, 0, 1, 1, 0]


def test_a_table_in_an_npz_file_has_the_bounds_of_reference_rows(tmp_path):
    x = np.asarray([[0.5, 3], [0, 5], [0.25, 4], [9, -9]], np.float32)
    np.savez(tmp_path / "t.npz", x=x, y=[0, 1, 0, 1])
    spec = Npz(path=str(tmp_path / "t.npz"))
    known = spec.known(spec.read(), PublicRows(np.arange(2), np.arange(3)))
    assert [(one.low, one.high) for one in known.columns] == [(0, 0.5), (3, 5)]
    assert load(known).x.tolist() == [[0.5, 3], [0, 5], [0.25, 4], [0.5, 3]]
    assert [(one.low, one.high) for one in load(known).columns] == [(0, 0.5), (3, 5)]
    unit = spec.model_copy(update={"columns": (facts(name="x1", low=0, high=10),)})
    assert load(unit).x[3].tolist() == [9, 0]
    with pytest.raises(DataError, match="x0 to x1"):
        load(spec.model_copy(update={"columns": (facts(name="a"),)}))


def test_a_class_of_private_rows_alone_is_refused_whatever_the_source(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.zeros((4, 2, 2)), y=["a", "b", "a", "c"])
    spec = Npz(path=str(tmp_path / "t.npz"))
    with pytest.raises(DataError, match=r"row 3 is of class 'c'.*labels = \[\"a\", \"b\", \"c\"\]"):
        spec.known(spec.read(), PublicRows(np.arange(2), np.arange(3)))
    declared = spec.model_copy(update={"labels": ("c", "b", "a")})
    assert declared.known(declared.read(), PublicRows(np.arange(2), np.arange(3))) == declared
    assert load(declared).y.tolist() == [2, 1, 2, 0]
    assert load(declared).labels == ("c", "b", "a")


def test_unknown_cells_are_coded_as_other_if_there_is_such_a_category():
    found, unknown = codes(["blue", "mauve", "red"], ("red", "blue", "other"))
    assert found.tolist() == [1, 2, 0]
    assert unknown.tolist() == [False, True, False]
    assert codes(["mauve"], ("red", "blue"))[0].tolist() == [-1], "the control: nothing is guessed"
