"""What two views give away: the runs delete as many rows as their line says, and the figures are those of the audit."""

from __future__ import annotations

import pytest

from experiments.benchmarks import inversion
from simulator.scenarios.resolution import resolve


@pytest.mark.parametrize("federation", inversion.FEDERATIONS)
def test_so_many_rows_are_deleted_as_the_line_says(federation: str) -> None:
    for number in inversion.DELETED:
        plan = resolve(inversion.scenario(federation, number, 3))
        (one,) = plan.timeline.erasures
        assert (len(one.rows), one.round, len(plan.configs[0].rows)) == (number, plan.rounds, inversion.ROWS)
        assert bool(plan.timeline.rounds[-1].late) == inversion.FEDERATIONS[federation][2]


def test_means_say_of_how_many_seeds_they_are() -> None:
    found = [{"inversion": 1.0}, {"inversion": 0.5}, {"inversion": None}]
    assert inversion.mean(found, "inversion").endswith(", n = 2")
    assert inversion.mean(found[:2], "inversion").startswith("0.750 ± ")
    assert inversion.mean(found[2:], "inversion") == inversion.mean(found, "inversion_cosine") == "-"


@pytest.mark.slow
def test_rows_are_found_where_they_are_alone_and_not_once_a_model_is_rolled_back(capsys: pytest.CaptureFixture[str]) -> None:
    inversion.main(["--quick"])
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines() if "│" in line]
    sums, step, trained, back = (cells[place : place + 2] for place in range(0, 8, 2))
    assert [line[1] for line in sums] == [line[2] for line in sums], "exactly those that are alone in their class"
    assert step[0][2].startswith("1.000")
    assert [line[3] for line in step] == ["0.000 ± 0.000"] * 2, "the control: two retrainings"
    assert trained[0][2].startswith("0.000")
    assert back[0][2].startswith("0.000")
