from __future__ import annotations

from clients.diffusion.judges.spec import JUDGES
from clients.unlearning import UNLEARNERS
from clients.unlearning.general import METHODS
from clients.unlearning.pruning import ERASERS
from server.defences.fills import FILLS
from server.revival.adversaries import ADVERSARIES
from simulator.terminal.methods import erasers, methods, table, unlearners


def test_every_method_is_listed_in_its_own_section_with_how_it_works() -> None:
    first, *sections = [section.splitlines() for section in table().split("\n\n")]
    assert first[0].startswith("systems: ")
    assert [section[0].partition(":")[0] for section in sections] == ["methods", "unlearners", "erasers", "adversaries", "fills", "judges"]
    for section, registry in zip(sections, (METHODS, UNLEARNERS, ERASERS, ADVERSARIES, FILLS, JUDGES), strict=True):
        listed = [line.split()[0] for line in section[2:]]
        assert set(registry.targets()) - set(listed) == set()
        columns = section[1].split()
        assert all(len(line.split("  ")) >= len(columns) for line in section[2:])
    assert "cnn    small convolutional network, for photographs" in table()
    assert "drop_seed" in table()


def test_methods_say_where_they_can_be_used_and_learners_whether_as_main_models() -> None:
    where = {kind: place for kind, _, place, _, _ in methods()}
    assert "main models" in where["finetune"]
    assert "main models" not in where["drop_seed"]
    assert "classification/hdus" in where["drop_seed"]
    assert where["subtract"] == "classification/sums"
    main = {kind: told for kind, _, _, told, _, _ in unlearners()}
    assert main["sisa"] == "yes"
    assert main["grapheraser"] == "yes, on graphs"
    assert main["kmeans"] == "no: is no classifier"


def test_erasers_say_what_they_need() -> None:
    needs = {kind: needed for kind, needed, _, _ in erasers()}
    assert (needs["salun"], needs["esd"], needs["uce"]) == ("images", "guidance", "nothing")


def test_adversaries_say_what_they_know() -> None:
    assert "weights, history of aggregates" in table()
