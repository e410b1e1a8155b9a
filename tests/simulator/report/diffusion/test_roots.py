"""The report's part about concepts that were cut out of a diffusion model, revived, and hidden."""

from __future__ import annotations

import copy
import io
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server.audit.intervals import wilson
from server.diffusion.release.acts import PICTURES
from simulator import Scenario
from simulator import run as play
from simulator.report.collect import collect
from simulator.report.diffusion import words as diffusion_words
from simulator.report.diffusion.collect import MOST_GRIDS, MOST_SAMPLES, png, roots
from simulator.report.diffusion.model import PICTURED, Roots, mean_scores
from simulator.report.model import EventRow, ReportData
from simulator.report.render import render
from tests.simulator.report.partly import rendered

pytestmark = pytest.mark.reports
SCENARIO = """
task = "diffusion"
name = "tiny"
seed = 3
rounds = 2
[data]
dataset = "digits"
rows = 300
reference = 60
test = 40
partition = { kind = "iid" }
[peers]
count = 2
[denoiser]
widths = [16]
condition_width = 16
heads = 2
[denoising]
backbone_steps = 4
batch_size = 8
[sampling]
steps = 2
[federation]
kind = "fedavg"
steps = 2
policy = { kind = "union_zero" }
[revival]
target = 2
others = 1
noise_levels = [1.0]
shares = [0.5]
policies = [{ kind = "mean" }]
[[event]]
round = 2
do = "erase"
concept = 3
peers = "all"
method = { kind = "concept_prune", calls = 2 }
[[event]]
round = 2
do = "attack"
concept = 3
[audit]
counterfactual = false
"""
LABELS = tuple("0123456789")
PAGE = "simulator.report.diffusion.page:DenoisingPage"
NAMES = {"original", "pruned", "revived", "random signs", "true signs", "neuron mean", "defended", "adaptive attack"}


class Page(HTMLParser):
    """Text of each section, images with what stands beneath them, ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.section, self.text, self.images, self.ids, self.links = "", {"": ""}, list[dict[str, str]](), list[str](), list[str]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        if tag == "section":
            self.section = own.get("id", "")
        if tag == "img":
            self.images.append(own | {"verdict": ""})
        self.ids += [own["id"]] if "id" in own else []
        self.links += [own[name] for name in ("src", "href", "xlink:href") if name in own]

    def handle_data(self, data: str) -> None:
        self.text[self.section] = re.sub(r"\s+", " ", self.text.get(self.section, "") + data)
        if self.images and not self.images[-1]["verdict"]:
            self.images[-1]["verdict"] = data


@pytest.fixture(scope="module")
def made_up(load_example: Callable[[str], ModuleType]) -> ModuleType:
    return load_example("diffusion/roots_example")


@pytest.fixture(scope="module")
def found(made_up: ModuleType) -> Roots:
    return roots(made_up.results(), LABELS, made_up.images)


@pytest.fixture(scope="module")
def run(example: Callable[..., ReportData], found: Roots) -> ReportData:
    return replace(example(2, 1, erasures=False, name="revival"), page=PAGE, own=found)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_a_run_without_revivals_says_nothing_of_them(example: Callable[..., ReportData]) -> None:
    bare = render(example(1, 1, erasures=False))
    assert "revival" not in Page(bare).ids
    assert "pixelated" not in bare


def test_what_was_measured_is_on_the_page(run: ReportData, page: Page, made_up: ModuleType) -> None:
    raw = made_up.results()
    assert {"revival", "samples", "sweeps"} <= set(page.ids)
    assert all(name in page.text["revival"] for name in NAMES)
    for row in raw["revivals"]:
        for variant in diffusion_words.VARIANTS:
            assert diffusion_words.whole(row[variant]["target"]).replace("\u202f", " ") in page.text["revival"]
        for value in (f"{row['location_auc']:.3f}", f"{row['column_auc']:.3f}", f"{100 * row['sign_accuracy']:.1f} %"):
            assert value in page.text["revival"]
    assert raw["recommendation"] in page.text["revival"]
    assert "99.4 %" in page.text["samples"]
    for policy in made_up.POLICIES:
        assert diffusion_words.explained(policy) in page.text["sweeps"]
    pruned = diffusion_words.whole(mean_scores(run.own.revivals, "pruned").target)
    assert f"after the cut {pruned}".replace("\u202f", " ") in page.text[""]


def test_history_is_said_to_recover_everything_measured_or_not(run: ReportData, page: Page, made_up: ModuleType) -> None:
    assert "With history the adversary recovers everything" in page.text["revival"]
    assert "right again" not in page.text["revival"]
    told = Page(rendered(replace(run, own=roots(made_up.results(1, adversary="historian"), LABELS, made_up.images)), "revival"))
    assert "In this run it had 59 % of the samples right again; before the cut it was 97 %." in told.text["revival"]


def test_verdicts_are_those_of_the_judge_and_need_no_colour(page: Page, made_up: ModuleType) -> None:
    arrays = made_up.images(f"{0:064x}")
    first = page.images[: 2 * MOST_SAMPLES]
    half = len(arrays["conditions"]) // 2
    places = [*range(MOST_SAMPLES), *range(half, half + MOST_SAMPLES)]
    for place, shown in zip(places, first, strict=True):
        asked, judged = int(arrays["conditions"][place]), int(arrays["judged_original"][place])
        assert shown["verdict"] == f"{judged}\u2009{chr(0x2713) if asked == judged else chr(0x2717)}"
        assert shown["alt"] == f"original: asked for {asked}, judged {judged}, {'right' if asked == judged else 'wrong'}"
        pixels = np.asarray(Image.open(io.BytesIO(b64decode(shown["src"].removeprefix("data:image/png;base64,")))))
        assert (pixels[::6, ::6] == arrays["original"][place]).all()
    assert len(page.images) == 3 * 6 * 2 * MOST_SAMPLES
    assert {image["verdict"][-1] for image in page.images} == {"\u2713", "\u2717"}


def test_fetches_nothing_and_has_no_id_twice(run: ReportData, text: str, page: Page) -> None:
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert render(run) == text


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 3)])
def test_png_keeps_every_pixel_and_enlarges_small_images(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    back = np.asarray(Image.open(io.BytesIO(png(pixels))))
    assert back.shape[:2] == (48, 48)
    for row, column in ((0, 0), (5, 11), (11, 3)):
        assert (back[row::12, column::12].reshape(-1) == pixels.reshape(-1)).all()
    assert Image.open(io.BytesIO(png(np.zeros((64, 64), np.uint8)))).size == (64, 64)


def test_what_was_not_measured_says_so(run: ReportData, made_up: ModuleType) -> None:
    bare: dict[str, Any] = {"concept": 3, "round": 2, "policy": "mean", "adversary": "mask_oracle", "knowledge": "weights, mask",
                            "completion": None, "random_signs": None,
                            "original": {"target": 0.9, "others": None}, "pruned": None, "sign_accuracy": None}
    said = Page(render(replace(run, own=roots({"revivals": [bare]}, LABELS, made_up.images))))
    assert "not measured" in said.text["revival"]
    assert "samples" not in said.ids
    assert not said.images
    assert "the weights and the mask" in said.text["revival"]


@pytest.mark.slow
def test_long_lists_are_cut_and_the_page_says_by_how_much(run: ReportData, made_up: ModuleType) -> None:
    many = made_up.results(1, curves=False)
    many["revivals"] = many["revivals"] * 60
    said = Page(render(replace(run, own=roots(many, LABELS, made_up.images))))
    assert f"Samples of {60 - MOST_GRIDS} more revivals are not shown" in said.text["samples"]
    assert "20 more revivals are in results.json" in said.text["revival"]


def test_names_cannot_break_out_of_the_page(run: ReportData, made_up: ModuleType) -> None:
    evil = '"><script>alert(1)</script>'
    raw = made_up.results(2)
    raw["recommendation"] = evil
    for one in [*raw["revivals"], *raw["curves"]]:
        one["policy"] = evil
    text = render(replace(run, own=roots(raw, (evil,) * 10, made_up.images)))
    assert "<script" not in text
    assert evil in Page(text).text["revival"]


@pytest.mark.slow
def test_colour_images_and_curves_alone_render(run: ReportData, made_up: ModuleType, tmp_path: Path) -> None:
    coloured = roots(made_up.results(1), LABELS, lambda sha: made_up.images(sha, colour=True))
    shown = Page(render(replace(run, own=coloured))).images[0]["src"]
    assert Image.open(io.BytesIO(b64decode(shown.removeprefix("data:image/png;base64,")))).mode == "RGB"
    only = roots({"revivals": [], "curves": made_up.curve(1)}, LABELS, made_up.images)
    assert "sweeps" in Page(render(replace(run, own=only))).ids


def test_what_was_erased_and_every_fill_that_was_tried_are_told(page: Page) -> None:
    told = page.text["revival"]
    for shown in ("peers 0, 1 and 2", "concept prune", "16.8 %", "87.1 %", "redrawn columns", "gaussian (relative 1.0)"):
        assert shown in told
    assert "0.930.86\u20130.99" in told  # the interval stands beneath its value
    for shown in ("96 %", "14 %", "88 %", "round 5, attack on concept 1 by mask oracle: nothing has been cut yet"):
        assert shown in told
    assert "91 %" in page.text[""]


def test_of_neighbours_it_is_told_how_often_they_still_draw_the_concept(run: ReportData, made_up: ModuleType) -> None:
    raw = {"revivals": [], "concepts": made_up.concepts_erased(1), "timeline": [{"round": 1, "loss_local": 0.5, "loss_ensemble": 0.4}]}
    raw["concepts"][0] |= {"policy": None, "density": None, "original": None, "erased": None, "drawn": {"local": 0.125, "sampled": 0.625}}
    read = roots(raw, LABELS, made_up.images)
    assert (read.losses[0].alone, read.losses[0].together) == (0.5, 0.4)
    told = Page(rendered(replace(run, own=read), "revival")).text["revival"]
    assert "12.5 %" in told
    assert "62.5 %" in told
    assert "weights cut" not in told
    assert "what became of it" not in told, "samples tell"
    raw["concepts"][0]["outcome"] = "the server refused what its peers sent"
    refused = Page(rendered(replace(run, own=roots(raw, LABELS, made_up.images)), "revival"))
    assert "the server refused what its peers sent" in refused.text["revival"]
    raw["concepts"][0]["drawn"] |= {"n": 16, "interval": {"local": [0.03, 0.36], "sampled": [0.39, 0.82]}}
    counted = Page(rendered(replace(run, own=roots(raw, LABELS, made_up.images)), "revival")).text["revival"]
    assert "12.5 %(3\u201336 %)" in counted.replace(" (", "(")


def test_curves_and_the_judge_stand_with_their_intervals(run: ReportData, made_up: ModuleType) -> None:
    raw = made_up.results(1)
    before = Page(rendered(replace(run, own=roots(raw, LABELS, made_up.images)), "sweeps")).text["sweeps"]
    assert "95 % intervals" not in before, "the control: numbers are unknown"
    for one in raw["curves"]:
        for point in one["points"]:
            point |= {"n": {"target": 60, "others": 90}, "interval": {}}
    raw["judge"] |= {"n": 539, "interval": [0.98, 1.0]}
    page = Page(rendered(replace(run, own=roots(raw, LABELS, made_up.images)), "sweeps", "samples"))
    assert "Bars: 95 % intervals over samples." in page.text["sweeps"]
    assert "in each row 60 of the concept and 90 of the others" in page.text["sweeps"]
    assert "99.4 % (98\u2013100 % of 539)" in page.text["samples"]


@pytest.mark.slow
def test_of_a_release_it_is_told_what_it_is_made_of_and_how_it_differs_from_an_average(run: ReportData, made_up: ModuleType) -> None:
    raw = made_up.results() | {"release": {"policy": "vote(0.5)", "scale": 2.0, "sampled": 0.875}}
    raw["revivals"] = [raw["revivals"][0] | {"policy": None, "seed_of": 4}]
    events = (EventRow(1, "attack", (), "concept 3 in each seed by zero_scan"),)
    told = Page(render(replace(run, own=roots(raw, LABELS, made_up.images), events=events)))
    assert "2 times their mean step" in told.text["release"]
    assert "88 %" in told.text["release"]
    assert "seeds of single peers" in told.text["revival"].lower()
    assert "seed of peer 4" in told.text["revival"]
    assert "A curious neighbour attacked: concept 3 in each seed by zero scan" in told.text["timeline"]
    assert "release" not in Page(render(run)).ids, "the control: averages have no such section"


def test_a_diffusion_run_without_concepts_says_nothing_of_roots_or_of_accuracies(run: ReportData) -> None:
    events = (EventRow(1, "erase", (0, 1), "concept 3 by concept_prune"), EventRow(1, "attack", (), "concept 3 by zero_scan"))
    bare = Page(render(replace(run, own=Roots(), events=events)))
    assert not {"revival", "samples", "sweeps", "erasures"} & set(bare.ids)
    assert "ensemble" not in bare.text["costs"] + bare.text["peers"]
    assert "Peers 0 and 1 erased concept 3 by concept prune" in bare.text["timeline"]
    assert "The server attacked: concept 3 by zero scan" in bare.text["timeline"]
    assert "left or erased" not in bare.text["members"]
    assert "main models alone 25 %" in Page(render(replace(run, own=Roots(sampled=0.75, sampled_alone=0.25)))).text[""]


@pytest.mark.slow
def test_shares_stand_with_their_intervals_where_numbers_of_samples_are_known(run: ReportData, made_up: ModuleType) -> None:
    assert not Page(render(run)).text["revival"].count("95 % intervals"), "the control: no numbers, no intervals"
    raw = made_up.results(1)
    raw["revivals"].append(copy.deepcopy(raw["revivals"][0]) | {"round": 99})
    for row in raw["revivals"]:
        for scores in (one for one in row.values() if isinstance(one, dict) and "target" in one):
            scores["n"] = {"target": 60, "others": 90}
    own = roots(raw, LABELS, made_up.images)
    said = Page(render(replace(run, own=own))).text
    mean = mean_scores(own.rows(own.settings[0]), "pruned")
    assert mean.n_target == 60 * len(own.rows(own.settings[0]))
    low, high = wilson(mean.target or 0.0, mean.n_target)
    assert f"({100 * low:.0f}\u2013{100 * high:.0f} %)" in said["revival"]
    assert "95 % intervals over samples; in each row 60 of the concept and 90 of the others" in said["revival"]
    assert ", round 99" in said["revival"], "the same concept, attacked again"


@pytest.mark.slow
def test_collateral_of_an_erasure_stands_concept_by_concept(run: ReportData, page: Page, made_up: ModuleType) -> None:
    assert "classes" not in page.ids, "the control: nothing was counted"
    assert "4: 50 %" not in page.text["revival"]
    raw = made_up.results(1)
    worst = {"concept": 4, "share": 0.5, "n": 10, "interval": [0.12, 0.88]}
    near = {"n": 90, "frechet": 1.25, "precision": 0.75, "recall": 0.625, "real": {"frechet": 0.5, "precision": 0.875, "recall": 0.9}}
    for scores in (raw["concepts"][0]["erased"], raw["revivals"][0]["revived"]):
        scores |= {"worst": worst, "fidelity": near}
    share = {"share": 0.9, "n": 10, "interval": [0.6, 0.98]}
    counts = {str(number): {str(number): 9, "8": 1} for number in range(8)}
    raw["accuracy"] |= {"each": dict.fromkeys(counts, share), "confusion": counts, "fidelity": near}
    told = Page(render(replace(run, own=roots(raw, LABELS, made_up.images)))).text
    assert told["revival"].count("4: 50 %") == 2
    for words in ("1.25 (0.50)", "75 % (88 %)", "62 % (90 %)", "(12\u201388 %)", "90 samples, and as many real images"):
        assert words in told["revival"], words
    assert "60\u201398 %" in told["classes"]
    assert "Fr\u00e9chet distance from real images 1.25 (0.50)" in told["classes"]
    many = {str(number): share | {"share": number / 20} for number in range(20)}
    raw["accuracy"] |= {"each": many, "confusion": {name: {name: 1} for name in many}, "fidelity": None}
    told = Page(render(replace(run, own=roots(raw, tuple(map(str, range(20))), made_up.images)))).text
    assert "The 8 other classes" in told["classes"]


def test_changes_from_the_same_noise_and_signs_stand_with_what_they_are_worth(run: ReportData, page: Page, made_up: ModuleType) -> None:
    assert "gained" not in page.text["revival"], "the control: nothing was compared"
    assert "too narrow" not in page.text["revival"]
    raw = made_up.results(2)
    raw["concepts"][0]["erased"]["paired"] = {"original": {"gained": 0, "lost": 46, "p": 2.8e-14}}
    raw["revivals"][0]["revived"]["paired"] = {"pruned": {"gained": 24, "lost": 1, "p": 1.5e-6}}
    raw["revivals"][1] |= {"n": {"sign_accuracy": 6000, "sign_accuracy_top_fifth": 1200}, "interval": {"sign_accuracy": [0.656, 0.7]}}
    told = Page(rendered(replace(run, own=roots(raw, LABELS, made_up.images)), "revival")).text["revival"]
    for words in ("revivedfrom pruned",
                  "+0 \u221246p = 2.8e-14", "+24 \u22121p = 1.5e-06", "None of the 2 tests is corrected", "below 0.025",
                  "67.8 %(65.6\u201370.0 %)", "over 6 000 lost entries, and 1 200 of the surest fifth", "too narrow"):
        assert words in told, words
    assert "from random signs" not in told


def test_whom_an_adversary_names_is_a_sentence(run: ReportData, page: Page, made_up: ModuleType) -> None:
    assert "suspects" not in page.text["revival"], "the control"
    raw = made_up.results(1, adversary="name")
    raw["revivals"][0] |= {"knowledge": "weights, list of concepts"}
    raw["revivals"][0]["named"] = {"concept": 4, "right": False, "place": 2, "of": 10, "chance": 0.1}
    told = Page(rendered(replace(run, own=roots(raw, LABELS, made_up.images)), "revival")).text["revival"]
    assert "it names 4 first, which is wrong; 0 is number 2 of 10 suspects. By chance 10 % are right." in told
    assert "the adversary holds the released model, and the list of its concepts" in told


def test_a_real_run_reaches_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.toml").write_text(SCENARIO)
    folder = play(Scenario.load(tmp_path / "tiny.toml"), tmp_path / "runs").folder
    data, raw = collect(folder), json.loads((folder / "results.json").read_text())
    assert data.page == PAGE
    (row,), (erased,) = data.own.revivals, data.own.erased
    assert (row.concept, row.setting) == ("3", ("union_zero", "zero_scan", "weights only", "soft_impute"))
    assert row.scores["revived"].others == raw["revivals"][0]["revived"]["others"]
    assert {strip.variant for strip in row.strips} == set(PICTURED)
    assert PICTURES == MOST_SAMPLES
    for strip in row.strips:
        assert [sample.asked for sample in strip.target] == ["3", "3"]
        assert [sample.asked for sample in strip.others] == list("01245678")
    assert erased.peers == (0, 1)
    assert erased.density == raw["concepts"][0]["density"]
    assert (erased.before, erased.after) == (row.scores["original"], row.scores["pruned"])
    assert (erased.before.n_target, erased.before.n_others) == (2, 9)
    told = raw["revivals"][0]["pruned"]
    assert told["n"] == {"target": 2, "others": 9}
    assert told["interval"] == {part: list(wilson(told[part], n)) for part, n in told["n"].items()}
    assert data.own.recommendation == raw["recommendation"]
    assert [loss.together for loss in data.own.losses] == [line["loss_global"] for line in raw["timeline"]]
    assert {curve.kind for curve in data.own.curves} == {"noise", "share"}
    shown = Page((folder / "report.html").read_text())
    assert len(shown.images) == sum(len(strip.target) + len(strip.others) for strip in row.strips)
    assert raw["recommendation"] in shown.text["revival"]
    assert erased.after.worst.share == raw["concepts"][0]["erased"]["worst"]["share"]
    assert "Class by class" in shown.text["classes"]
