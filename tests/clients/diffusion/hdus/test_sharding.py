"""SISA over denoisers: what a deletion may touch, what it costs, and faults that the comparison must notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from clients import wire
from clients.data.rows import Ids
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.hdus.main import HISTORY, DenoiserMain
from clients.diffusion.hdus.sharding import ShardedMain
from clients.diffusion.hdus.spec import ShardedDenoiser
from clients.diffusion.images import Images, digits
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.contract import Cost, Outcome, UnlearningError
from clients.unlearning.exact.schedule import StepSchedule
from tests.clients.unlearning.exact.sharded import OldCheckpoints

TINY = SMOKE.model_copy(update={"widths": (8,), "condition_width": 8, "groups": 4})
TRAINING = DenoiserTraining(batch_size=4, warmup=2)
SHORT = Sampling(steps=1)
PRUNE = {"kind": "concept_prune", "calls": 1}
SALUN = {"kind": "salun", "steps": 1, "batch_size": 4}
SISA = ShardedDenoiser(shards=2, slices=2)
KEY = ("peer",)
ROWS = range(100, 148)


@pytest.fixture(scope="module")
def images() -> Images:
    return digits()


@pytest.fixture(scope="module")
def backbone() -> Denoiser:
    return build(TINY, ("public",))


def begun(
    images: Images,
    backbone: Denoiser,
    rows: Sequence[int] = ROWS,
    spec: ShardedDenoiser = SISA,
    kind: type[ShardedMain] = ShardedMain,
    training: DenoiserTraining = TRAINING,
) -> ShardedMain:
    main = kind(spec, deepcopy(backbone), training, SHORT, rounds=3, steps=4, key=KEY)
    main.begin(np.asarray(rows), images.select(torch.tensor(list(rows), dtype=torch.int64)))
    return main


def blob(main: ShardedMain) -> bytes:
    return wire.to_bytes(main.state())


def noise(main: ShardedMain) -> bytes:
    noisy, time, classes = torch.linspace(-1, 1, 4 * 64).view(4, 1, 8, 8), torch.tensor([0, 100, 200, 399]), torch.tensor([0, 3, 5, 10])
    with torch.no_grad():
        return main.denoiser(noisy, time, classes).numpy().tobytes()


def placed(main: ShardedMain, shard: int, slice_: int) -> Ids:
    """Return the ids that lie in a shard and slice."""
    shards, slices = main.places(main.ids)
    return main.ids[(shards == shard) & (slices == slice_)]


def played(main: ShardedMain) -> Iterator[ShardedMain]:
    """Yield a model after each of its rounds; a concept is erased after each of the first two."""
    for number, concept in enumerate((3, 5, None)):
        main.advance()
        yield main
        if concept is not None:
            main.erase(number, concept, PRUNE)
            yield main


class OneSliceTooLate(ShardedMain):
    """Restarts from the checkpoint that was written after the forgotten slice had been learned."""

    def forget(self, request: Ids) -> Outcome:
        self._late = [dict(kept) for kept in self.checkpoints]
        return super().forget(request)

    def _replay(self, shard: int, stage: int) -> int:
        self.shards[shard] = self._late[shard].get(stage + 1, self.shards[shard])
        return super()._replay(shard, stage)


class OldCheckpoint(OldCheckpoints, ShardedMain):
    """Retrains as it should, and keeps the old checkpoints."""


class Uncut(ShardedMain):
    """Repeats the training, but not the erasures of concepts."""

    def _replay(self, shard: int, stage: int) -> int:
        cuts, self.cuts = self.cuts, []
        steps = super()._replay(shard, stage)
        self.cuts = cuts
        return steps


@pytest.mark.parametrize("gone", ["last slice", "batch"])
def test_after_every_round_and_erasure_a_deletion_leaves_what_would_be_without_the_images(
    gone: str, images: Images, backbone: Denoiser
) -> None:
    whole = begun(images, backbone)
    ids = placed(whole, 1, 1)[:1] if gone == "last slice" else np.asarray(ROWS[::5])
    never = played(begun(images, backbone, [row for row in ROWS if row not in ids]))
    differed = 0
    for main, oracle in zip(played(whole), never, strict=True):
        copy = begun(images, backbone)
        copy.restore(wire.from_bytes(blob(main)), main.ids, main.images)
        differed += blob(copy) != blob(oracle)
        copy.forget(ids)
        assert blob(copy) == blob(oracle)
        assert noise(copy) == noise(oracle)
    assert differed == (5 if gone == "batch" else 3), "from the checkpoint on nothing would do instead"


class OnlyFromNowOn(ShardedMain):
    """Lets what was trained stand, and takes new images into what is trained from now on."""

    def _restarted(self, changed: Ids) -> Outcome:
        return Outcome(Cost(), "exact")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ShardedMain, OnlyFromNowOn])
def test_images_that_arrive_are_as_if_they_had_been_there_from_the_start(
    kind: type[ShardedMain], images: Images, backbone: Denoiser
) -> None:
    late = list(ROWS[::6])
    always = played(begun(images, backbone))
    equal = []
    for main, oracle in zip(played(begun(images, backbone, [row for row in ROWS if row not in late], kind=kind)), always, strict=True):
        copy = begun(images, backbone, kind=kind)
        copy.restore(wire.from_bytes(blob(main)), main.ids, main.images)
        steps = copy.add(oracle.ids, oracle.images).cost.gradient_steps
        assert copy.ids.tolist() == list(ROWS)
        equal.append(blob(copy) == blob(oracle))
        assert (steps > 0) is (kind is ShardedMain)
    assert all(equal) if kind is ShardedMain else not any(equal), "the control"


@pytest.mark.parametrize("kind", [ShardedMain, OneSliceTooLate, OldCheckpoint, Uncut])
def test_planted_faults_are_noticed_and_nothing_else(kind: type[ShardedMain], images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone, kind=kind)
    gone = placed(main, 0, 0)[:1]
    oracle = begun(images, backbone, [row for row in ROWS if row not in gone])
    for one in (main, oracle):
        *_, _ = played(one)
    main.forget(gone)
    assert (blob(main) == blob(oracle)) is (kind is ShardedMain)
    assert (noise(main) == noise(oracle)) is (kind in (ShardedMain, OldCheckpoint))


@pytest.mark.parametrize("design", ["low_rank", "joint"])
def test_other_designs_forget_as_exactly(design: Any, images: Images, backbone: Denoiser) -> None:
    training = TRAINING.model_copy(update={"design": design, "rank": 2})
    main, gone = begun(images, backbone, training=training), [101, 130]
    oracle = begun(images, backbone, [row for row in ROWS if row not in gone], training=training)
    for one in (main, oracle):
        for _ in range(3):
            one.advance()
    main.forget(np.asarray(gone))
    assert blob(main) == blob(oracle)


def test_a_deletion_touches_its_shard_only_and_says_what_it_cost(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    assert [main.advance() for _ in range(3)] == [4, 4, 4], "shards divide the steps of a round"
    assert (main.schedules[0].start(1), main.schedules[0].start(2)) == (2, 6)
    before = main.state()
    outcome = main.forget(placed(main, 1, 1)[:1])
    assert (outcome.cost.gradient_steps, outcome.cost.parts, outcome.guarantee) == (4, 1, "exact")
    assert outcome.notes == ("cost: restarted shard 1 from before slice 2 (of 2 x 2)",)
    after = main.state()
    changed = {name.rpartition("unet.")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"shard/1/model/"}
    whole = main.forget(np.concatenate([placed(main, shard, 0)[:1] for shard in range(2)]))
    assert (whole.cost.gradient_steps, whole.cost.parts) == (12, 2)


def test_images_whose_slice_was_not_reached_cost_nothing(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone, spec=ShardedDenoiser(shards=2, slices=3))
    main.advance()
    assert main.schedules[0].start(2) == 3
    before, gone = blob(main), placed(main, 0, 2)[:1]
    outcome = main.forget(gone)
    assert (outcome.cost.gradient_steps, outcome.cost.parts, outcome.notes) == (0, 0, ())
    assert blob(main) == before
    assert gone not in main.ids


def test_the_noise_is_the_mean_of_the_shards_and_ignores_empty_ones(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    untrained = noise(main)
    main.advance()
    shards, _ = main.places(main.ids)
    both = np.frombuffer(noise(main), np.float32)
    alone = []
    for shard in range(2):
        one = begun(images, backbone, main.ids[shards == shard])
        one.advance()
        alone.append(np.frombuffer(noise(one), np.float32))
    np.testing.assert_allclose(both, np.mean(alone, axis=0), atol=1e-6)
    assert not np.array_equal(alone[0], alone[1])
    main.forget(main.ids)
    assert noise(main) == untrained, "without images nothing has been learned"


def test_one_shard_with_one_slice_is_a_plain_denoiser(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone, spec=ShardedDenoiser(shards=1, slices=1))
    plain = DenoiserMain(deepcopy(backbone), TRAINING, SHORT, rounds=3, steps=4, key=(*KEY, "shard", 0))
    plain.begin(main.ids, main.images)
    for one in (main, plain):
        one.advance()
        one.erase(0, 3, PRUNE)
        one.advance()
    found = {name.removeprefix("shard/0/model/"): array for name, array in main.state().items()}
    assert found.keys() == plain.state().keys()
    assert all(np.array_equal(array, plain.state()[name]) for name, array in found.items())


def test_cuts_differ_by_shard_and_stay(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    *_, _ = played(main)
    for name, mask in main.state().items():
        owner, cut, layer = name.rpartition("cut/")
        if cut:
            assert mask.any()
            assert not main.state()[f"{owner}unet.{layer}.weight"][mask].any()
    assert {name.split("/")[1] for name in main.masks} == {"0", "1"}
    assert any(not torch.equal(mask, main.masks[name.replace("shard/0", "shard/1")]) for name, mask in main.masks.items())
    cuts = main.cuts
    main.erase(0, 3, PRUNE)
    assert main.cuts == cuts, "a request that comes again is not carried out again"


def test_a_shard_from_which_nothing_can_be_erased_stays_as_it_is(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    main.advance()
    main.advance()
    shards, _ = main.places(main.ids)
    kinds = main.images.classes.numpy()
    main.forget(main.ids[(shards == 0) & (kinds == 3)])
    before = main.state()
    main.erase(0, 3, SALUN)
    moved = [name for name, array in main.state().items() if not np.array_equal(before.get(name), array)]
    assert {name.split("/")[1] for name in moved if name != HISTORY} == {"1"}
    with pytest.raises(UnlearningError, match="concept 12"):
        main.erase(1, 12, PRUNE)
    main.forget(main.ids[main.images.classes.numpy() == 4])
    before = main.state()
    with pytest.raises(UnlearningError, match="no image to forget"):
        main.erase(1, 4, SALUN)
    assert wire.to_bytes(main.state()) == wire.to_bytes(before)


def test_a_stage_uses_each_of_its_rows_as_often_as_in_epochs() -> None:
    schedule = StepSchedule(rounds=10, length=12, slices=4)
    lengths = [schedule.start(k + 1) - schedule.start(k) for k in range(4)]
    assert lengths == [12, 24, 36, 48]
    assert schedule.start(4) == 120
    assert StepSchedule(1, 3, 2).start(1) == 1
    with pytest.raises(ValueError, match="cannot spread 2 steps of a shard over 2 slices, which need 3"):
        StepSchedule(1, 2, 2)
    with pytest.raises(ValueError, match="cannot divide 3 steps a round among 4 shards"):
        ShardedDenoiser(shards=4).schedules(3, 3)
    assert [one.length for one in ShardedDenoiser(shards=4).schedules(3, 10)] == [2, 3, 2, 3]
