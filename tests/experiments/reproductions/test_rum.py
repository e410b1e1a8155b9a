"""The reproduction of RUM: sets are what they are called, the advisor follows the factors, and findings are seen only where they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from clients import streams
from clients.data import Dataset
from clients.unlearning.refine.advisor import single_best
from experiments.benchmarks.refined import METHODS, RUM
from experiments.reproductions import rum, rum_tables
from experiments.reproductions.rum_advisor import mistaken, scores
from experiments.reproductions.rum_sets import METHODS_ASKED, Images, Judged, World, digits


@pytest.fixture(scope="module")
def world() -> World:
    whole = digits(0, 8)
    brief = dataclasses.replace(whole.learning, training=whole.learning.training.model_copy(update={"epochs": 3}))
    return dataclasses.replace(whole, learning=brief)


def test_sets_are_chosen_by_what_they_are_called(world: World) -> None:
    sets = world.sets()
    means = {name: world.memorised[np.isin(world.train.ids, gone)].mean() for name, gone in sets.items()}
    assert means["least memorised"] < means["next to most memorised"] < means["most memorised"]
    assert means["least memorised"] < means["mixed"] < means["most memorised"]
    assert len(np.unique(world.train.only(sets["a class"]).y)) == 1
    sizes = {name: len(world.train.only(gone)) for name, gone in sets.items() if name != "a class"}
    tenth, fifth = len(world.train) / 10, len(world.train) / 5
    assert all(abs(size - (fifth if name == "mixed" else tenth)) <= 2 for name, size in sizes.items())


def test_stacked_networks_are_those_that_train_alone_without_the_set(world: World) -> None:
    cases = dict(world.cases({name: gone for name, gone in world.sets().items() if name in ("random", "a class")}))
    one = cases["random"]
    alone = world.learning.train(world.learning.initial(), one.retain, range(1))[0]
    assert all(np.allclose(one.retrained[name], array, atol=1e-4) for name, array in alone.items())
    assert not any(np.allclose(one.retrained[name], array, atol=1e-4) for name, array in cases["a class"].retrained.items())
    assert not any(np.allclose(one.again[name], array, atol=1e-4) for name, array in alone.items())


def test_images_are_means_of_blocks_standardised_by_the_rows_that_are_learned() -> None:
    x = np.random.default_rng(0).random((30, 3, 8, 8), np.float32)
    world = Images("planted", Dataset(x, np.arange(30) % 10, tuple("0123456789")), 4, 20, 10, standardised=True)(0, 8)
    small = x.reshape(30, 3, 2, 4, 2, 4).mean(axis=(3, 5)).reshape(30, 12)
    mean, deviation = small[world.train.ids].mean(axis=0), small[world.train.ids].std(axis=0)
    for rows in (world.train, world.test):
        np.testing.assert_allclose(rows.x, (small[rows.ids] - mean) / deviation, rtol=1e-3, atol=1e-4)
    assert not set(world.train.ids) & set(world.test.ids)


def judged(entanglement: float, memorisation: float, **tow: float) -> Judged:
    return Judged(entanglement, memorisation, tow, tow)


def planted(seed: int, count: int = 20) -> list[Judged]:
    """Return sets on which one method is right where memorisation is high, and another elsewhere."""
    draws = streams.generator("planted", seed)
    found = []
    for memorised in draws.uniform(0, 1, count):
        high = memorised > 0.5
        found.append(judged(draws.normal(), memorised, nothing=0.3 if high else 0.9, scrub=0.9 if high else 0.3, finetune=0.7))
    return found


def test_an_advisor_beats_the_single_best_method_only_where_factors_tell() -> None:
    known, held_out = planted(0), [planted(seed) for seed in (1, 2, 3)]
    found = scores(known, held_out)
    advisor, single, control, best = found.values()
    assert single_best(known) == "finetune"
    assert min(advisor) > max(single)
    assert max(control) < min(advisor), "the control, whose factors are those of other sets"
    assert all(value == pytest.approx(0.9) for value in best)


def test_the_control_learned_from_factors_of_other_sets() -> None:
    known = planted(0)
    control = mistaken(known).known
    assert sorted(one.tow["scrub"] for one in control) == sorted(one.tow["scrub"] for one in known)
    assert [one.tow for one in control] != [one.tow for one in known]
    assert [one.memorisation for one in control] == [one.memorisation for one in known]


def test_findings_are_seen_only_where_the_whole_interval_says_so() -> None:
    ways = {(kind, way): [0.8, 0.81] for kind in METHODS for way in ("vanilla", "shuffled", "refined", "reversed")}
    ways |= {("nothing", "vanilla"): [0.9, 0.92], (RUM, "RUM"): [0.85, 0.855], ("salun", "refined"): [0.9, 0.911]}
    most = judged(0.5, 0.9, nothing=0.2, **dict.fromkeys(METHODS_ASKED[1:], 0.5))
    easy = dict.fromkeys(METHODS_ASKED, 0.9) | {"random_labels": 0.4, "scrub": 0.5}
    sets = [{"least memorised": judged(-0.5, 0.0, **easy | {"nothing": value}), "most memorised": most} for value in (0.9, 0.95)]
    advised = {"advisor": [0.9, 0.9], "single": [0.95, 0.951], "mistaken": [0.5, 0.9], "best": [1.0, 1.0]}
    told = *rum_tables.of_refining("digits", ways), *rum_tables.of_factors("digits", sets, advised)
    lines = [line.split(": ", 1)[1] for line in told]
    said = {line.rsplit(": ", 1)[0]: line.rsplit(", ", 1)[1] for line in lines}
    assert said["salun: refined above vanilla"] == "seen"
    assert said["salun: refined above shuffled"] == "seen"
    assert said["finetune: refined above vanilla"] == "not seen"
    assert said[f"RUM ({RUM}) above salun alone"] == "seen"
    assert said[f"RUM ({RUM}) above nothing alone"] != "seen"
    assert said["nothing: ToW of the least memorised rows above that of the most"] == "seen"
    assert said["scrub: ToW of the least memorised rows above that of the most"] == "not seen"
    assert said["random_labels below the mean of other methods that train, least memorised rows"] == "seen"
    assert said["random_labels above the mean of other methods that train, most memorised rows"] == "not seen"
    assert said["finetune: refined above reversed"] == "not seen"
    assert said["salun: refined above reversed"] == "seen"
    assert said["ToW falls as entanglement rises, rank correlation over sets"] == "seen"
    assert said["advisor above the best single method"] == "the opposite"
    assert said["advisor above one of mistaken factors"] == "not seen"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(["--seeds", "1"], "at least 2"), (["--mnist", "/nowhere"], "no file"), (["--cifar10", "/nowhere.npz"], "--cifar10")],
)
def test_wrong_arguments_are_answered_in_one_line(wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        rum.main(wrong)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert told in said


@pytest.mark.slow
def test_every_table_and_finding_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    rum.main(["--seeds", "2", "--quick"])
    said = capsys.readouterr().out
    titles = "most memorised", "a class", "retrained again", "always the best single one", "ToW-MIA by forget set"
    assert all(name in said for name in titles)
    numbers = {head for line in said.splitlines() if (head := line.partition(". ")[0]).isdigit()}
    assert numbers == {str(number) for number in range(1, 13)}
