from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from experiments.pictures import main
from simulator import Scenario, run
from tests.simulator.conftest import SMALL


def test_pictures_stand_alone(tmp_path: Path) -> None:
    plain = SMALL | {"rounds": 2, "event": [{"round": 2, "do": "leave", "peers": [1]}], "audit": {"counterfactual": False}}
    main(run(Scenario.parse(plain), tmp_path).folder, tmp_path / "docs")
    for name in ("departures.svg", "graph.svg"):
        text = (tmp_path / "docs" / name).read_text()
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--" not in text
