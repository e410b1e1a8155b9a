"""What no request of a scenario can be judged or carried out by is refused before the run; one request that can be is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.errors import ScenarioError
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

FOLDER = Path(__file__).resolve().parents[3] / "experiments" / "scenarios"
AVERAGED, NEIGHBOURS, REFINED, POISON = (FOLDER / f"{name}.toml" for name in ("unlearners", "keys/audits", "keys/refined", "poison"))


def delete(number: int, peer: int = 0, share: float = 0.1) -> str:
    return f"{{round = {number}, do = 'delete', peers = [{peer}], rows = {{fraction = {share}}}}}"


@pytest.mark.parametrize(
    ("path", "sets", "line"),
    [
        (AVERAGED, ["audit.answers=true"], "audit.answers: asks language models, and peers have none: remove"),
        (AVERAGED, ["audit.inversion=true", "event.0.round=1"], "audit.inversion: the request came in the first round: nobody saw"),
        (NEIGHBOURS, ["audit={u_lira=true, klom=true}", f"event=[{delete(2, share=0.01)}]"], "audit.klom, audit.u_lira: too few rows (1)"),
        (REFINED, ["peers.main.1.method={kind='ntk', rows=9}"], "round 2: method 'ntk' of peer 1: 10 rows to forget and as many"),
        (REFINED, [f"event=[{delete(2, share=0.01)}]"], "round 2: method 'rum' of peer 0: 1 rows make no 3 groups: lower groups"),
        (REFINED, ["peers.main.0.method.methods=[{kind='ntk', rows=5}]"], "round 2: method 'rum' of peer 0: group 1, 'ntk': 4 rows to"),
        (REFINED, ["peers.main.0.method.methods=['spiking']"], "'rum' has 'spiking' as the method of a group, which needs a spiking"),
        (AVERAGED, ["event.0.rows={label='six'}"], "peer 0 has no row of class six"),
        (POISON, ["peers.backdoor.peers=[3, 3]"], "peers: backdoor names peer 3 twice: name it once"),
    ],
)
def test_it_is_one_line(path: Path, sets: list[str], line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(Scenario.load(path, sets))
    (said,) = str(error.value).splitlines()
    assert line in said


@pytest.mark.parametrize(
    ("path", "sets"),
    [
        (AVERAGED, ["audit.inversion=true", "compare=[]", f"event=[{delete(1)}, {delete(2)}]"]),
        (AVERAGED, ["audit.inversion=true", "compare=[]", "event=[]"]),
        (NEIGHBOURS, ["audit={u_lira=true}", f"event=[{delete(2, share=0.01)}, {delete(3, 1)}]"]),
        (REFINED, [f"event=[{delete(2, share=0.03)}]"]),
        (REFINED, ["peers.main.1.method={kind='ntk', rows=20}"]),
        (FOLDER / "keys" / "newton.toml", ["expect=[{after = 'final', metric = 'bytes_replayed', min = 0}]"]),
    ],
)
def test_the_control_one_that_can_be_is_enough(path: Path, sets: list[str]) -> None:
    resolve(Scenario.load(path, sets))
