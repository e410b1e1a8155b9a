"""Peers that hold groups of users: rows are interactions, a peer recommends to users whom it never saw, and forgets exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.classification.hdus.peer import Peer
from clients.data import load
from clients.data.interactions import LESSONS, Interactions, Ratings
from clients.data.ratings import ratings
from clients.unlearning.exact.recommender.metrics import recall_and_ndcg
from simulator.errors import LetheError, ScenarioError
from simulator.report.writing import page as report_of
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.hdus.costs import costs

FILE = Path(__file__).parents[2] / "experiments" / "scenarios" / "ratings.toml"
WMF: dict[str, Any] = {"kind": "receraser", "base": {"kind": "wmf", "decay": 0.5}, "dim": 4}
MAINS: list[dict[str, Any]] = [
    WMF | {"shards": 2, "partition": "ubp", "epochs": 10, "lr": 0.01},
    WMF | {"shards": 2, "partition": "keyed", "aggregate": "mean"},
    WMF | {"shards": 1, "partition": "keyed", "aggregate": "mean"},
]
USERS, ITEMS, TASTES, LIKED = 90, 30, 3, 7
LEAVE = {"round": 2, "do": "leave", "peers": [4], "erase": True}
DELETE = {"round": 3, "do": "delete", "peers": [0, 1, 2], "rows": {"fraction": 0.1}}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users of three tastes, who choose among ten items each with few exceptions; the lines are in no order."""
    chance = np.random.default_rng(3)
    lines = []
    for user in range(USERS):
        odds = np.where(np.arange(ITEMS) % TASTES == user % TASTES, 20.0, 1.0)
        lines += [f"{user},{item},5" for item in chance.choice(ITEMS, LIKED, replace=False, p=odds / odds.sum())]
    file = tmp_path_factory.mktemp("ratings") / "tastes.csv"
    file.write_text("uid,iid,stars\n" + "\n".join(chance.permutation(lines)) + "\n")
    return file


@pytest.fixture(scope="module")
def scenario(path: Path) -> Callable[..., Scenario]:
    def build(**changes: Any) -> Scenario:
        public = {"dataset": "ratings", "path": str(path), "top": 5, "reference": 20, "test": 20, "partition": {"kind": "users"}}
        table = {
            "name": "tastes",
            "seed": 1,
            "rounds": 3,
            "data": public | changes.pop("data", {}),
            "peers": {"count": 5, "main": MAINS, "seed": {"kind": "mlp", "hidden": [8]}} | changes.pop("peers", {}),
            "distillation": {"epochs": 10, "temperature": 0.05, "optimizer": {"kind": "adam", "lr": 0.01}},
            "topology": {"kind": "ring", "on_leave": "bridge"},
            "event": [LEAVE, DELETE],
        }
        return Scenario.parse(table | changes)

    return build


@pytest.fixture(scope="module")
def data(path: Path) -> Interactions:
    found = load(Ratings(path=str(path), top=5))
    assert isinstance(found, Interactions)
    return found


@pytest.fixture(scope="module")
def finished(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(scenario(audit={"membership_inference": True, "relearn": True}), tmp_path_factory.mktemp("runs"))


def test_a_history_is_what_else_a_user_chose(data: Interactions) -> None:
    assert len(data) == USERS * LIKED
    assert data.shape == (ITEMS,)
    rows = np.array([0, 8, 9])
    for row, history in zip(rows, data.inputs(rows), strict=True):
        others = (data.users == data.users[row]) & (np.arange(len(data)) != row)
        assert np.flatnonzero(history).tolist() == data.y[others].tolist()


def test_an_answer_is_right_if_the_item_ranks_high_among_those_not_seen(data: Interactions) -> None:
    row = np.array([4])
    history, item = data.inputs(row)[0], data.y[4]
    unseen = [i for i in range(ITEMS) if not history[i] and i != item]

    def right(*above: int) -> bool:
        scores = np.zeros((1, ITEMS))
        scores[0, item] = 0.5
        scores[0, list(above)] = 1.0
        return bool(data.metrics(row, scores)["accuracy"][0])

    assert right(*unseen[:4])
    assert not right(*unseen[:5])
    assert right(*np.flatnonzero(history), *unseen[:4]), "items of the history are no competitors"
    level = data.metrics(row, np.zeros((1, ITEMS)))["accuracy"][0]
    assert level == (sum(i < item for i in unseen) < 5), "equal scores go by the items' numbers"


def test_recall_and_ndcg_are_those_of_the_ranking(data: Interactions) -> None:
    rows = np.arange(0, len(data), 11)
    scores = np.random.default_rng(0).random((len(rows), ITEMS))
    found = data.metrics(rows, scores)
    for i, row in enumerate(rows):
        seen, kept_back = np.flatnonzero(data.inputs(row[None])[0]), data.y[[row]]
        one = [ratings(np.zeros_like(items), items, 1, ITEMS) for items in (seen, kept_back)]
        assert (found["accuracy"][i], found["ndcg"][i]) == pytest.approx(recall_and_ndcg(scores[i : i + 1], *one, 5))
    assert 0 < found["ndcg"].mean() < found["accuracy"].mean() < 1


def test_lessons_are_whole_histories_and_parts_of_them(data: Interactions) -> None:
    rows = np.array([3, 40])
    ids, x = data.lessons(rows)
    assert ids.tolist() == [*range(3 * LESSONS, 4 * LESSONS), *range(40 * LESSONS, 41 * LESSONS)]
    wholes = data.inputs(rows)
    for whole, parts in zip(wholes, x.reshape(2, LESSONS, ITEMS), strict=True):
        np.testing.assert_array_equal(parts[0], whole)
        assert (parts <= whole).all()
        assert len({part.tobytes() for part in parts}) > LESSONS // 2
    np.testing.assert_array_equal(data.lessons(rows[1:])[1], x[LESSONS:]), "whoever else is asked"


def test_users_stay_whole_and_public_ones_are_dealt_to_nobody(scenario: Callable[..., Scenario], data: Interactions) -> None:
    configs = resolve(scenario()).configs
    groups = [set(data.users[list(config.rows)].tolist()) for config in configs]
    public = [set(data.users[list(rows)].tolist()) for rows in (configs[0].reference, configs[0].test)]
    assert [len(users) for users in public] == [20, 20]
    everyone = [*groups, *public]
    assert sum(map(len, everyone)) == len(set().union(*everyone)) == USERS
    assert {len(group) for group in groups} == {10}


def test_no_private_row_is_shown(scenario: Callable[..., Scenario], data: Interactions) -> None:
    config = resolve(scenario()).configs[0]
    private = np.unique(np.concatenate([other.rows for other in resolve(scenario()).configs]))
    shown = np.zeros(ITEMS)
    for rows in (config.reference, config.test):
        of_public = np.isin(data.users, data.users[list(rows)])
        assert not of_public[private].any()
        shown += data.inputs(np.array(rows)).sum(axis=0)
    assert shown.sum() == 40 * (LIKED - 1)


def test_peers_learn_what_their_users_like_and_seeds_carry_it_on(finished: Run) -> None:
    chance = 5 / (ITEMS - LIKED + 1)
    assert finished.results["metrics"]["Recall@5"]["global"]["main"] > 2 * chance
    assert finished.results["metrics"]["Recall@5"]["global"]["ensemble"] > 2 * chance
    assert finished.results["metrics"]["Recall@5"]["local"]["main"] > 2 * chance


def test_metrics_go_by_their_names(finished: Run) -> None:
    metrics = finished.results["metrics"]
    assert list(metrics) == ["Recall@5", "NDCG@5"]
    assert 0.3 < metrics["NDCG@5"]["global"]["ensemble"] / metrics["Recall@5"]["global"]["ensemble"] < 1
    assert finished.timeline["Recall@5_global_main"].notna().all()
    assert {"Recall@5.global.main", "NDCG@5.local.ensemble"} < set(finished.metrics.name)
    assert not any("accuracy" in name for name in (*finished.results, *finished.results["timeline"][0], *finished.metrics.name))
    with pytest.raises(LetheError, match=r"accuracy is not measured here, Recall@5 and NDCG@5 are"):
        finished.accuracy  # noqa: B018
    page = report_of(finished.folder)
    assert "Recall@5 of ensembles" in page
    assert "NDCG@5 of ensembles" in page
    assert "Accuracy" not in page


def test_departure_and_deletions_of_interactions_are_exact(finished: Run, scenario: Callable[..., Scenario]) -> None:
    assert finished.results["incidents"] == []
    departure, *deletions = finished.results["erasures"]
    assert [row["method"] for row in (departure, *deletions)] == ["drop_seed", "receraser", "receraser", "receraser"]
    for row in (departure, *deletions):
        assert (row["guarantee"], row["max_abs_difference"]) == ("exact", 0.0)
        assert row["max_abs_difference_nothing"] > 0.0, "the comparison would notice if nothing had been forgotten"
        assert row["mia_auc"] == row["mia_auc_counterfactual"]
        assert row["relearn_steps"] == row["relearn_steps_counterfactual"]
    cost = costs(resolve(scenario()))
    steps = sum(row["gradient_steps"] for row in finished.results["timeline"])
    assert steps == cost.main_steps + cost.seed_steps, "as foretold"
    assert 0 < sum(row["gradient_steps"] for row in deletions) <= cost.forget_steps
    assert verify(finished.folder) == []
    assert "receraser" in report_of(finished.folder)


@pytest.mark.slow
def test_ray_gives_the_digest_of_inline(finished: Run, scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    ray = run(scenario(engine={"kind": "ray", "workers": 2}, audit={"counterfactual": False}), tmp_path)
    assert ray.digest == finished.digest


def test_a_user_goes_with_all_its_interactions(scenario: Callable[..., Scenario], data: Interactions, tmp_path: Path) -> None:
    plan = resolve(scenario())
    user = int(data.users[plan.configs[1].rows[0]])
    own = np.flatnonzero(data.users == user).tolist()
    event = {"round": 3, "do": "delete", "peer": 1, "rows": {"user": user}}
    done = run(scenario(event=[event]), tmp_path)
    (row,) = done.results["erasures"]
    assert (row["rows"], row["max_abs_difference"]) == (LIKED, 0.0)
    assert row["max_abs_difference_nothing"] > 0.0
    config = plan.configs[1]
    peer = Peer.new(config)
    peer.train()
    peer.forget(own)
    never = Peer.new(config.model_copy(update={"rows": tuple(i for i in config.rows if i not in own)}))
    never.train()
    assert peer.main_blob == never.main_blob


def test_a_frozen_partition_does_not_claim_to_be_exact_and_is_not(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    frozen = MAINS[0] | {"partition": "inbp", "aggregate": "mean", "leakage": "frozen"}
    delete = {"round": 3, "do": "delete", "peer": 0, "rows": {"fraction": 0.3}}
    (row,) = run(scenario(peers={"count": 3, "main": [frozen]}, event=[delete]), tmp_path).results["erasures"]
    assert row["guarantee"] != "exact"
    assert row["max_abs_difference"] != 0.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peers": {"main": [{"kind": "linear"}]}}, "peers.main.0: linear forgets rows, a peer's main model must here forget interactions"),
        ({"peers": {"main": [{"kind": "naive_bayes"}]}}, "peers.main.0: naive_bayes forgets rows"),
        ({"peers": {"seed": {"kind": "cnn"}}}, "peers.seed: cnn needs images"),
        ({"peers": {"count": 51}}, "data.partition: 50 users are left for 51 peers: set peers.count to 50 or less"),
        ({"data": {"reference": 70}}, "data: reference = 70 and test = 20 leave none of 90 users to deal: lower them"),
        ({"data": {"top": 30}}, "top = 30 of 30 items leaves nothing to miss: ask for fewer"),
        ({"data": {"top": 0}}, "data.top: is 0: write a number above 0"),
        ({"data": {"item": "film"}}, "no column 'film' among uid, iid, stars"),
        ({"data": {"path": "nowhere.csv"}}, "nowhere.csv: there is no such CSV file"),
        ({"event": [{"round": 2, "do": "delete", "peer": 0, "rows": {"user": 999}}]}, "peer 0 has no row of user 999 (left)"),
        (
            {"event": [{"round": 2, "do": "delete", "peer": 0, "rows": {"user": 1, "label": 2}}]},
            "needs exactly one of fraction, ids, label, user",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_said_in_one_line(scenario: Callable[..., Scenario], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(**changes))
    (line,) = error.value.lines
    assert said in line


def test_where_rows_belong_to_nobody_there_are_no_users() -> None:
    wine = {"dataset": "wine", "reference": 30, "test": 40, "partition": {"kind": "iid"}}
    table: dict[str, Any] = {
        "name": "wine",
        "rounds": 2,
        "data": wine,
        "peers": {"count": 2, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}},
        "topology": {"kind": "ring"},
        "event": [{"round": 2, "do": "delete", "peer": 0, "rows": {"user": 1}}],
    }
    for changes, said in (
        ({}, "the rows of this data set belong to no users: name a fraction, ids or a label"),
        ({"data": wine | {"partition": {"kind": "users"}}}, "the rows of this data set belong to no users: take another kind of partition"),
        ({"peers": table["peers"] | {"main": [{"kind": "receraser"}]}}, "receraser forgets interactions and users"),
    ):
        with pytest.raises(ScenarioError) as error:
            resolve(Scenario.parse(table | changes))
        assert said in error.value.lines[0]


@pytest.mark.slow
def test_movielens(shared_data: Path, tmp_path: Path) -> None:
    finished = run(Scenario.load(FILE, [f"data.path='{shared_data / 'ml-100k-ratings.csv'}'"]), tmp_path)
    assert {row["max_abs_difference"] for row in finished.results["erasures"]} == {0.0}
    assert min(row["max_abs_difference_nothing"] for row in finished.results["erasures"]) > 0.0
    assert all(one["met"] for one in finished.results["expectations"])
    found = finished.results["metrics"]["Recall@10"]["global"]["ensemble"]
    assert found > 0.15, "the 10 items most seen by a peer's users are right with about 0.12"
    assert verify(finished.folder) == []
