"""The folder of cases, where it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from case_files import checked

from clients.data import load
from simulator.errors import ScenarioError
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

CASES: dict[str, str | Callable[[Plan], bool]] = {
    "idx_twins/s.toml": lambda one: sum(len(config.rows) for config in one.configs) == 80,
    "idx_float/s.toml": lambda one: load(one.configs[0].data).x.max() > 0.5,
    "idx_damaged/s.toml": "train-images-idx3-ubyte.gz: cannot be read",
    "csv_nearly_numeric/s.toml": "line 9: column a holds ''",
    "csv_semicolons/s.toml": "semicolons",
    "csv_semicolons/noheader.toml": "semicolons",
    "csv_duplicate_header/s.toml": "label = 'y'",
    "csv_duplicate_header/dup_feature.toml": "column = 'site'",
    "csv_header_flag/s.toml": "header = true",
    "csv_header_flag/swallow.toml": "header = false",
    "csv_same_label_twice/s.toml": lambda one: one.labels == ("0", "1"),
    "label_by_name/s.toml": lambda one: "class 3" in checked(one),
    "npz_missing_labels/s.toml": "'nan'",
    "npz_other_formats/npy.toml": "is a .npy file",
    "npz_other_formats/bad.toml": "cannot be read as npz",
    "ratings_huge_ids/huge.toml": lambda one: one.shape == (31,),
    "ratings_quotes_and_hashes/title.toml": lambda one: load(one.configs[0].data).user_names.max() < 100 and one.shape == (30,),
    "ratings_quotes_and_hashes/hash.toml": lambda one: len(load(one.configs[0].data)) == 320,
    "adjacency_list/adj2.toml": "line 1",
    "churn_trace/one.toml": "peer 4",
    "churn_trace/epoch.toml": "touches none of the rounds",
    "churn_trace/forever.toml": lambda one: [now.present for now in one.timeline.rounds] == [(0, 2, 3), (0, 1, 2, 3)],
    "toml_bom/bom.toml": lambda one: len(one.configs) == 3,
    "citations_out_of_bounds/oob.toml": "x_indices",
    "citations_out_of_bounds/oob1.toml": "x_indices",
    "citations_out_of_bounds/floatedges.toml": "edges holds float64",
    "outlier/base.toml": lambda one: "the category secret-disease of column colour" in checked(one),
    "outlier/clean.toml": lambda one: "warning" not in checked(one),
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_folder_of_cases(case):
    folder = Path(__file__).resolve().parents[4] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip(f"no folder of cases at {folder}")
    right = CASES[case]
    load.cache_clear()
    if isinstance(right, str):
        with pytest.raises(ScenarioError) as error:
            resolve(Scenario.load(folder / case))
        assert right in str(error.value)
        assert "\n" not in str(error.value)
    else:
        assert right(resolve(Scenario.load(folder / case)))
