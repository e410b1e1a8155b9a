from __future__ import annotations

import pytest

from clients.data.bundled import Digits
from clients.data.interactions import Ratings
from clients.metrics import Metric, MetricError, Metrics

COUNTED = Metric("gradient_steps", "sum", "steps", "lower")
MEASURED = Metric("accuracy", "mean", "share", "higher").at("global.main")
FAMILY = Metric("accuracy.sampled.<class>", "mean", "share", "higher")
CROSS = Metric("accuracy.sampled.cross", "sum", "share")
WEIGHTED = Metric("loss", "weighted mean", "nats", "lower", weight="rows")
ROWS = Metric("rows", "sum", "rows")


def test_values_fold_as_declared() -> None:
    lines = [(0, "gradient_steps", 3.0), (0, "accuracy.global.main", 0.5), (2, "accuracy.global.main", 1.0), (2, "gradient_steps", 4.0)]
    assert Metrics([COUNTED, MEASURED]).folded(lines) == [("accuracy.global.main", 0.75), ("gradient_steps", 7.0)]


def test_a_weighted_mean_is_weighted_by_what_the_same_peers_send() -> None:
    lines = [(0, "loss", 1.0), (0, "rows", 30.0), (1, "loss", 2.0), (1, "rows", 10.0), (2, "rows", 99.0)]
    metrics = Metrics([WEIGHTED, ROWS])
    assert dict(metrics.folded(lines))["loss"] == 1.25
    with pytest.raises(MetricError, match=r"'loss' of peer 1 comes without its weight 'rows'"):
        metrics.folded([line for line in lines if line[:2] != (1, "rows")])
    with pytest.raises(MetricError, match="add up to 0"):
        metrics.folded([(0, "loss", 1.0), (0, "rows", 0.0)])


def test_a_family_stands_for_one_word_and_gives_way_to_whole_names() -> None:
    metrics = Metrics([FAMILY, CROSS])
    assert metrics.of("accuracy.sampled.3") is FAMILY
    assert metrics.of("accuracy.sampled.cross") is CROSS
    for stranger in ("accuracy.sampled", "accuracy.sampled.3.4", "accuracyxsampled.3", "accuracy.sampled."):
        with pytest.raises(MetricError, match="not declared"):
            metrics.of(stranger)


def test_what_nobody_declares_is_named_with_what_is_close() -> None:
    with pytest.raises(MetricError) as error:
        Metrics([COUNTED, MEASURED]).of("acuracy.global.main", "round 3: the reply of peer 2: ")
    assert str(error.value).startswith("round 3: the reply of peer 2: metric 'acuracy.global.main' is not declared: ")
    assert "did you mean accuracy.global.main?" in str(error.value)


def test_weight_and_weighted_mean_go_together() -> None:
    for fold, weight in (("weighted mean", ""), ("mean", "rows")):
        with pytest.raises(MetricError, match="set fold and weight together"):
            Metric("loss", fold, "nats", weight=weight)  # type: ignore[arg-type]


def test_recall_is_called_so_and_the_ledgers_name_is_known_too() -> None:
    first, second = Ratings(path="x.csv", top=7).metrics
    metrics = Metrics([first.at("global.main"), second.at("global.main")])
    assert (first.label, second.label) == ("Recall@7", "NDCG@7")
    assert metrics.stored("Recall@7.global.main") == metrics.stored("accuracy.global.main") == "accuracy.global.main"
    assert metrics.label("accuracy.global.main") == "Recall@7.global.main"
    assert [metric.label for metric in Digits().metrics] == ["accuracy"]
