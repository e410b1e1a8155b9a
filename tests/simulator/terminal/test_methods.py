from __future__ import annotations

from clients.diffusion.judges.spec import JUDGES
from clients.unlearning import UNLEARNERS
from clients.unlearning.pruning import ERASERS
from server.defences.fills import FILLS
from server.revival.adversaries import ADVERSARIES
from simulator.terminal.methods import table


def test_every_method_is_listed_in_its_own_section_with_how_it_works() -> None:
    sections = [section.splitlines() for section in table().split("\n\n")]
    assert [section[0].partition(":")[0] for section in sections] == ["unlearners", "erasers", "adversaries", "fills", "judges"]
    for section, registry in zip(sections, (UNLEARNERS, ERASERS, ADVERSARIES, FILLS, JUDGES), strict=True):
        listed = [line.split()[0] for line in section[2:]]
        assert set(registry.targets()) - set(listed) == set()
        columns = section[1].split()
        assert all(len(line.split("  ")) >= len(columns) for line in section[2:])
    assert "cnn    small convolutional network, for photographs" in table()
    assert "drop_seed" in table()
    assert "weights, history of aggregates" in table()
