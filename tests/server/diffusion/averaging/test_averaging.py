from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clients import wire
from clients.averaging.update import COUNT
from clients.data.bundled import Digits
from clients.diffusion import local
from clients.diffusion.averaging.config import AveragedDenoisingConfig
from clients.diffusion.denoiser import build
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.masks import pack_masks, unpack_masks
from server.aggregation.mean import weighted_mean
from server.aggregation.optimizers import Replace
from server.averaging.cohort import Cohorts
from server.averaging.contract import Averaged
from server.defences.fills import Gaussian
from server.diffusion.averaging.coordinator import DenoiserAveraging
from server.diffusion.release.contract import Acting, Setup
from server.diffusion.release.policies import Mean, PolicySpec, UnionNoise, UnionZero, Vote
from server.diffusion.release.server_mask import ServerMask, mask_from_activities
from server.diffusion.release.update import DenoiserUpdate
from server.diffusion.timeline import ConceptErasure, ConceptRound, ConceptTimeline, Defence
from server.ledger import RoundRecord
from server.mailbox import MailboxState, Parcel
from simulator.storage.store import RunStore

PEERS = (0, 1, 2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))


BRIEF = AveragedDenoisingConfig(
    run_seed=1,
    peer=0,
    rounds=9,
    data=Digits(dataset="digits"),
    rows=(1, 2),
    reference=(3,),
    test=(4, 5),
    denoiser=SMOKE,
    denoising=DenoiserTraining(),
    sampling=Sampling(steps=8),
    steps=1,
)


@pytest.fixture(scope="module")
def backbone() -> bytes:
    return wire.to_bytes({name: tensor.numpy() for name, tensor in build(SMOKE, ("test",)).state_dict().items()})


def timeline() -> ConceptTimeline:
    rounds = tuple(ConceptRound(round=number, present=PEERS, members=PEERS, edges=()) for number in range(1, 10))
    asked = ConceptErasure(index=0, round=1, concept=3, peers=PEERS, method=ConceptPrune())
    return ConceptTimeline(rounds=rounds, concepts=(asked,))


class Bench:
    """An averaging server and its mailbox."""

    def __init__(self, backbone: bytes, policy: PolicySpec) -> None:
        self.store = RunStore()
        self.timeline = timeline()
        averaged = Averaged(Replace(), self.timeline, self.store, Cohorts(BRIEF.run_seed))
        self.server = DenoiserAveraging(Setup(BRIEF, backbone, policy, self.timeline, Acting()), averaged)
        self.mailbox, self.versions = MailboxState(), 0
        self.layer = self.server.layers[0]
        self.name = local.parameter_of(self.layer)

    def model(self, value: float) -> dict[str, np.ndarray]:
        """Return weights of one value, or twice that in every other column, so that a layer has a spread."""
        return {name: np.full_like(array, value) * pattern(array) for name, array in self.server.start.items()}

    def mask(self, *rows: int) -> dict[str, torch.Tensor]:
        mask = torch.zeros(self.server.start[self.name].shape, dtype=torch.bool)
        mask[list(rows)] = True
        return {self.layer: mask}

    def send(self, record: RoundRecord, peer: int, value: float, cut=None, count: int = 10, arrives: int = 0, extra=None) -> None:
        self.versions += 1
        weights = local.cut_out(self.model(value), cut or {})
        packed = {f"mask/{name}": array for name, array in pack_masks(cut or {}).items()}
        blob = wire.to_bytes({**weights, **packed, COUNT: np.array(count), **(extra or {})})
        parcel = Parcel(owner=peer, generation=0, version=self.versions, sha256=wire.sha256(blob), size=len(blob), arrives=arrives)
        record.artefacts[parcel.sha256] = blob
        self.mailbox.post(parcel)

    def close(self, number: int, record: RoundRecord) -> RoundRecord:
        self.server.close(self.timeline.rounds[number - 1], self.mailbox, record)
        record.mailbox = self.mailbox.snapshot()
        self.store.commit(record)
        return record

    @property
    def weights(self) -> np.ndarray:
        found = self.server.weights[self.name]
        return found / pattern(found)


def pattern(array: np.ndarray) -> np.ndarray:
    return (1 + np.arange(array.shape[-1]) % 2).astype(np.float32)


def test_the_mean_is_weighted_by_images(backbone):
    bench, record = Bench(backbone, Mean()), RoundRecord(1)
    bench.send(record, 0, 1.0, count=30)
    bench.send(record, 1, 3.0, count=10)
    bench.close(1, record)
    expected = weighted_mean([bench.model(1.0), bench.model(3.0)], [30, 10])
    assert all(np.array_equal(array, expected[name]) for name, array in bench.server.weights.items())
    assert float(bench.weights.flat[0]) == 1.5


def test_a_mean_dilutes_a_cut(backbone):
    bench, record = Bench(backbone, Mean()), RoundRecord(1)
    bench.send(record, 0, 1.0, bench.mask(0))
    bench.send(record, 1, 1.0)
    bench.close(1, record)
    assert (bench.weights[0] == 0.5).all()
    assert (bench.weights[1] == 1.0).all()
    assert bool(bench.server.cut[bench.layer][0].all())
    assert not any(bool(mask.any()) for mask in bench.server.frozen.values())


@pytest.mark.parametrize("policy", [UnionZero(), Vote(threshold=0.3), UnionNoise(ratio=1.0)], ids=lambda one: one.kind)
def test_nothing_that_was_cut_grows_again_whoever_comes_back(backbone, policy):
    bench, record = Bench(backbone, policy), RoundRecord(1)
    bench.send(record, 0, 1.0, bench.mask(0))
    bench.send(record, 1, 2.0)
    bench.close(1, record)
    held = bench.weights[0].copy()
    assert (held == 0).all() == (policy.kind != "union_noise")
    for number in (2, 3):
        record = RoundRecord(number)
        bench.send(record, 2, 7.0)  # it was not there and has old weights
        bench.close(number, record)
        assert np.array_equal(bench.weights[0], held)
        assert (bench.weights[1] == 7.0).all(), "the control: what was not cut moves"


def test_a_mask_above_the_budget_is_refused_naming_the_peer_and_the_rest_goes_on(backbone):
    bench, record = Bench(backbone, UnionZero(budget=0.2)), RoundRecord(1)
    bench.send(record, 0, 1.0)
    bench.send(record, 2, 9.0, bench.mask(*range(16)))
    bench.close(1, record)
    ((do, peers, words),) = record.events
    assert (do, peers) == ("refused", (2,))
    assert "its mask cuts" in words
    assert (bench.weights == 1.0).all()


@pytest.mark.parametrize("policy", [UnionZero, UnionNoise])
def test_one_peer_cannot_cut_the_whole_model_unless_the_budget_is_given_away(backbone, policy):
    def kept(budget: dict[str, float]) -> tuple[bool, list[str]]:
        bench, record = Bench(backbone, policy(**budget)), RoundRecord(1)
        bench.send(record, 0, 1.0, bench.mask(0))  # an honest cut
        rows = range(2, len(bench.server.start[bench.name]))  # with one row left, a fill has something to go by
        bench.send(record, 2, 9.0, bench.mask(*rows))
        bench.close(1, record)
        return bool((bench.weights[1:] == 1.0).all()), [do for do, _, _ in record.events]

    assert kept({}) == (True, ["refused"])
    assert kept({"budget": 1.0}) == (False, []), "the control"


def test_an_update_that_was_overtaken_is_not_folded_later(backbone):
    bench, record = Bench(backbone, Mean()), RoundRecord(1)
    bench.send(record, 0, 5.0, arrives=3)
    bench.close(1, record)
    assert np.array_equal(bench.server.weights[bench.name], bench.server.start[bench.name]), "nothing has arrived"
    record = RoundRecord(2)
    bench.send(record, 0, 1.0, arrives=2)
    bench.close(2, record)
    assert (bench.weights == 1.0).all()
    bench.close(3, RoundRecord(3))
    assert (bench.weights == 1.0).all()


def test_a_late_update_is_folded_when_it_arrives(backbone):
    bench, record = Bench(backbone, Mean()), RoundRecord(1)
    bench.send(record, 0, 5.0, arrives=2)
    bench.close(1, record)
    record = RoundRecord(2)
    bench.send(record, 1, 1.0, arrives=2)
    bench.close(2, record)
    assert (bench.weights == 3.0).all()


def test_the_server_cuts_what_pooled_statistics_say(backbone):
    bench = Bench(backbone, ServerMask())
    told, records = [], RoundRecord(1)
    for peer in PEERS:
        what = (BRIEF, backbone, bench.server.weights, ConceptPrune(), 3, local.pictures(BRIEF.data, 8), (peer,))
        told.append({f"heard/0/{name}": array for name, array in local.heard(*what).items()})
        bench.send(records, peer, 1.0, extra=told[-1])
    updates = [DenoiserUpdate.of(peer, wire.to_bytes({**bench.model(1.0), COUNT: np.array(1), **told[peer]})) for peer in PEERS]
    target, base = ([update.heard[0][side] for update in updates] for side in (0, 1))
    pooled = [target[0] + target[1] + target[2]], [base[0] + base[1] + base[2]]
    wanted = mask_from_activities(bench.server.feed_forward(bench.server.weights), *pooled, ConceptPrune())
    bench.close(1, records)
    assert any(bool(mask.any()) for mask in wanted.values())
    for layer, mask in wanted.items():
        assert torch.equal(bench.server.frozen[layer], mask)
        assert not bench.server.weights[local.parameter_of(layer)][mask.numpy()].any()


def test_a_fill_stays_as_it_is(backbone):
    bench, record = Bench(backbone, UnionZero()), RoundRecord(1)
    for peer, value in enumerate((1.0, 2.0)):
        bench.send(record, peer, value, bench.mask(0))
    bench.close(1, record)
    bench.server.fill(Gaussian(relative=1.0))
    filled = bench.weights[0].copy()
    assert (filled != 0).all()
    record = RoundRecord(2)
    bench.send(record, 1, 4.0, bench.mask(0))
    bench.close(2, record)
    assert np.array_equal(bench.weights[0], filled)
    assert (bench.weights[1] == 4.0).all()


def test_a_defence_that_found_nothing_to_fill_filled_nothing(backbone):
    bench, record = Bench(backbone, UnionZero()), RoundRecord(1)
    bench.send(record, 0, 1.0)
    bench.close(1, record)
    early = ConceptRound(round=1, present=PEERS, members=PEERS, edges=(), acts=(Defence(fill=Gaussian(relative=1.0)),))
    played = bench.timeline.model_copy(update={"rounds": (early, *bench.timeline.rounds[1:])})
    bench.server.setup = replace(bench.server.setup, timeline=played)
    record = RoundRecord(2)
    bench.send(record, 0, 1.0, bench.mask(0))
    bench.close(2, record)
    assert bench.server.last_fill(played.rounds[1]) is None
    bench.server.fill(Gaussian(relative=2.0))
    assert bench.server.last_fill(played.rounds[1]) == Gaussian(relative=2.0)


def test_a_server_that_was_killed_is_taken_up_from_the_ledger(backbone):
    bench, record = Bench(backbone, UnionZero()), RoundRecord(1)
    bench.send(record, 0, 1.0, bench.mask(0))
    bench.close(1, record)
    again = DenoiserAveraging(bench.server.setup, bench.server.averaged)
    assert all(np.array_equal(again.weights[name], array) for name, array in bench.server.weights.items())
    assert all(torch.equal(again.frozen[layer], mask) for layer, mask in bench.server.frozen.items())
    kept = wire.from_bytes(bench.store.artefact(str(bench.store.model("frozen", 1))))
    assert bool(unpack_masks(kept)[bench.layer][0].all())
