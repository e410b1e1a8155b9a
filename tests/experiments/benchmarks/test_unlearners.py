"""The tables of unlearners: every method has its line beside doing nothing and retraining again, and its place between them."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from experiments.benchmarks import refined, unlearners
from experiments.benchmarks._forget_sets import Measured, case


def at(*distances: float) -> list[Measured]:
    return [Measured(distance, 0.0, 0.9, 0.5, 1.0, 0.9) for distance in distances]


def test_every_method_for_this_network_that_is_not_exact_has_a_line() -> None:
    names = unlearners.methods()
    assert {"finetune", "scrub", "salun", "ssd", "unsir", "rum", "influence"} <= set(names)
    assert {"retrain", "rollback", "nothing", "spiking"}.isdisjoint(names)


@pytest.mark.parametrize(
    ("distances", "told"),
    [
        ((0.6, 0.7, 0.61), "further off"),
        ((0.4, 0.5, 0.37), "not told from doing nothing"),
        ((0.2, 0.3, 0.21), "nearer"),
        ((0.1, 0.21, 0.12), "not told from retraining again"),
        ((0.1, 0.21, 0.44), "not told from doing nothing"),
    ],
)
def test_the_place_of_a_method_is_between_doing_nothing_and_the_floor(distances: tuple[float, ...], told: str) -> None:
    """Seeds differ by as much as methods do, so that only differences paired by seed tell."""
    found = {unlearners.NOTHING: at(0.4, 0.5, 0.41), "scrub": at(*distances), unlearners.FLOOR: at(0.1, 0.2, 0.11)}
    assert unlearners.place(found, "scrub") == told


def test_references_are_what_they_are_called() -> None:
    one = case("private", "5 % of the rows", 0)
    assert unlearners.weights(unlearners.NOTHING, one) is one.original
    assert unlearners.weights(unlearners.FLOOR, one) is one.again
    assert one.measured(one.retrained).distance == 0
    assert one.measured(one.retrained).tow == 1
    assert one.measured(one.again).tow > 0.9, "near 1 between two retrained networks"
    assert one.measured(one.again).distance > 0, "the control"


@pytest.mark.slow
def test_of_a_class_methods_lie_between_doing_nothing_and_retraining_again_in_every_seed() -> None:
    """Those that the table calls nearer, and further training forgets less of the class than each of them."""
    names = ("bad_teacher", "boundary_shrink", "cf_k", "gradient_ascent", "l1_sparse", "random_labels", "salun", "scrub")
    left: dict[str, list[float]] = {name: [] for name in ("finetune", *names)}
    for seed in range(3):
        one = case("private", "a class", seed)
        nothing, floor = (one.measured(unlearners.weights(name, one)) for name in (unlearners.NOTHING, unlearners.FLOOR))
        assert nothing.tow < 0.05 < 0.95 < floor.tow
        for name in left:
            found = one.measured(unlearners.weights(name, one))
            left[name].append(found.forget)
            assert name == "finetune" or nothing.distance > found.distance > floor.distance, (name, seed)
    assert max(mean(left[name]) for name in names) < mean(left["finetune"])


def test_the_stored_table_has_a_line_for_every_method_and_each_set() -> None:
    stored = (Path(unlearners.__file__).parent / "results" / "unlearners.txt").read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in stored.splitlines() if "│" in line]
    told = {line[0]: line[-1] for line in lines}
    for name in unlearners.methods():
        assert [line[0] for line in lines].count(name) == 2 or f"{name} is left out: " in stored, name
    assert {told[name] for name in unlearners.methods() if name in told} >= {"nearer", "further off", "not told from doing nothing"}


def test_forget_sets_have_the_sizes_that_they_are_called_by() -> None:
    small, large = (case("private", gone, 0) for gone in ("5 % of the rows", "20 % of the rows"))
    whole = len(small.forget) + len(small.retain)
    assert (len(small.forget), len(large.forget)) == (whole // 20, whole // 5)


def test_differences_of_ways_are_paired_by_seed() -> None:
    assert refined._difference([0.5, 0.7], None) == ""
    assert refined._difference([0.5, 0.7], [0.4, 0.6]) == "0.100 ± 0.000"
    ways = refined.ways(("finetune",))["finetune"]
    assert (ways["vanilla"].groups, ways["shuffled"].grouping, ways["refined"].grouping) == (1, "shuffled", "refined")
