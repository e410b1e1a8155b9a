import io
from pathlib import Path

import pytest
from rich.console import Console

from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.hdus.costs import costs, in_words
from simulator.tasks.contract import cell_of
from simulator.terminal.audit_check import warnings
from simulator.terminal.check import describe
from simulator.terminal.check_json import plain

DEPARTURES = Path(__file__).parents[3] / "experiments" / "scenarios" / "departures.toml"


def shown(*overrides: str) -> str:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(describe(resolve(Scenario.load(DEPARTURES, overrides))))
    return console.export_text()


def test_the_dry_run_tells_what_will_happen():
    text = shown()
    for words in (
        "seed 7, 8 rounds, 10 peers",
        "inputs 1 x 8 x 8",
        "sisa (shards 3, base mlp (hidden 64))",
        "leave 4: erased; 4 edges vanish; new edges",
        "[event 1]",
        "delete 3: 2 rows [event 2]",
        "offline 1: until round 7",
        "further runs for the audits",
        "3 of peers (no gradient step), 1 of rows",
    ):
        assert words in text


def test_costs_by_hand():
    scenario = Scenario.load(
        DEPARTURES, ["event=[{round = 3, do = 'delete', peer = 0, rows = {fraction = 0.5}}]", "rounds=3", "peers.count=2"]
    )
    plan = resolve(scenario.replace(topology={"kind": "ring"}, data__partition={"kind": "iid"}))
    cost = costs(plan)
    sizes = [len(config.rows) for config in plan.configs]
    left = sizes[0] - round(sizes[0] / 2)

    def steps(rows: int) -> int:
        return 5 * -(-rows // 32)

    assert cost.messages == 2 * (3 * 2 + 2)
    assert cost.main_steps == 2 * steps(sizes[0]) + steps(left) + 3 * steps(sizes[1])
    assert cost.forget_steps == 2 * steps(left)
    assert cost.seed_steps == 6 * 20 * 12
    assert cost.seed_bytes == 4 * (65 * 32 + 33 * 10)
    assert cost.overlay_bytes == cost.seed_bytes * 2 * 3
    assert further_runs(plan) == 2


def test_no_bound_is_told_of_the_steps_of_a_method() -> None:
    """The fault: ``at most`` what retraining takes, where `salun` takes what its settings say."""
    changes = ["event=[{round = 3, do = 'delete', peers = [0, 1], rows = {fraction = 0.5}}]", "rounds=3", "peers.count=2"]
    network = {"kind": "linear"}
    salun = {"kind": "approximate", "base": network, "method": "salun"}
    scenario = Scenario.load(DEPARTURES, changes).replace(topology={"kind": "ring"}, data__partition={"kind": "iid"})
    mixed, alone = (resolve(scenario.replace(peers__main=main)) for main in ([salun, network], [salun]))
    cost = costs(mixed)
    assert cost.unbounded == ("salun",)
    one = len(mixed.configs[1].rows)
    assert cost.forget_steps == 2 * 5 * -(-(one - round(one / 2)) // 32), "the peer that trains again"
    told, others = (dict(in_words(plan, 0))["erasures"] for plan in (mixed, alone))
    assert f"(steps of salun are known only when carried out; at most {cost.forget_steps:,} steps of the others)" in told
    assert "at most" not in others


def test_runs_without_requests_or_audits_cost_nothing_extra():
    for change in ("event=[]", "audit={counterfactual=false}"):
        assert further_runs(resolve(Scenario.load(DEPARTURES, [change]))) == 0


def test_every_further_run_is_counted():
    more = "audit={counterfactual={again=true, original=true}, relearn=true}"
    assert further_runs(resolve(Scenario.load(DEPARTURES))) == 4
    assert further_runs(resolve(Scenario.load(DEPARTURES, [more]))) == 1 + 3 * 3


def further_runs(plan):
    return cell_of(plan).further_runs(plan)


@pytest.mark.parametrize("peers", [1, 60])
def test_few_and_many_peers(peers):
    text = shown(
        f"peers.count={peers}",
        "topology={kind='complete'}",
        "event=[{round=2, do='leave', fraction=1.0, erase=true}]",
        "data.partition={kind='iid'}",
        "peers.main=[{kind='mlp', hidden=[]}]",
    )
    assert "nobody" in text
    assert ("20 more" in text) == (peers == 60)


def test_requests_that_an_audit_cannot_judge_are_told():
    many, one = ("{{round = 3, do = 'delete', peer = {}, rows = {{fraction = {}}}}}".format(*who) for who in ((0, 0.5), (1, 0.01)))
    few = f"event=[{many}, {one}]"
    plan = resolve(Scenario.load(DEPARTURES, [few, "audit.u_lira=true", "audit.klom=true"]))
    line = "round 3, erasure 1 (rows of peer 1): not judged by klom, u_lira: too few rows (1) to tell models apart by: delete at least 8"
    assert [one.startswith(line) for one in warnings(plan)] == [True]
    assert plain(plan)["warnings"] == list(warnings(plan))
    assert f"warning: {line}" in shown(few, "audit.u_lira=true", "audit.klom=true").replace("\n", " ")
    assert "warnings" not in plain(resolve(Scenario.load(DEPARTURES)))
