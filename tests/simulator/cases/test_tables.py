"""CSV tables that were read wrongly without a word."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from case_files import CSV, checked, plan, refusal, rows, scenario, write

from clients.data import DataError, load
from clients.data.delimited import read_table
from clients.data.header import check_header


@pytest.mark.parametrize("cell", ["", "NaN", "?", "n/a", '"1,037"', '"0,5"', "12 %", "inf", "1e999", "1_000", "word", "−1.5", "0x1F"])
def test_nearly_numeric_columns_are_refused(tmp_path, cell):
    table = rows()
    table[7][1] = cell
    write(tmp_path / "t.csv", table)
    line = refusal(tmp_path, CSV)
    assert "line 9: column b holds" in line
    assert "no number" in line
    assert 'categorical = ["b"]' in line
    assert load(scenario(tmp_path, CSV | {"categorical": ["b"]}).data.source()).columns[1].categories > 1


@pytest.mark.parametrize("pattern", ['"{}"', "{}%", "$ {}", "'{}'", "{} €"])
def test_columns_of_numbers_for_people_are_refused(tmp_path, pattern):
    table = [[row[0], pattern.format(row[1].replace(".", ",") if '"' in pattern else row[1]), row[2]] for row in rows()]
    write(tmp_path / "t.csv", table)
    assert "line 2: column b holds" in refusal(tmp_path, CSV)


def test_columns_of_ids_get_a_warning(tmp_path):
    write(tmp_path / "t.csv", [[f"id{i}", row[0], row[2]] for i, row in enumerate(rows())])
    assert "warning: column a has 60 categories in 60 rows" in checked(plan(tmp_path, CSV))


def test_columns_of_words_are_categories_and_listed_with_their_counts(tmp_path):
    table = [[row[0], "?" if i < 5 else "red" if i % 2 else "blue", row[2]] for i, row in enumerate(rows())]
    write(tmp_path / "t.csv", table)
    assert "3 categories: red 28, blue 27, ? 5" in " ".join(checked(plan(tmp_path, CSV | {"reference": 30})).split())


SEPARATORS = [(";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces"), ("::", "double colons")]


@pytest.mark.parametrize(("separator", "name"), SEPARATORS)
@pytest.mark.parametrize("header", [True, False])
def test_other_separators_are_refused(tmp_path, separator, name, header):
    write(tmp_path / "t.csv", rows(), separator.join(["a", "b", "label"]) if header else None, separator)
    assert f"looks separated by {name}" in refusal(tmp_path, CSV | {"header": header})
    write(tmp_path / "t.csv", [[f'"{cell}"' for cell in row] for row in rows()], separator.join(['"a"', '"b"', '"label"']), separator)
    assert f"looks separated by {name}" in refusal(tmp_path, CSV)


@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas_are_refused(tmp_path, header):
    table = [[cell.replace(".", ",") for cell in row] for row in rows()]
    write(tmp_path / "t.csv", table, "a;b;label" if header else None, ";")
    assert "looks separated by semicolons" in refusal(tmp_path, CSV | {"header": header})


def test_commas_with_other_signs_within_are_read(tmp_path):
    table = [[row[0], "x;y|z", row[2]] for row in rows()]
    write(tmp_path / "t.csv", table)
    assert load(scenario(tmp_path, CSV).data.source()).columns[1].categories == 1


def test_ambiguous_names_are_refused_where_they_are_asked_for(tmp_path):
    write(tmp_path / "t.csv", [[row[2], *row] for row in rows()], "y,a,b,y")
    assert "label = 'y' names columns 0 and 3" in refusal(tmp_path, CSV | {"label": "y"})
    write(tmp_path / "t.csv", [[row[0], "AB"[i % 2], "AB"[i % 2], row[2]] for i, row in enumerate(rows())], "a,site,site,label")
    load.cache_clear()
    by_site = {"partition": {"kind": "column", "column": "site"}}
    assert "column = 'site' is the name of 2 columns" in refusal(tmp_path, CSV | by_site, peers=PEERS | {"count": 2})
    assert len(load(scenario(tmp_path, CSV).data.source())) == 60


PEERS = {"count": 3, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}


def test_a_wrong_header_flag_is_refused_in_both_directions(tmp_path):
    write(tmp_path / "t.csv", rows())
    assert "set header = true" in refusal(tmp_path, CSV | {"header": False})
    write(tmp_path / "t.csv", rows(), None)
    load.cache_clear()
    assert "set header = false" in refusal(tmp_path, CSV)


def test_a_wrong_header_flag_is_refused_where_columns_hold_words(tmp_path):
    words = [["rainy" if i % 3 else "dry", "cold" if i % 2 else "warm", "yes" if i % 5 else "no"] for i in range(60)]
    write(tmp_path / "t.csv", words, "sky,air,label")
    assert "set header = true" in refusal(tmp_path, CSV | {"header": False})
    mixed = [[row[0], "red" if i % 2 else "blue", "yes" if i % 3 else "no"] for i, row in enumerate(rows())]
    write(tmp_path / "t.csv", mixed, None)
    load.cache_clear()
    assert "set header = false" in refusal(tmp_path, CSV)


@pytest.mark.parametrize("header", ["0,1,label", "2019,2020,label", ",b,label", "0,1,2", "q,0.5,label"])
def test_names_that_are_numbers_are_read(tmp_path, header):
    write(tmp_path / "t.csv", rows(), header)
    assert len(load(scenario(tmp_path, CSV).data.source())) == 60


ROW = "looks like a row, not like the names of columns: set header = false"


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ("alice,34,1 bob,45,0 carol,29,1", True),
        ("alice,1,34 bob,0,45 carol,1,29", True),
        ("2020-01-01,red,yes 2020-01-02,red,no 2020-01-03,blue,yes", True),
        ("0,1 1,0 0,0 1,1", True),
        ("alice,0,1 bob,3,0 carol,2,4", True),
        ("red,1,2,3 red,4,5,6 blue,7,8,9", True),
        ("1,2,3 4,2,3 1,5,6", True),
        ("1,2,3 4,6,3 1,5,6", False),
        (",0,1 0,3,1 1,0,0", False),
        ("name,2019,2020 alice,34,1 bob,45,0", False),
        ("day,colour,label 2020-01-01,red,yes 2020-01-02,red,no", False),
        (",colour,label ,red,yes x,red,no", False),
    ],
)
def test_a_first_row_is_no_line_of_names(tmp_path, lines, refused):
    (tmp_path / "t.csv").write_text("\n".join(lines.split()))
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match=ROW) if refused else nullcontext():
        check_header(table, True)
    if refused:
        check_header(table, False)


def test_numeric_labels_are_classes_by_value(tmp_path):
    table = [[*row[:2], f"{row[2]}.0" if i % 3 else row[2]] for i, row in enumerate(rows())]
    write(tmp_path / "t.csv", table)
    data = load(scenario(tmp_path, CSV).data.source())
    assert data.labels == ("0", "1")
    counts = np.bincount(data.y)
    assert f"0 {counts[0]}" in " ".join(checked(plan(tmp_path, CSV)).split())


@pytest.mark.parametrize("label", ["", "NaN", "?", "-1", "n/a", "null"])
def test_missing_labels_are_refused(tmp_path, label):
    table = rows()
    table[3][2] = label
    write(tmp_path / "t.csv", table)
    assert f"line 5 has the label {label!r}" in refusal(tmp_path, CSV)


def test_minus_one_and_one_are_classes(tmp_path):
    write(tmp_path / "t.csv", [[*row[:2], "1" if row[2] == "1" else "-1"] for row in rows()])
    assert load(scenario(tmp_path, CSV).data.source()).labels == ("-1", "1")


def test_targets_of_a_regression_are_refused(tmp_path):
    write(tmp_path / "t.csv", [[row[2], row[0], row[1]] for row in rows()])
    assert "which are no classes" in refusal(tmp_path, CSV)
    write(tmp_path / "t.csv", [[*row[:2], str(i)] for i, row in enumerate(rows())])
    load.cache_clear()
    assert "which are no classes" in refusal(tmp_path, CSV)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a,b,label\n1,2,é\n".encode("latin-1"), "line 2 is not UTF-8 text"),
        ("a,b,label\n1,2,0\n".encode("utf-16"), "is UTF-16 text"),
        ("a,b,label\n1,2,0\n".encode("utf-16-le"), "zero byte"),
        (b'a,b,label\n1,2,0\n1,"2,0\n1,2,0\n', "cannot be read as CSV"),
        (b'a,b,label\n1,"2,0\n3,4",1\n1,2,0\n', "close the quote"),
        (b"a,b,label\n1,2,0\n# the end\n", "line 3 has 1 cells"),
        (b"a,b,label\n1,2,0\n1,2,0,5\n", "line 3 has 4 cells"),
        (b"PK\x03\x04\xff\xff", "is not UTF-8"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path, raw, words):
    (tmp_path / "t.csv").write_bytes(raw)
    assert words in refusal(tmp_path, CSV)


def test_a_byte_order_mark_and_line_ends_of_other_systems_are_read(tmp_path):
    write(tmp_path / "t.csv", rows())
    first = load(scenario(tmp_path, CSV).data.source())
    text = (tmp_path / "t.csv").read_text()
    for raw in (text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode(), text.replace("\n", "\r").encode(), text.strip().encode()):
        (tmp_path / "t.csv").write_bytes(raw)
        load.cache_clear()
        again = load(scenario(tmp_path, CSV).data.source())
        assert again.x.tobytes() == first.x.tobytes()
        assert [column.name for column in again.columns] == ["a", "b"]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("facts", ["reference", "all"])
def test_cells_at_both_ends_of_what_numbers_can_say_are_answered(tmp_path, facts):
    table = rows()
    table[3][0], table[7][0] = "1.7e308", "-1.7e308"
    write(tmp_path / "t.csv", table)
    if facts == "all":
        assert "column a of" in (line := refusal(tmp_path, CSV | {"facts": facts}))
        assert "too far for a scale: mend the cells, or declare nearer bounds" in line
        return
    one = plan(tmp_path, CSV)
    assert np.isfinite(load(one.configs[0].data).x).all()
    assert "values beyond a bound, and count as the bound: a " in checked(one)
