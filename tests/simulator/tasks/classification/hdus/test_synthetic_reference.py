"""Seeds distilled on rows that are drawn: private rows do not move them, and a reference set that is fitted to a peer is caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.classification.hdus.peer import Peer
from simulator.errors import ScenarioError
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.terminal.check_json import plain

DELETE = {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.2}}
LEAVE = {"round": 3, "do": "leave", "peers": [2], "erase": True}
TINY: dict[str, Any] = {
    "rounds": 3,
    "peers": {"count": 4, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}},
    "audit": {"counterfactual": True},
    "event": [DELETE, LEAVE],
}


def data(reference: Any, **changes: Any) -> dict[str, Any]:
    table = {"dataset": "digits", "rows": 300, "reference": reference, "test": 60, "partition": {"kind": "iid"}}
    return table | changes


def drawn(kind: str, rows: int = 30) -> dict[str, Any]:
    return {"kind": kind, "rows": rows}


def fit(lessons: Callable[[Peer], Any]) -> Callable[[Peer], Any]:
    """Return the planted fault: reference rows moved towards the rows that the peer began with."""

    def fitted(peer: Peer) -> Any:
        from clients.data import load

        ids, x, _ = lessons(peer)
        own = load(peer.config.data).rows(np.asarray(peer.config.rows)).x.mean(axis=0)
        moved = (x + own) / 2
        return ids, moved, moved

    return fitted


def test_forgetting_is_exact_with_synthetic_reference_rows(play: Callable[..., Run]) -> None:
    run = play(data=data(drawn("noise")), **TINY)
    assert [one["max_abs_difference"] for one in run.results["erasures"]] == [0.0, 0.0]
    assert all(one["max_abs_difference_nothing"] > 0 for one in run.results["erasures"])
    assert any("30 drawn from the seed and facts of the data alone (reference = noise)" in line for line in run.results["given"])
    assert verify(run.folder) == []


def test_a_reference_set_fitted_to_a_peer_is_caught(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "_lessons", fit(Peer._lessons))
    run = play(data=data(drawn("generated")), **TINY)
    deleted, left = run.results["erasures"]
    assert deleted["max_abs_difference"] > 0.0
    assert left["max_abs_difference"] == 0.0, "each peer fits to its own rows only"
    assert any("differs" in line for line in verify(run.folder))


def test_private_rows_move_no_reference_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.random((90, 3)), np.arange(90) % 2
    whole = data({"kind": "generated", "rows": 20}, dataset="npz", path=str(tmp_path / "t.npz"), rows=None, test=30)
    table = {key: value for key, value in whole.items() if value is not None}
    scenario = Scenario.parse({"name": "moved", "data": table, "topology": {"kind": "ring"}, **TINY, "event": []})

    def lessons() -> list[bytes]:
        from clients.data import load

        np.savez(tmp_path / "t.npz", x=x, y=y)
        load.cache_clear()
        configs = resolve(scenario).configs
        return [np.ascontiguousarray(Peer.new(config)._lessons()[1]).tobytes() for config in configs]

    before = lessons()
    assert len(set(before)) == 1, "all peers have the same rows"
    x[list(resolve(scenario).configs[2].rows)] *= 0.5
    assert lessons() == before
    monkeypatch.setattr(Peer, "_lessons", fit(Peer._lessons))
    fitted = lessons()
    x[list(resolve(scenario).configs[2].rows)] *= 0.5
    changed = [one != other for one, other in zip(fitted, lessons(), strict=True)]
    assert changed == [False, False, True, False], "the control: the peer whose rows changed"


def test_no_row_is_set_aside_and_plans_with_numbers_stay_as_they_were(scenario: Callable[..., Scenario]) -> None:
    real, synthetic = (resolve(scenario(data=data(reference), **TINY)) for reference in (60, drawn("noise")))
    assert (len(real.configs[0].reference), synthetic.configs[0].reference) == (60, ())
    assert "synthetic" not in real.configs[0].model_dump()
    assert real.scenario.model_dump()["data"]["reference"] == 60
    assert [sum(len(one.rows) for one in plan.configs) for plan in (real, synthetic)] == [180, 240]
    assert plain(synthetic)["data"]["synthetic"] == drawn("noise")
    assert Scenario.parse(synthetic.scenario.to_toml()) == synthetic.scenario


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": data({"kind": "fitted", "rows": 3})}, "data.reference.kind: is 'fitted': write 'generated' or 'noise'"),
        ({"data": data({"kind": "noise"})}, "data.reference.rows: is missing"),
        ({"data": data({"kind": "noise", "rows": 0})}, "data.reference.rows: is 0: write a number above 0"),
        ({"data": data({"kind": "noise", "rows": 3, "seed": 4})}, "data.reference.seed: is not a key here: remove it or mend it; known"),
        ({"data": data(0)}, "data.reference: is 0: write a number above 0"),
        ({"data": data(True)}, "data.reference: is True: write a whole number"),
        ({"data": data("many")}, "data.reference: is 'many': write a whole number"),
    ],
)
def test_what_is_no_reference_set_is_refused(scenario: Callable[..., Scenario], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(scenario(**TINY | changes))
    assert words in str(caught.value)


def test_synthetic_rows_are_refused_where_nobody_distils_on_them(scenario: Callable[..., Scenario]) -> None:
    federation = {"kind": "sums", "model": {"kind": "ridge"}}
    raw = {"name": "sums", "rounds": 2, "federation": federation, "data": data(drawn("noise")), "peers": {"count": 4}}
    with pytest.raises(ScenarioError, match=r"data.reference: kind = 'noise' is for classifiers of an hdus federation"):
        resolve(Scenario.parse(raw))


def test_images_beyond_the_drawn_range_are_refused(tmp_path: Path, scenario: Callable[..., Scenario]) -> None:
    np.savez(tmp_path / "t.npz", x=np.linspace(-1, 1, 90 * 16).reshape(90, 4, 4), y=np.arange(90) % 2)
    table = data(drawn("noise"), dataset="npz", path=str(tmp_path / "t.npz"), rows=80, test=30)
    with pytest.raises(ScenarioError, match=r"data.reference: draws pixels between 0 and 1, the data's lie between -1 and 1"):
        resolve(scenario(**TINY | {"data": table, "event": []}))
