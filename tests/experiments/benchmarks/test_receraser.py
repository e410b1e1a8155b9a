"""The RecEraser benchmark: compared methods share their sub-models, test interactions stay unseen, the table is complete."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from clients.unlearning.exact.recommender.eraser import RecEraserModel
from clients.unlearning.exact.recommender.spec import Wmf
from experiments.benchmarks import grapheraser, receraser, sisa


def test_all_methods_train_the_same_recommenders() -> None:
    specs = receraser.methods(Wmf(epochs=3), [4, 5])
    assert {(spec.base, spec.dim) for spec in specs.values()} == {(Wmf(epochs=3), 64)}
    assert sorted({spec.shards for spec in specs.values()}) == [1, 4, 5]


def test_test_interactions_are_never_trained_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data = receraser.stand_in()
    trained: list[np.ndarray] = []
    begin = RecEraserModel.begin
    monkeypatch.setattr(RecEraserModel, "begin", lambda self, rows, place=None: (trained.append(rows.ids), begin(self, rows, place))[1])
    receraser.run(data, "wmf", Wmf(epochs=1), shards=[3], seeds=1, deletions=1)
    train, validation, test = receraser.split(data, (receraser.FIRST_SEED,))
    assert len(trained) == 5, "one training a partition"
    assert all(np.array_equal(ids, train.ids) for ids in trained)
    assert not np.isin(train.ids, np.concatenate([validation.ids, test.ids])).any()
    table = capsys.readouterr().out.split("\n\n")[1]
    assert all(name in table for name in receraser.methods(Wmf(), [3]))
    assert " ± " not in "".join(table.splitlines()[1:]), "one seed has no interval"


def test_deletions_of_one_seed_are_one_figure() -> None:
    row = receraser.Row()
    for costs in ([1, 3], [4], []):
        row.time_deletions(lambda parts: SimpleNamespace(cost=SimpleNamespace(parts=parts)), costs)  # type: ignore[arg-type, return-value]
    assert row.parts == [2, 4]
    assert len(row.forget) == 2


def test_a_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        receraser.main(["--data", "/nowhere"])
    assert left.value.code == 2
    assert "error: --data /nowhere: " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "wrong"),
    [(receraser, "--seeds"), (receraser, "--deletions"), (grapheraser, "--seeds"), (sisa, "--repeats")],
)
def test_nothing_to_take_a_mean_of_is_refused(command: ModuleType, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main([wrong, "0"])
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"error: {wrong} 0: wants a positive number")
