from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from experiments.pictures import main
from simulator import Scenario, run

SCENARIO = """
name = "picture"
rounds = 2
seed = 1
[data]
dataset = "digits"
reference = 60
test = 60
partition = { kind = "iid" }
[peers]
count = 4
main = [{ kind = "linear" }]
seed = { kind = "linear" }
[training]
epochs = 1
[distillation]
epochs = 1
[topology]
kind = "ring"
[[event]]
round = 2
do = "leave"
peers = [1]
"""


def test_pictures_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "picture.toml").write_text(SCENARIO)
    main(run(Scenario.load(tmp_path / "picture.toml"), tmp_path).folder, tmp_path / "docs")
    for name in ("departures.svg", "graph.svg"):
        text = (tmp_path / "docs" / name).read_text()
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--" not in text
