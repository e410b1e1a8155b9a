"""A peer's denoisers on shards of its images (SISA): a deletion restarts touched shards from before the images entered.

Bourtoule et al. 2021, arXiv 1912.03817, covers classifiers; the mean of predicted noises in place of votes, slices in gradient steps, and
concept erasures by shard are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clients.data.rows import Ids
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.hdus.main import CUT, HISTORY, Arrays, cut_into, found_cut, history, noted, past
from clients.diffusion.hdus.spec import ShardedDenoiser
from clients.diffusion.images import Images
from clients.diffusion.remembered import Trainer
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Sampling
from clients.diffusion.training import Phase, train_phase, trainable
from clients.side_by_side import each
from clients.streams import Field
from clients.unlearning.contract import COST_NOTE, Cost, Outcome, UnlearningError
from clients.unlearning.exact.placement import places
from clients.unlearning.requests import named_rows


@dataclass(frozen=True)
class Snapshot:
    """A shard at one time: its learned weights by name, and the masks of weights that stay at their erased value by layer."""

    weights: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict)


class ShardedMain:
    """Isolated denoisers, their checkpoints, and the images of a peer; the operations are those of `MainModel`.

    A keyed hash of its id assigns an image to a shard and slice, and shards share neither images nor state: everything that a deletion does
    not touch equals, byte for byte, what it would be without the images. Optimiser and average start anew with every round and slice, so
    that a checkpoint consists of weights and masks only. An eraser sees the images that the shard has been trained on, no others.

    Parameters
    ----------
    spec : ShardedDenoiser
        Numbers of shards and slices.
    public, training, sampling
        As of `DenoiserMain`.
    rounds, steps : int
        Rounds of the run, and gradient steps per round of all shards together.
    key : tuple
        Key of the assignment, and of each shard's draws.
    train : callable
        Trains a phase in place.
    """

    def __init__(
        self,
        spec: ShardedDenoiser,
        public: Denoiser,
        training: DenoiserTraining,
        sampling: Sampling,
        rounds: int,
        steps: int,
        key: tuple[Field, ...],
        train: Trainer = train_phase,
    ) -> None:
        self.spec, self.training, self.sampling, self.key, self.train = spec, training, sampling, key, train
        self.schedules, self.failed = spec.schedules(rounds, steps), set[int]()
        self.phase: Phase = "joint" if training.design == "joint" else "concept"
        self._module = public
        self._start = self._read({})

    def begin(self, ids: Ids, images: Images) -> None:
        """Reset to the public weights, with these images; ``ids`` ascend."""
        self.ids, self.images = ids, images
        self.progress = 0
        self.cuts: list[dict[str, Any]] = []
        self.shards = [self._start] * self.spec.shards
        self.checkpoints: list[dict[int, Snapshot]] = [{} for _ in self.shards]

    @property
    def denoiser(self) -> ShardMean:
        """The mean of the shards that have learned from an image; of untrained shards alike if none has."""
        learned = [snapshot for shard, snapshot in enumerate(self.shards) if len(self._images(shard, self._stage(shard)))]
        return ShardMean(self._module, [snapshot.weights for snapshot in learned or self.shards])

    @property
    def masks(self) -> dict[str, Tensor]:
        """Masks of all shards, by shard and layer."""
        return {f"shard/{s}/{layer}": mask for s, snapshot in enumerate(self.shards) for layer, mask in snapshot.masks.items()}

    def advance(self) -> int:
        """Train every shard for one round on its images without erased concepts; return the gradient steps."""
        self.progress += 1
        trained = each(self._trained, [(shard, self.progress, 0) for shard in range(self.spec.shards)])
        return sum(self._take(shard, *part) for shard, part in enumerate(trained))

    def places(self, ids: Ids) -> tuple[Ids, Ids]:
        """Return the shard and the slice of each id, counted from 0: functions of the key and the id alone."""
        return places(ids, self.spec.shards, self.spec.slices, self.key)

    def forget(self, request: Ids) -> Outcome:
        """Restart each touched shard once, from the checkpoint before the earliest slice touched, and replay up to this round.

        Erasures of concepts that followed the checkpoint are repeated after the same rounds. A note tells which shards restarted where.
        """
        ids = named_rows(request, self.ids)
        kept = ~np.isin(self.ids, ids)
        self.ids, self.images = self.ids[kept], self.images.select(torch.from_numpy(kept))
        return self._restarted(ids)

    def add(self, ids: Ids, images: Images) -> Outcome:
        """Take further images in, each into the slice of its hash, and restart the touched shards as if they had always lain there.

        ``ids``, ascending, and ``images`` are all that it then has.
        """
        new = np.setdiff1d(ids, self.ids)
        self.ids, self.images = ids, images
        return self._restarted(new)

    def _restarted(self, changed: Ids) -> Outcome:
        """Restart each shard of these images once, from the checkpoint before the earliest slice touched."""
        shards, slices = self.places(changed)
        steps, restarts = 0, []
        for shard in (int(touched) for touched in np.unique(shards)):
            stage = int(slices[shards == shard].min())
            if stage > self._stage(shard):
                continue  # training has not reached the slice yet
            self.shards[shard] = self.checkpoints[shard][stage] if stage else self._start
            self.checkpoints[shard] = {k: snapshot for k, snapshot in self.checkpoints[shard].items() if k <= stage}
            steps += self._replay(shard, stage)
            restarts.append(f"shard {shard} from before slice {stage + 1}")
        notes = (f"{COST_NOTE}restarted {', '.join(restarts)} (of {self.spec.shards} x {self.spec.slices})",) if restarts else ()
        return Outcome(Cost(gradient_steps=steps, parts=len(restarts)), "exact", notes=notes)

    def erase(self, index: int, concept: int, method: Mapping[str, Any]) -> None:
        """Erase the concept from every shard unless this has been done; cut entries stay cut in later rounds.

        A shard from which it cannot be erased, as one without images of it under an eraser that learns from them, stays as it is. If there
        is no other, ``UnlearningError`` is raised and nothing changes.
        """
        if any(cut["index"] == index for cut in self.cuts):
            return
        cut = noted(index, concept, self.progress, method)
        refusals = [self._erase(shard, cut) for shard in range(self.spec.shards)]
        if all(refusals):
            raise UnlearningError(str(refusals[0]))
        self.cuts.append(cut)

    def state(self) -> Arrays:
        """Return the history, and learned weights and masks of shards, ``shard/s/model/...``, and checkpoints, ``shard/s/before/k/...``."""
        arrays: Arrays = {HISTORY: history(self.progress, self.cuts)}
        for prefix, snapshot in self._snapshots():
            arrays |= {f"{prefix}{name}": tensor.cpu().numpy().copy() for name, tensor in snapshot.weights.items()}
            arrays |= {f"{prefix}{CUT}{layer}": mask.numpy() for layer, mask in snapshot.masks.items()}
        return arrays

    def restore(self, state: Arrays, ids: Ids, images: Images) -> None:
        """Restore a state, with the images that it was trained on."""
        self.begin(ids, images)
        self.progress, self.cuts = past(state)
        for shard in range(self.spec.shards):
            self.shards[shard] = self._restored(state, f"shard/{shard}/model/")
            stages = range(1, self._stage(shard) + 1)
            self.checkpoints[shard] = {k: self._restored(state, f"shard/{shard}/before/{k}/") for k in stages}

    def _snapshots(self) -> list[tuple[str, Snapshot]]:
        """Return every stored snapshot and the prefix of its arrays' names."""
        found = [(f"shard/{s}/model/", snapshot) for s, snapshot in enumerate(self.shards)]
        return found + [(f"shard/{s}/before/{k}/", snapshot) for s, kept in enumerate(self.checkpoints) for k, snapshot in kept.items()]

    def _restored(self, state: Arrays, prefix: str) -> Snapshot:
        place = self._module.device
        weights = {name: torch.from_numpy(state[prefix + name].copy()).to(place) for name in self._start.weights}
        masks = {name.removeprefix(prefix + CUT): mask for name, mask in state.items() if name.startswith(prefix + CUT)}
        return Snapshot(weights, {layer: torch.from_numpy(mask.copy()) for layer, mask in masks.items()})

    def _stage(self, shard: int) -> int:
        """Return the last stage that a shard has begun to train; -1 before the first."""
        return self.schedules[shard].last(self.schedules[shard].reached(self.progress))

    def _images(self, shard: int, stage: int) -> Images:
        """Return a shard's images of the slices up to a stage."""
        shards, slices = self.places(self.ids)
        return self.images.select(torch.from_numpy((shards == shard) & (slices <= stage)))

    def _replay(self, shard: int, stage: int) -> int:
        """Repeat what followed a shard's checkpoint before a stage, up to this round; return the gradient steps.

        An erasure between rounds that fell on the checkpoint is part of it: it had not seen the slice.
        """
        schedule = self.schedules[shard]
        now, cuts, steps = self.progress, self.cuts, 0
        for after in range(now + 1):
            self.progress, self.cuts = after, [cut for cut in cuts if cut["after"] < after]
            steps += self._take(shard, *self._trained(shard, after, schedule.start(stage)))
            for cut in cuts:
                if cut["after"] == after:
                    if not stage or schedule.reached(after) > schedule.start(stage):
                        self._erase(shard, cut)
                    self.cuts = [*self.cuts, cut]
        return steps

    def _take(self, shard: int, snapshot: Snapshot, checkpoints: dict[int, Snapshot], steps: int) -> int:
        """Set what a shard's training gave; return its gradient steps."""
        self.shards[shard], self.checkpoints[shard] = snapshot, checkpoints
        return steps

    def _trained(self, shard: int, round_: int, begin: int) -> tuple[Snapshot, dict[int, Snapshot], int]:
        """Return a shard after its training in a round, or in the part of it from step ``begin`` on, its checkpoints, and the steps."""
        schedule, snapshot, checkpoints, steps = self.schedules[shard], self.shards[shard], dict(self.checkpoints[shard]), 0
        for stage, part in schedule.segments(max(begin, schedule.reached(round_ - 1)), round_):
            if stage and part.start == schedule.start(stage):
                checkpoints[stage] = snapshot
            images = self._images(shard, stage)
            images = images.select(~images.shows([cut["concept"] for cut in self.cuts], self._module.spec.classes))
            if len(images):
                snapshot = self._fitted(shard, snapshot, images, part)
                steps += len(part)
        return snapshot, checkpoints, steps

    def _fitted(self, shard: int, snapshot: Snapshot, images: Images, part: range) -> Snapshot:
        key, window = (*self.key, "shard", shard), (part.start, part.stop)
        total = max(self.schedules[shard].start(self.spec.slices), part.stop)
        load(self._module, snapshot.weights)
        self.train(self._module, images, self.training, self.phase, key, total=total, window=window, fixed=snapshot.masks or None)
        return self._read(snapshot.masks)

    def _erase(self, shard: int, cut: Mapping[str, Any]) -> UnlearningError | None:
        """Erase a concept from one shard; return the error, and change nothing, if this is impossible."""
        images, key = self._images(shard, self._stage(shard)), (*self.key, "shard", shard, "erase", cut["index"])
        load(self._module, self.shards[shard].weights)
        erased = [earlier["concept"] for earlier in self.cuts]
        try:
            found = found_cut(self._module, cut["concept"], cut["method"], images, self.sampling, self.training, key, erased)
        except UnlearningError as error:
            return error
        self.shards[shard] = self._read(cut_into(self._module, self.phase, found, self.shards[shard].masks))
        return None

    def _read(self, masks: dict[str, Tensor]) -> Snapshot:
        """Return the module's weights with these masks."""
        return Snapshot({name: tensor.detach().clone() for name, tensor in trainable(self._module, self.phase).items()}, masks)


class ShardMean:
    """Predicts the mean of the noises that a denoiser predicts with several sets of weights; see `NoisePredictor`.

    Parameters
    ----------
    module : Denoiser
        Its weights change with every call.
    weights : sequence of dict of str to tensor
        Parameters of each shard by name; those that are not named are the module's own.
    """

    def __init__(self, module: Denoiser, weights: Sequence[dict[str, Tensor]]) -> None:
        self.module, self.weights = module, weights

    @property
    def spec(self) -> DenoiserSpec:
        """The denoisers' description."""
        return self.module.spec

    @property
    def null(self) -> tuple[int, int]:
        """Ids of "no class" and "no style"."""
        return self.module.null

    @property
    def device(self) -> torch.device:
        """Device on which its inputs must be."""
        return self.module.device

    def __call__(self, noisy: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the predicted noise, float32, of the shape of ``noisy`` ``(batch, channels, size, size)``."""
        total = torch.zeros_like(noisy)
        for weights in self.weights:
            load(self.module, weights)
            total += self.module(noisy, time, classes, styles)
        return total / len(self.weights)

    def tensors(self) -> Sequence[Tensor]:
        """Return the parameters of every shard."""
        own = self.module.state_dict()
        return [tensor for weights in self.weights for tensor in {**own, **weights}.values()]


def load(module: Denoiser, weights: Mapping[str, Tensor]) -> None:
    """Set the named parameters of the module."""
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, tensor in weights.items():
            parameters[name].copy_(tensor)
