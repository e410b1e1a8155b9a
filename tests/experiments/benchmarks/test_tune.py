"""Learning rates are chosen on rows that no table of results uses, and by what comes nearest to retraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import tune
from experiments.benchmarks._forget_sets import Measured, rows_of


def test_the_two_halves_share_no_row() -> None:
    public, private = (np.concatenate([one.ids for one in rows_of(half, 0)]) for half in ("public", "private"))  # type: ignore[arg-type]
    assert not np.isin(public, private).any()
    assert len(public) + len(private) == 1797
    train, test = rows_of("public", 0)
    assert not np.isin(train.ids, test.ids).any()
    assert (rows_of("public", 1)[0].ids != train.ids).any(), "seeds split the half anew"


def test_every_method_with_a_strength_is_tuned() -> None:
    assert {"scrub", "salun", "unsir", "cf_k", "ssd"} <= set(tune.tunable())
    assert {"finetune", "retrain"}.isdisjoint(tune.tunable())
    assert tune.with_strength("scrub", 0.03).optimizer.lr == 0.03  # type: ignore[attr-defined]
    assert tune.with_strength("ssd", 2.0).alpha == 2.0  # type: ignore[attr-defined]


def test_every_method_that_is_tuned_is_in_the_stored_results() -> None:
    lines = (Path(tune.__file__).parent / "results" / "tune.txt").read_text(encoding="utf-8").splitlines()
    assert {line.split()[1] for line in lines if line.endswith("best │")} == set(tune.tunable())


def test_a_method_without_a_strength_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        tune.main(["scrub", "retrain"])
    assert left.value.code == 2
    assert "METHOD retrain: has no strength to tune; name some of " in capsys.readouterr().err


def test_merit_is_high_for_accuracies_and_outputs_of_retraining() -> None:
    near, far = Measured(0.1, 0.0, 0.9, 0.5, 1.0, 0.9), Measured(0.4, 0.0, 0.9, 0.5, 1.0, 0.9)
    assert tune.merit([near]) > tune.merit([near, far]) > tune.merit([far])
    assert tune.merit([near._replace(tow=0.5)]) < tune.merit([near])
