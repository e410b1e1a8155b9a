"""Results as tables: whole words at 80 columns."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from rich.console import Console

from server.diffusion.metrics import VERSIONS as NAMES
from simulator.audits.membership import MembershipInference
from simulator.checkpoints.cut import Zeros
from simulator.checkpoints.scan import CheckpointScan, LayerScan, table
from simulator.runs.run import Run
from simulator.terminal import comparison
from simulator.terminal.concept_tables import VERSIONS, tables
from simulator.terminal.results import show_results


def attack(adversary: str, masked: bool = True) -> dict[str, Any]:
    scores = {name: {"target": 0.123, "others": 0.456} if masked or name in NAMES[:3] else None for name in NAMES}
    return {"round": 10, "concept": 3, "adversary": adversary, **scores, "sign_accuracy": 0.789 if masked else None,
            "sign_accuracy_top_fifth": None}


def erased(**changes: Any) -> dict[str, Any]:
    scores = {"original": {"target": 0.98, "others": 0.99}, "erased": {"target": 0.21, "others": 0.9}}
    return {"round": 9, "concept": 3, "method": "class_discriminative", "peers": list(range(10)), "drawn": None, **scores, **changes}


LEFT: dict[str, Any] = {
    "round": 12, "kind": "rows", "peer": 11, "rows": 120, "method": "stop_contributing", "guarantee": "approximate",
    "max_abs_difference": 0.000123, "gradient_steps": 12345, "receipts": [0] * 9, "holders": [0] * 10,
    "mia_auc": None, "mia_auc_counterfactual": None,
}  # fmt: skip
AUDITED = {"membership_inference": [column.told() for column in MembershipInference.columns]}
KINDS = ("zero_scan", "adaptive", "mask_oracle", "undiluter", "historian", "neighbour")
FOUND: dict[str, Any] = {
    "name": "story", "seed": 7, "engine": "ray", "digest": "0" * 64, "accuracy": {"sampled": 0.917}, "expectations": [],
    "judge": {"held_out_accuracy": 0.983},
    "erasures": [LEFT], "concepts": [erased()], "revivals": [*map(attack, KINDS), attack("historian", masked=False)],
    "not_played": [{"round": 10, "do": "attack", "concept": 3, "adversary": "repruner", "why": "nothing has been cut [yet]"}],
}  # fmt: skip


def printed(what: object, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    if isinstance(what, dict):
        show_results(cast(Run, SimpleNamespace(results=what)), console)
    else:
        console.print(what)
    return cast(io.StringIO, console.file).getvalue()


def test_a_row_for_each_version_and_a_column_for_each_attack() -> None:
    assert set(VERSIONS) == set(NAMES)
    text = printed(FOUND)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in text
    for word in ("class_discriminative", "0.98 / 0.99", "0.21 / 0.90", "zero scan", "mask oracle", "undiluter", "stop_contributing"):
        assert word in text, word
    assert sum(line.split()[:2] == ["random", "signs"] for line in lines) == 2, "what does not fit stands in a second table"
    (first, second) = (line for line in lines if line.startswith("revived"))
    assert first.count("0.12 / 0.46") + second.count("0.12 / 0.46") == len(FOUND["revivals"])
    assert [line.split()[-1] for line in lines if line.startswith("adaptive  ")][-1] == "-", "no mask, nothing to be adaptive about"
    assert "not played, round 10: attack concept 3 by repruner: nothing has been cut [yet]" in text


def test_a_line_says_how_many_samples_and_how_sure() -> None:
    row = attack("zero_scan")
    assert "samples each" not in printed({**FOUND, "revivals": [row]}), "the control: numbers are unknown"
    for scores, low in ((row["pruned"], 0.25), (row["revived"], 0.3)):
        scores |= {"target": 0.4, "n": {"target": 60, "others": 90}, "interval": {"target": [low, 0.5], "others": [0.4, 0.5]}}
    assert "attacks: of 60 / 90 samples each; 95 % intervals: at most \u00b10.15 / \u00b10.06" in printed({**FOUND, "revivals": [row]})
    row["revived"]["n"] = {"target": 60, "others": 80}
    assert "of 60 / 80 to 90 samples each" in printed({**FOUND, "revivals": [row]})
    row["revived"]["worst"] = {"concept": 4, "share": 0.5, "n": 10, "interval": [0.1, 0.9]}
    assert "; worst other of 10: \u00b10.40" in " ".join(printed({**FOUND, "revivals": [row]}).split())
    once = erased(erased=row["pruned"])
    assert "erasures: of 60 / 90 samples each" in printed({**FOUND, "concepts": [once]})


def test_the_worst_of_the_others_and_nearness_to_real_images_are_told_where_known() -> None:
    assert "worst\n" not in printed(FOUND)
    assert "worst class" not in printed(FOUND), "the control"
    worst = {"concept": 4, "share": 0.5, "n": 10, "interval": [0.2, 0.8]}
    row = attack("zero_scan")
    row["revived"] = row["revived"] | {"worst": worst}
    near = {"n": 90, "frechet": 1.25, "precision": 0.75, "recall": 0.625, "real": {"frechet": 0.5, "precision": 0.875, "recall": 0.9}}
    whole = {"sampled": 0.917, "n": 100, "interval": [0.845, 0.957], "worst": worst, "fidelity": near}
    once = erased(erased={"target": 0.21, "others": 0.9, "worst": worst})
    text = printed({**FOUND, "accuracy": whole, "concepts": [once], "revivals": [row]})
    assert max(map(len, text.splitlines())) <= 80
    assert "0.917 (0.84 to 0.96, n = 100); worst class 4: 0.50 (0.20 to 0.80, n = 10)" in " ".join(text.split())
    assert "Fr\u00e9chet distance 1.25 (0.50), precision 0.75 (0.88), recall 0.62 (0.90)" in " ".join(text.split())
    assert [line.split()[-2:] for line in text.splitlines() if "class_discriminative" in line] == [["4:", "0.50"]]
    assert [line.split()[-2:] for line in text.splitlines() if line.startswith("worst other")] == [["4:", "0.50"]]


def test_changes_from_the_same_noise_and_signs_stand_with_what_they_are_worth() -> None:
    assert "gained" not in printed(FOUND), "the control: nothing was compared"
    assert "signs: of" not in printed(FOUND)
    row, other = attack("zero_scan"), attack("zero_scan")
    row["revived"]["paired"] = {"pruned": {"gained": 24, "lost": 1, "p": 1.5e-6}, "random_signs": {"gained": 20, "lost": 3, "p": 0.0005}}
    ends = {"sign_accuracy": [0.78, 0.8], "sign_accuracy_top_fifth": [0.88, 0.92]}
    row |= {"n": {"sign_accuracy": 6000, "sign_accuracy_top_fifth": 1200}, "interval": ends, "sign_accuracy_top_fifth": 0.9}
    once = erased(erased={"target": 0.21, "others": 0.9, "paired": {"original": {"gained": 0, "lost": 46, "p": 2.8e-14}}})
    text = printed({**FOUND, "concepts": [once], "revivals": [row, other]})
    assert max(map(len, text.splitlines())) <= 80
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "pruned to revived +24 -1 p 1.5e-06 -" in lines
    assert "random signs to revived +20 -3 p 0.0005 -" in lines
    assert "erased in round 9: 3, samples gained and lost: +0 -46 p 2.8e-14" in lines
    assert "surest fifth 0.90 -" in lines
    assert "signs: of 6000 lost entries / 1200 surest 95 % intervals: at most \u00b10.011 / \u00b10.020, too narrow" in " ".join(lines)
    row["n"].pop("sign_accuracy_top_fifth")
    few = " ".join(printed({**FOUND, "concepts": [once], "revivals": [row, other]}).split())
    assert "signs: of 6000 lost entries 95 %" in few, "too few were lost to have a surest fifth"


def test_whom_an_adversary_names_is_told_with_chance() -> None:
    assert "named" not in printed(FOUND), "the control"
    row = attack("name") | {"named": {"concept": 4, "right": False, "place": 2, "of": 10, "chance": 0.1}}
    told = "named from the scar, round 10: 4, wrong (chance 0.10); 3 is number 2 of 10 suspects"
    assert told in " ".join(printed({**FOUND, "revivals": [row]}).split())


def test_attacks_on_rows_have_a_table_of_their_own() -> None:
    assert "membership" not in printed(FOUND), "none was measured"
    reason = {"membership_inference": "not judged: nobody [left]"}
    measured = LEFT | {"peer": 3, "mia_auc": 0.525, "mia_auc_counterfactual": 0.5}
    text = printed(FOUND | {"audits": AUDITED, "erasures": [LEFT | {"not_judged": reason}, measured]})
    assert "membership inference, round 12, 120 rows of peer 11: not judged: nobody [left]" in text
    assert "did nothing" not in text, "no such run was looked at"
    assert max(map(len, text.splitlines())) <= 80
    (row,) = (line.split() for line in text.splitlines() if "0.525" in line)
    assert row == ["12", "120", "rows", "of", "peer", "3", "0.525", "0.5"]


def test_a_wide_terminal_shows_all_attacks_in_one_table() -> None:
    assert sum(line.startswith("random signs") for line in printed(FOUND, 200).splitlines()) == 1


def test_peers_that_draw_for_themselves_are_told_of_too() -> None:
    found = {"concepts": [erased(original=None, erased=None, drawn={"local": 0.125, "sampled": 0.5})], "revivals": []}
    (one,) = tables(found, 80)
    assert "0.12" in printed(one)
    assert "0.50" in printed(one)


def test_scan_breaks_no_word() -> None:
    zeros = Zeros(count=6_553_600, entries=6_553_600 * 50, columns=5120, alone=1280, expected=0.0, cut=True)
    layer = LayerScan(zeros, 0.512, 1280, 123_456, 0.654, 0.912, 100)
    text = printed(table(CheckpointScan(str(Path("x")), "plain", {"up_blocks.1.attentions.2.transformer_blocks.0.ff.net.2": layer})))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for word in ("columns", "surest", "fifth", "up.1.2.0", "6553600", "5120"):
        assert word in text


def test_shares_of_ensembles_stand_with_their_intervals() -> None:
    told = {"sampled": 0.5, "n": 60, "interval": [0.38, 0.62], "worst": None, "local": 0.25, "local_interval": [0.16, 0.37]}
    text = " ".join(printed({**FOUND, "accuracy": told}).split())
    assert "0.5 (0.38 to 0.62, n = 60) of main models without their neighbours: 0.25 (0.16 to 0.37, n = 60)" in text
    drawn = {"local": 0.125, "sampled": 0.5, "n": 8, "interval": {"local": [0.02, 0.47], "sampled": [0.22, 0.78]}}
    (one,) = tables({"concepts": [erased(original=None, erased=None, drawn=drawn)], "revivals": []}, 80)
    text = printed(one)
    assert "0.12 (0.02-0.47)  0.50 (0.22-0.78)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_compared_methods_keep_their_names_and_claims_at_80_columns() -> None:
    figures = {"parameters": 0.0563, "predictions": 0.00345, "verdict": "measured"}
    scores = {name: {"accuracy": 0.667, "low": 0.3, "high": 0.9, "n": 6} for name in ("forget", "retain", "test")}
    costs = {"guarantee": "exact", "gradient_steps": 123456, "client_epochs": 20.0, "bytes": 1234567, "seconds": 0.0722}
    methods = [{"row": "boundary_expand", **figures, **scores, **costs, "verdict": "proven"}, {"row": "npo", "verdict": "failed"}]
    one = {"event": 0, "round": 2, "kind": "rows", "rows": 6, "compared": [{"row": "retrained again", **figures, **scores}, *methods]}
    narrow, wide = ("".join(printed(table, width) for table in comparison.tables(one, width)) for width in (80, 200))
    assert max(map(len, narrow.splitlines())) <= 80
    assert [narrow.count(words) for words in ("retrained again", "exact: proven", "0.667 (0.30 to 0.90)", "1,234,567")] == [3, 1, 6, 1]
    assert wide.count("retrained again") == 1
    assert "FAILED" in wide
