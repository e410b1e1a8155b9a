"""The GraphEraser benchmark: compared methods share their sub-models, held-out nodes stay unseen, the table is complete."""

from __future__ import annotations

import numpy as np
import pytest

from clients.unlearning.contract import Problem
from clients.unlearning.exact.graph.eraser import GraphEraserModel
from experiments.benchmarks import grapheraser


def test_all_methods_train_the_same_networks() -> None:
    specs = grapheraser.methods(6, "sage", 7)
    settings = {(s.network, s.hidden, s.dropout, s.epochs, s.lr, s.weight_decay) for s in specs.values()}
    assert len(settings) == 1
    assert [name for name, spec in specs.items() if spec.shards != 6] == ["whole graph"]


def test_held_out_nodes_are_asked_about_and_never_trained_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data = grapheraser.stand_in().only(np.arange(0, 900, 4))
    trained: list[np.ndarray] = []
    begin = GraphEraserModel.begin
    recorded = lambda self, graph, place=None: (trained.append(graph.ids), begin(self, graph, place))[1]  # noqa: E731
    monkeypatch.setattr(GraphEraserModel, "begin", recorded)
    grapheraser.run(data, shards=3, network="gcn", epochs=2, seeds=1, deletions=1)
    assert len(trained) == 6, "one training a partition: the whole, random, BLPA, and BEKM without smoothing, with one step and with two"
    assert {len(ids) for ids in trained} == {len(data) - len(data) // 10}
    assert len({ids.tobytes() for ids in trained}) == 1
    table = capsys.readouterr().out.split("\n\n")[1]
    assert all(name in table for name in grapheraser.methods(3, "gcn", 2))


def test_the_loss_falls_with_training() -> None:
    data = grapheraser.stand_in().only(np.arange(0, 900, 5))
    losses = []
    for epochs in (1, 60):
        model = grapheraser.methods(3, "gcn", epochs)["random, mean"].build(Problem((200,), 6), (0,))
        model.fit(data)
        losses.append(grapheraser.own_loss(model))
    assert losses[1] < losses[0] / 2 < np.log(6)


def test_a_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        grapheraser.main(["--data", "/nowhere"])
    assert left.value.code == 2
    assert "error: --data /nowhere: " in capsys.readouterr().err.splitlines()[-1]
