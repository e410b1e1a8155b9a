from __future__ import annotations

import pytest

from experiments.benchmarks import still_inside


def test_seeds_without_a_figure_are_left_out_and_counted() -> None:
    assert still_inside.mean([0.5, None, 0.5]) == "0.500 ± 0.000, n = 2"
    assert still_inside.mean([None]) == "not resolvable, n = 0"
    assert still_inside.mean([0.5]) == "0.500"


@pytest.mark.slow
@pytest.mark.usefixtures("own_cache")
def test_every_audit_objects_to_doing_nothing_and_not_to_retraining(capsys: pytest.CaptureFixture[str]) -> None:
    still_inside.main(["--quick"])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert len({row[0] for row in rows}) == 11
    objections = {(row[0], row[1]): (int(row[4]), int(row[5])) for row in rows}
    assert sum(objects for (_, method), (objects, _) in objections.items() if method == "nothing") > 9, "of twenty-two, some lack power"
    assert sum(objects for (_, method), (objects, _) in objections.items() if method == "retrain") <= 2
