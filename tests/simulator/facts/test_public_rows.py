"""Rows that are set aside, what is told of the data, and what exact takes as given."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fact_tables import ERASED, both, ordinary, scenario, write
from hypothesis import given as forall
from hypothesis import strategies as st
from typer.testing import CliRunner

from clients.data import DataError, Dataset, load
from simulator.cli import app
from simulator.errors import ScenarioError
from simulator.runs.given import given
from simulator.scenarios.public import split
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.terminal.check_json import plain


def numbered(ids: np.ndarray) -> Dataset:
    return Dataset(np.zeros((len(ids), 1), np.float32), np.zeros(len(ids), np.int64), ("a",), numbers=ids)


@forall(st.sets(st.integers(0, 10**12), min_size=20, max_size=60), st.integers(0, 9), st.integers(0, 4), st.data())
def test_private_rows_move_no_public_one(ids, seed, validation, draw):
    every = np.asarray(sorted(ids))
    whole = split(numbered(every), seed, 5, 6, validation)
    gone = draw.draw(st.sets(st.sampled_from(whole.rest.tolist()), max_size=len(whole.rest) - 1))
    part = split(numbered(np.setdiff1d(every, list(gone))), seed, 5, 6, validation)
    for name in ("reference", "test", "validation"):
        assert np.array_equal(getattr(whole, name), getattr(part, name))
    assert np.array_equal(np.setdiff1d(whole.rest, list(gone)), part.rest)
    assert len(whole.validation) == validation


def test_rows_for_validation_are_public_and_dealt_to_nobody(tmp_path):
    write(tmp_path / "t.csv", ordinary())
    plan = resolve(scenario(tmp_path, "t.csv", {"validation": 20}))
    first = plan.configs[0]
    assert (len(first.reference), len(first.test), len(first.validation)) == (30, 40, 20)
    dealt = [row for config in plan.configs for row in config.rows]
    public = {*first.reference, *first.test, *first.validation}
    assert len(public) == 90
    assert len(dealt) == 260 - 90
    assert not public.intersection(dealt)
    without = resolve(scenario(tmp_path, "t.csv"))
    assert (first.reference, first.test) == (without.configs[0].reference, without.configs[0].test)
    assert "validation" not in without.configs[0].model_dump()
    with pytest.raises(DataError, match="validation = 8 leave none of 20 rows"):
        split(numbered(np.arange(20)), 0, 6, 6, 8)


@pytest.mark.parametrize("kind", ["{ kind = 'column', column = 'colour', keyed = true }", "{ kind = 'communities', keyed = true }"])
def test_deals_that_cannot_be_keyed_are_refused(tmp_path, kind):
    text = scenario(tmp_path, "t.csv").to_toml()
    with pytest.raises(ScenarioError, match="keyed: is not a key here"):
        Scenario.parse(text, [f"data.partition={kind}"])


def told(path, *settings: str) -> str:
    done = CliRunner().invoke(app, ["data", str(path), *(word for one in settings for word in ("--set", one))], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_what_is_printed_can_be_pasted(tmp_path):
    both(tmp_path)
    one = scenario(tmp_path, "all.csv")
    (tmp_path / "s.toml").write_text(one.to_toml())
    text = told(tmp_path / "s.toml")
    assert "and count as the bound" in text
    assert f"are in no category and count as other: {ERASED!r}" in text
    (tmp_path / "t.toml").write_text(one.to_toml().replace("[data]\n", f"[data]\n{text}\n", 1))
    pasted = Scenario.load(tmp_path / "t.toml")
    assert pasted.data.columns is not None
    assert resolve(pasted).configs == resolve(one).configs
    assert told(tmp_path / "t.toml").splitlines()[2:] == text.splitlines()[2:]


def test_what_cannot_be_read_is_told_with_the_rest(tmp_path):
    rows = ordinary()
    dealt = resolved_rows(tmp_path, rows)
    bad, new = (next(row for row in rows if int(row[0]) == one) for one in dealt[:2])
    bad[1], new[4] = "n/a", "maybe"
    write(tmp_path / "t.csv", rows)
    (tmp_path / "s.toml").write_text(scenario(tmp_path, "t.csv").to_toml())
    text = told(tmp_path / "s.toml")
    assert "column a holds 'n/a', which is no number" in text
    assert 'labels = ["maybe", "no", "yes"]\n' in text
    assert "class 'maybe': none of its 1 rows is public" in text
    load.cache_clear()
    with pytest.raises(ScenarioError, match="column a holds 'n/a'"):
        resolve(scenario(tmp_path, "t.csv"))


def test_booleans_that_count_as_numbers_are_told(tmp_path):
    flags = np.arange(120) % 3 == 0
    pq.write_table(pa.table({"flag": flags, "a": np.arange(120.0), "label": flags.astype(int)}), tmp_path / "t.parquet")
    table = {"dataset": "parquet", "id": None, "categorical": []}
    (tmp_path / "s.toml").write_text(scenario(tmp_path, "t.parquet", table).to_toml())
    assert '{ name = "flag", kind = "numeric", low = 0.0, high = 1.0 }' in told(tmp_path / "s.toml")


def test_data_that_cannot_be_read_print_nothing(tmp_path):
    rows = ordinary()
    rows[3][4] = ""
    write(tmp_path / "t.csv", rows)
    (tmp_path / "s.toml").write_text(scenario(tmp_path, "t.csv").to_toml())
    done = CliRunner().invoke(app, ["data", str(tmp_path / "s.toml")])
    assert isinstance(done.exception, ScenarioError)
    assert "line 5 has the label ''" in str(done.exception)
    assert done.output == ""


def resolved_rows(folder, rows) -> list[int]:
    write(folder / "t.csv", rows)
    return list(resolve(scenario(folder, "t.csv")).configs[0].rows)


def test_a_column_of_numbers_of_rows_is_noticed(tmp_path):
    write(tmp_path / "t.csv", ordinary())
    (tmp_path / "s.toml").write_text(scenario(tmp_path, "t.csv", {"id": None}).to_toml())
    assert "key: a whole number of its own in every row: id = 'key'" in told(tmp_path / "s.toml")


def test_what_exact_takes_as_given_is_told(tmp_path):
    write(tmp_path / "t.csv", ordinary())
    keyed = list(given(resolve(scenario(tmp_path, "t.csv"))))
    assert len(keyed) == 2
    assert "bounds and categories of reference rows, classes of public rows" in keyed[0]
    assert "30 reference rows, 40 test rows" in keyed[0]
    assert keyed[1].startswith("the plan: ")
    partition = {"kind": "iid"}
    control = list(given(resolve(scenario(tmp_path, "t.csv", {"facts": "all", "id": None, "partition": partition}))))
    assert "private and forgotten ones among them" in control[0]
    assert control[1].startswith("the ids of rows: their places in the source")
    assert control[2].startswith("the deal: who has which row was decided with all rows there")
    digits = {"dataset": "digits", "path": None, "id": None, "rows": 500, "partition": partition}
    published = list(given(resolve(scenario(tmp_path, "", digits))))
    assert published[0] == "facts of the data: as they are published with it"
    assert published[1].startswith("which rows of the source are used (rows = 500;")


def test_rows_by_class_are_counted_by_id_and_not_by_place(tmp_path):
    write(tmp_path / "all.csv", ordinary())
    plan = resolve(scenario(tmp_path, "all.csv"))
    label = {int(row[0]): row[4] for row in ordinary()}
    told = plain(plan)
    for config, peer in zip(plan.configs, told["peers"], strict=True):
        assert peer["rows_by_class"] == [sum(label[int(row)] == name for row in config.rows) for name in told["data"]["classes"]]
