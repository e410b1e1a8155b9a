"""Classes made in a notebook play on the inline engine; engines with other processes, and other processes, say that they cannot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

import networkx as nx
import pytest

from clients.models import ModelSpec
from clients.models.building import keyed
from server.topology import Graph, TopologySpec
from simulator import LetheError, Scenario, register, resume, run
from simulator.plugins import registries
from simulator.progress import Watch
from simulator.runner import prepare

pytestmark = pytest.mark.usefixtures("forget_registered")


def path_graph() -> type[TopologySpec]:
    class Path(TopologySpec):
        kind: Literal["path"] = "path"

        def draw(self, peers: int, seed: int) -> Graph:
            graph: Graph = nx.path_graph(peers)
            return graph

    return Path


def halving() -> type[ModelSpec]:
    class Halving(ModelSpec):
        kind: Literal["halving"] = "halving"

        def build(self, shape: tuple[int, ...], classes: int, key: Any) -> Any:
            from torch import nn

            width = prod(shape)
            return keyed(lambda: nn.Sequential(nn.Flatten(), nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, classes)), key)

    return Halving


def own(scenario: Callable[..., Scenario], **changes: Any) -> Scenario:
    register(path_graph())
    register(halving())
    peers = {"count": 4, "main": [{"kind": "halving"}, {"kind": "retrain", "base": {"kind": "halving"}}], "seed": {"kind": "linear"}}
    leave = {"round": 2, "do": "leave", "peers": [3], "erase": True}
    return scenario(**{"rounds": 2, "peers": peers, "topology": {"kind": "path"}, "event": [leave], "audit": {}, **changes})


def test_a_registered_class_plays_inline(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    done = run(own(scenario), tmp_path, Watch())
    assert len(done.digest) == 64
    assert own(scenario).to_toml() == done.plan.scenario.to_toml()


@pytest.mark.parametrize("engine", ["ray", "grpc", "flower"])
def test_engines_with_other_processes_refuse_before_anything_is_written(
    scenario: Callable[..., Scenario], tmp_path: Path, engine: str
) -> None:
    with pytest.raises(LetheError) as refused:
        run(own(scenario, engine={"kind": engine}), tmp_path / "runs")
    assert "\n" not in str(refused.value)
    assert f"engine.kind = '{engine}' has peers in other processes" in str(refused.value)
    assert "lethe.models: halving; lethe.topologies: path" in str(refused.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_resume_elsewhere_says_what_is_missing_and_here_goes_on(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    folder = prepare(own(scenario), tmp_path)
    command = [sys.executable, "-m", "simulator.cli", "resume", str(folder)]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=False)
    assert elsewhere.returncode == 2
    assert elsewhere.stderr.count("\n") == 1
    assert "registered by hand (lethe.models: halving; lethe.topologies: path), which this process cannot import" in elsewhere.stderr
    assert resume(folder, Watch()).digest == run(own(scenario), tmp_path, Watch()).digest


def test_a_class_may_be_registered_again_as_notebooks_do(scenario: Callable[..., Scenario]) -> None:
    first, second = path_graph(), path_graph()
    assert register(first) is first
    register(second)
    assert type(own(scenario).topology) is not first  # type: ignore[attr-defined]


def test_a_cell_or_request_that_is_registered_again_is_the_new_one() -> None:
    from simulator.requests import request_of
    from simulator.requests.rows import RowsRequest
    from simulator.tasks.classification.hdus.federation import HdusClassification
    from simulator.tasks.contract import _cell

    for base, name, look in ((RowsRequest, "withdrawn", request_of), (HdusClassification, "classification/own", _cell)):
        for again in (type("First", (base,), {}), type("Second", (base,), {})):
            register(again, name=name)
            assert type(look(name)) is again


def test_an_event_is_known_to_every_task(scenario: Callable[..., Scenario]) -> None:
    from simulator.events.contract import EventSpec, Stage

    class Nothing(EventSpec):
        stage: ClassVar[Stage] = "fault"
        do: Literal["nothing"] = "nothing"

        def resolve(self, world: Any) -> None:
            world.tell("nothing", ())

    register(Nothing)
    groups = {registry.group for registry in registries() if "nothing" in registry.registered}
    assert groups == {"lethe.events", "lethe.diffusion_events", "lethe.language_events"}


def test_what_cannot_be_registered_is_one_line() -> None:
    class Mlp(halving()):  # type: ignore[misc]
        kind: Literal["mlp"] = "mlp"

    class Nameless(halving()):  # type: ignore[misc]
        kind: str = "halving"

    class Undrawn(TopologySpec):
        kind: Literal["undrawn"] = "undrawn"

    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (Mlp, {}, "'mlp' is taken in lethe.models by Lethe itself: give .*Mlp another name"),
        (Nameless, {}, 'does not say kind: Literal\\["halving"\\]'),
        (Undrawn, {}, "does not define draw"),
        (TopologySpec, {}, "TopologySpec has no kind by which"),
        (int, {}, "int keeps no contract that could be registered: derive it from one of"),
        (Undrawn, {"group": "lethe.graphs"}, "'lethe.graphs' is no entry-point group: take one of lethe.adversaries"),
        (Undrawn, {"group": "lethe.models"}, "derive it from one of clients.models.ModelSpec$"),
    ]
    for brought, how, words in wrong:
        with pytest.raises(LetheError, match=words) as refused:
            register(brought, **how)
        assert "\n" not in str(refused.value)
