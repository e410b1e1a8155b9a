from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from experiments.pictures import main, pictures
from simulator import Scenario, run
from simulator.report import svg
from simulator.report.diffusion.collect import roots
from tests.simulator.conftest import SMALL
from tests.simulator.report.diffusion import roots_example
from tests.simulator.report.example import example

pytestmark = pytest.mark.reports


def test_pictures_stand_alone(tmp_path: Path) -> None:
    plain = SMALL | {"rounds": 2, "event": [{"round": 2, "do": "leave", "peers": [1]}], "audit": {"counterfactual": False}}
    main(run(Scenario.parse(plain), tmp_path).folder, tmp_path / "docs")
    for name in (f"{plain['name']}.svg", "graph.svg"):
        stands_alone(tmp_path / "docs" / name)


def test_a_run_with_attacks_has_one_picture_of_them(tmp_path: Path) -> None:
    own = roots(roots_example.results(1), "0123456789", roots_example.images)
    (drawn,) = pictures(replace(example(1, 1), own=own)).values()
    path = tmp_path / "attacks.svg"
    path.write_text(svg.standalone(drawn))
    assert "random signs" in stands_alone(path)


def stands_alone(path: Path) -> str:
    text = path.read_text()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in text
    return text
