# ruff: noqa: E501  a table of mistakes, one a line
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.errors import LetheError, ScenarioError
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.schema import schema

DEPARTURES = Path(__file__).parents[3] / "experiments" / "scenarios" / "departures.toml"


def broken(*overrides: str) -> tuple[str, ...]:
    """Return the lines that the scenario with these changes is answered with, be it when it is read or when it is resolved."""
    with pytest.raises(ScenarioError) as error:
        resolve(Scenario.load(DEPARTURES, overrides))
    return error.value.lines


MALFORMED = [
    # keys
    ("roundz = 3", "roundz: is not a key here", "did you mean rounds?"),
    ("training.epoch = 3", "training.epoch: is not a key here", "did you mean epochs?"),
    ("topology.kk = 3", "topology.kk: is not a key here", "known: k, kind, on_leave, p"),
    ("peers.main.3.base.hiden = [3]", "peers.main.3.base.hiden: is not a key here", "did you mean hidden?"),
    ("event.0.eraze = true", "event 1 (event.0.eraze): is not a key here", "did you mean erase?"),
    ("data.path = 'x'", "data.path: is not a key here", "known: columns, dataset, facts, labels, partition, reference, rows, test, validation"),
    ("expect = [{after = 2, metrik = 'x'}]", "expect 1 (expect.0.metrik): is not a key here", "did you mean metric?"),
    # kinds
    ("topology.kind = 'rin'", "topology: kind = 'rin' is unknown", "did you mean ring?"),
    ("event.0.do = 'leve'", "event 1 (event.0): do = 'leve' is unknown", "did you mean leave?"),
    ("data.dataset = 'digit'", "data: dataset = 'digit' is unknown", "did you mean digits?"),
    ("peers.main.1.kind = 'sisaa'", "peers.main.1: kind = 'sisaa' is unknown", "did you mean sisa?"),
    ("training.optimizer = {lr = 1}", "training.optimizer: has no kind: add one", "known: adam, sgd"),
    ("churn = {p_off = 0.1}", "churn: has no kind: add one", "known: markov, poisson, trace"),
    ("engine.kind = 'spark'", "engine: kind = 'spark' is unknown", "inline"),
    ("data.partition = {kind = 'dirichlett'}", "data.partition: kind = 'dirichlett' is unknown", "did you mean dirichlet?"),
    # types and ranges
    ("rounds = '8'", "rounds: is '8'", "write a whole number"),
    ("rounds = 0", "rounds: is 0", "write a number above 0"),
    ("seed = -1", "seed: is -1", "write a number of at least 0"),
    ("event.0.round = 1.5", "event 1 (event.0.round): is 1.5", "write a whole number"),
    ("data.reference = true", "data.reference: is True", "write a whole number"),
    ("peers.main.0.hidden = 64", "peers.main.0.hidden: is 64", "write a list"),
    ("peers = 10", "peers: is 10", "write a table"),
    ("peers.main = []", "peers.main: is []", "at least 1 entries"),
    ("event.0.peers = ['4']", "event 1 (event.0.peers): is ['4']", "give a list of peer numbers"),
    ("event.0.erase = 'yes'", "event 1 (event.0.erase): is 'yes'", "write true or false"),
    ("training.optimizer.lr = -1", "training.optimizer.lr: is -1", "write a number above 0"),
    ("training.optimizer.lr = nan", "training.optimizer.lr: is nan", "write a finite number"),
    ("ensemble.weights = 'best'", "ensemble.weights: is 'best'", "write 'uniform', 'size', 'class' or 'confidence'"),
    ("ensemble.self_weight = 2", "ensemble.self_weight: is 2", "write 'share' or a number of at most 1"),
    ("name = 'a b'", "name: is 'a b'", "letters, digits, dots, dashes and underscores"),
    ("topology.p = 1.5", "topology.p: is 1.5", "write a number of at most 1"),
    ("engine.workers = 0", "engine.workers: is 0", "write a number above 0"),
    ("event = 3", "event: is 3", "write a list"),
    # tables that contradict themselves
    ("event.1.rows = {}", "event 2 (event.1.rows): needs exactly one of fraction, ids, label", "in one way"),
    ("event.1.peers = [2]", "event 2 (event.1): needs either peer or peers", "in one way"),
    ("event.0.fraction = 0.5", "event 1 (event.0): needs exactly one of peers, select, fraction", "in one way"),
    ("event.3.select.label = 2", "event 4 (event.3.select): label goes with by = 'class_holder'", "add or remove label"),
    ("event.3.select.fraction = 0.5", "event 4 (event.3.select): needs either count or fraction", "give one of them"),
    ("peers.groups = {big = [3, 12]}", "peers: group big names peer 12", "peers are 0 to 9"),
    ("expect = [{after = 2}]", "expect 1 (expect.0): needs exactly one of metric, absent, equal_to", "one thing a table"),
    ("expect = [{after = 2, metric = 'accuracy.global.main'}]", "expect 1 (expect.0): metric goes with min, max", "give the bounds"),
    ("expect = [{after = 9, absent = 4}]", "expect 1 (expect.0.after): is 9, after the last round 8", "lower it, or raise rounds"),
    ("expect = [{after = 5, absent = 10}]", "expect 1 (expect.0): peer 10 is unknown", "peers are 0 to 9"),
    ("expect = [{after = 5, equal_to = 'never_joined', peer = 0}]", "expect 1 (expect.0): peer 0 is not erased by round 5", "name an erased"),
    # events that cannot happen
    ("event.0.peers = [10]", "event 1 (event.0), leave in round 3: peer 10 is unknown", "peers are 0 to 9"),
    ("event.0.peers = 'big'", "event 1 (event.0), leave in round 3: group 'big' is unknown", "define it in peers.groups"),
    ("event.0.peers = [4, 4]", "event 1 (event.0), leave in round 3: peer 4 is named twice", "name it once"),
    ("event.0.round = 9", "event 1 (event.0.round): is 9, after the last round 8", "lower it, or raise rounds"),
    ("event.1.peer = 4", "event 2 (event.1), delete in round 4: peer 4 cannot delete rows: it has been erased since round 3", "before its erasure"),
    ("event.2 = {round = 5, do = 'rejoin', peers = [1]}", "event 3 (event.2), rejoin in round 5: peer 1 cannot rejoin: it is present", "go offline"),
    ("event.2 = {round = 5, do = 'crash', peers = [4]}", "event 3 (event.2), crash in round 5: peer 4 cannot crash", "let it rejoin first"),
    ("event.2 = {round = 5, do = 'crash', peers = [1], phase = 'now'}", "event 3 (event.2.phase): is 'now'", "'before_training'"),
    ("event.2 = {round = 5, do = 'leave', peers = [4]}", "event 3 (event.2), leave in round 5: peer 4 cannot leave", "before its erasure"),
    ("event.2 = {round = 1, do = 'cut', edges = [[0, 0]]}", "event 3 (event.2), cut in round 1: edge [0, 0]", "name two peers"),
    ("event.2 = {round = 4, do = 'cut', edges = [[0, 4]]}", "event 3 (event.2), cut in round 4: peer 4 is not in the graph", "name peers that are"),
    ("event.1.rows = {ids = [99999]}", "event 2 (event.1), delete in round 4: row ids 99999 are not held by peer 3", "name rows it holds, such as"),
    ("event.1.rows = {label = 77}", "event 2 (event.1), delete in round 4: peer 3 has no row of class 77", "name a class it holds"),
    ("event.3.select.count = 20", "event 4 (event.3), leave in round 6: select asks for 20 peers, but 9 members are left", "ask for fewer"),
    # data, partition, models, graph
    ("data.partition.min_rows = 200", "data.partition: 10 peers with at least 200 rows each need 2000, but 1077 are left", "take fewer peers"),
    ("data.partition = {kind = 'pathological', classes = 11}", "data.partition: classes = 11, but the data has 10", "take at most 10"),
    ("data.partition = {kind = 'column', column = 'x'}", "data.partition: column = 'x' is no column", "take another kind"),
    ("data.test = 2000", "data: reference = 360 and test = 2000 leave none of 1797 rows to deal", "lower them"),
    ("data.rows = 5000", "data: rows = 5000, but the source has 1797", "ask for at most 1797"),
    ("peers.main.1 = {kind = 'grapheraser'}", "peers.main.1: grapheraser forgets nodes and edges", "take another kind"),
    ("peers.main.3.slices = 60", "peers.main.3: peer 3: sisa cuts 50 rows into 3 shards x 60 slices", "at most 50 slices"),
    ("topology = {kind = 'erdos_renyi', p = 0.0}", "topology: the graph falls into 10 parts", "add edges"),
    ("topology.k = 10", "topology: k = 10 needs at least 11 peers", "lower k or raise peers.count"),
    ("churn = {kind = 'trace', path = 'nowhere.csv'}", "nowhere.csv: cannot be read", "correct path"),
    ("topology = {kind = 'file', path = 'nowhere.txt'}", "nowhere.txt: there is no such file", "correct path"),
    ("data = {dataset = 'csv', path = 'gone.csv', reference = 9, test = 9, partition = {kind = 'iid'}}", "gone.csv: there is no such", "correct path"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "what", "cure"), MALFORMED, ids=[setting[:50] for setting, *_ in MALFORMED])
def test_each_mistake_is_one_line_with_file_place_and_cure(setting, what, cure):
    lines = broken(setting)
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{DEPARTURES}: ")
    assert what in lines[0]
    assert cure in lines[0]
    assert "\n" not in lines[0]


def test_all_mistakes_are_told_at_once():
    lines = broken("roundz = 3", "event.0.do = 'leve'", "training.epochs = 0")
    assert [line.split(": ")[1] for line in lines] == ["training.epochs", "event 1 (event.0)", "roundz"]
    assert len(broken("event.0.peers = [10]", "event.1.peer = 12", "event.2.peers = [77]")) == 3


def test_missing_keys_are_named():
    with pytest.raises(ScenarioError) as error:
        Scenario.parse('name = "x"', source="x.toml")
    assert error.value.lines == tuple(f"x.toml: {key}: is missing: add this key" for key in ("rounds", "data", "peers", "topology"))


def test_a_convolution_on_a_table_is_answered_before_training():
    line, *_ = lines = broken("data.dataset = 'wine'", "data.reference = 10", "data.test = 10", "data.partition = {kind = 'iid'}")
    assert "peers.main.2: " in line
    assert len(lines) == 1


def test_a_file_that_is_missing_or_no_toml(tmp_path):
    with pytest.raises(LetheError, match=r"cannot be read .No such file or directory.: give the path of a scenario file"):
        Scenario.load(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("name = [")
    with pytest.raises(ScenarioError, match=r"bad.toml: is not TOML .* mend the syntax there"):
        Scenario.load(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("rounds", "is no change: write key.path=value"),
        ("=3", "is no change"),
        ("event.9.round=3", "event has 4 entries, 0 to 3: '9' is none of them"),
        ("event.x.round=3", "'x' is none of them"),
        ("rounds.x=3", "rounds is 8, not a table: shorten the path to rounds"),
    ],
)
def test_overrides_that_lead_nowhere(setting, words):
    with pytest.raises(LetheError, match=words) as error:
        Scenario.load(DEPARTURES, [setting])
    assert str(error.value).startswith(f"--set {setting}: ")


def test_overrides():
    scenario = Scenario.load(
        DEPARTURES, ["rounds=9", "event.0.round = 4", "ensemble.weights=size", "churn={kind='markov', p_off=0.1, p_on=0.5}", "name=ab"]
    )
    assert (scenario.rounds, scenario.event[0].round, scenario.ensemble.weights, scenario.name) == (9, 4, "size", "ab")
    assert scenario.churn is not None


def test_the_shown_file_says_what_it_says():
    scenario = Scenario.load(DEPARTURES)
    assert [(event.do, event.round) for event in scenario.event] == [("leave", 3), ("delete", 4), ("offline", 5), ("leave", 6)]
    assert [main.kind for main in scenario.peers.main] == ["mlp", "mlp", "cnn", "sisa", "linear"]
    assert scenario.audit.model_dump() == {"counterfactual": True, "membership_inference": True, "relearn": True}
    assert (scenario.engine.kind, scenario.engine.workers) == ("inline", 2)
    assert scenario.source == str(DEPARTURES)


def test_toml_round_trip():
    scenario = Scenario.load(DEPARTURES, ["peers.groups={big=[0, 1]}", "expect=[{after=3, absent=4}]", "event.0.peers=big"])
    assert Scenario.parse(scenario.to_toml()) == scenario


def test_replace_changes_a_copy_and_is_validated():
    scenario = Scenario.load(DEPARTURES)
    changed = scenario.replace(
        rounds=9,
        topology__on_leave="none",
        event__1__round=2,
        peers__main=scenario.peers.main[:2],
        churn={"kind": "markov", "p_off": 0.1, "p_on": 1.0},
    )
    assert (changed.rounds, changed.topology.on_leave, changed.event[1].round, len(changed.peers.main)) == (9, "none", 2, 2)
    assert scenario.rounds == 8
    with pytest.raises(ScenarioError, match=r"topology.on_leave: is 'nothing'"):
        scenario.replace(topology__on_leave="nothing")


def test_a_scenario_can_be_built_from_a_dict():
    raw = Scenario.load(DEPARTURES).model_dump(mode="json", exclude_none=True)
    assert Scenario.parse(raw) == Scenario.load(DEPARTURES)


def test_relative_paths_start_at_the_file(tmp_path, monkeypatch):
    np.savez(tmp_path / "own.npz", x=np.random.default_rng(0).random((40, 3)), y=np.arange(40) % 2)
    (tmp_path / "graph.txt").write_text("0 1\n")
    (tmp_path / "s.toml").write_text(
        """
        name = "own"
        rounds = 2
        data = { dataset = "npz", path = "own.npz", reference = 5, test = 5, partition = { kind = "iid" } }
        peers = { count = 2, main = [{ kind = "linear" }], seed = { kind = "linear" } }
        topology = { kind = "file", path = "graph.txt" }
        """
    )
    plan = resolve(Scenario.load(tmp_path / "s.toml"))
    monkeypatch.chdir(tmp_path)
    assert plan.timeline.rounds[0].edges == ((0, 1),)
    assert resolve(Scenario.load("s.toml")).digest == plan.digest


def test_the_schema_knows_every_key_of_the_shown_file():
    text = json.dumps(schema())
    for word in ("dirichlet", "min_rows", "betweenness", "never_joined", "small_world", "temperature", "self_weight", "shards"):
        assert f'"{word}"' in text


def test_checking_is_quick_and_imports_nothing_heavy():
    code = f"""
import sys, time
start = time.process_time()
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.resolution import resolve
from simulator.terminal.check import describe
describe(resolve(Scenario.load({str(DEPARTURES)!r})))
print(time.process_time() - start, *(name for name in ("torch", "flwr", "ray", "sklearn", "scipy", "pandas", "grpc") if name in sys.modules))
"""
    seconds, *heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy == []
    assert float(seconds) < 1.5
