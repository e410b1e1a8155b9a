"""A peer that samples with its neighbours' seeds: its own denoiser, a seed denoiser distilled from it, and the held seeds.

Heterogeneous decentralised unlearning (HDUS) with seed-model distillation: Ye, Chen, Nguyen, Yin, arXiv 2308.13269 (2023); its form for
denoisers is this project's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from flwr.app import ArrayRecord
from torch import Tensor
from torch.func import functional_call

from clients import wire
from clients.cache import data_hash
from clients.classification.hdus.peer import COUNTS
from clients.data.rows import Ids
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.hdus.cutting import without_concepts
from clients.diffusion.hdus.distillation import distil
from clients.diffusion.hdus.ensemble import NoiseEnsemble, Voice
from clients.diffusion.hdus.evaluation import FinalEvaluation
from clients.diffusion.hdus.main import DenoiserMain, MainModel, erase_or_note
from clients.diffusion.hdus.sharding import ShardedMain
from clients.diffusion.hdus.spec import ShardedDenoiser
from clients.diffusion.images import Images
from clients.diffusion.local import MASK, gallery, packed, where_computed
from clients.diffusion.remembered import Recalled, distil_or_remember, train_or_remember
from clients.diffusion.spec import DenoiserSpec
from clients.diffusion.training import Phase, trainable
from clients.participant import ROWS, Neighbour, Record, Update
from clients.streams import Field
from clients.unlearning.contract import Outcome
from clients.unlearning.pruning.masks import density


@dataclass(repr=False)
class HdusPeer(Neighbour):
    """A denoising peer with a neighbourhood ensemble; see `clients.participant.Participant`.

    Parameters
    ----------
    config : HdusDenoisingConfig
    rows : int64 array
        Ids of the images that the peer still has, ascending.
    stored : bytes, optional
        The main artefact from which the peer was restored.
    """

    config: HdusDenoisingConfig
    rows: Ids
    stream: tuple[Field, ...]
    stored: bytes | None = None
    update: Update | None = None
    held: dict[int, Update] = field(default_factory=dict)

    @classmethod
    def new(cls, config: HdusDenoisingConfig, stream: tuple[Field, ...] | None = None) -> HdusPeer:
        """Return an untrained peer with all its rows; ``stream`` replaces the peer's own key (a negative control)."""
        return cls(config, np.asarray(config.rows, dtype=np.int64), stream or config.stream)

    @classmethod
    def restored(cls, config: HdusDenoisingConfig, main: bytes, stream: tuple[Field, ...] | None = None) -> HdusPeer:
        """Return the peer with this main artefact, without its own seed and held seeds yet."""
        key = stream or config.stream
        return cls(config, wire.from_bytes(main)[ROWS], key, main)

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Receive the public backbones of main and seed models, and the concept erasures."""
        self._backbone, self._seed_backbone = (wire.unpack(_arrays(payload[name])) for name in ("backbone", "seed_backbone"))
        self._requests: list[dict[str, Any]] = json.loads(str(payload["orders"]["erase"])) if "orders" in payload else []
        self._uncut: tuple[dict[str, npt.NDArray[Any]], int] | None = None
        self._failed: set[int] = set()

    @cached_property
    def main(self) -> MainModel:
        """The main model; available once the public backbone has been received."""
        config = self.config
        public = _with(deepcopy(_architecture(config.denoiser, self._place)), self._backbone)
        key, train = (*self.stream, "main"), partial(train_or_remember, where_computed(config))
        settings = public, config.denoising, config.sampling, config.rounds, config.steps, key, train
        kind = config.main
        main: MainModel = ShardedMain(kind, *settings) if isinstance(kind, ShardedDenoiser) else DenoiserMain(*settings)
        if self.stored is None:
            main.begin(self.rows, self._images(self.rows))
        else:
            main.restore(wire.from_bytes(self.stored), self.rows, self._images(self.rows))
        return main

    @property
    def main_blob(self) -> bytes:
        """The main artefact: learned weights, cuts, history, and the ids of the rows."""
        if "main" not in self.__dict__ and self.stored is not None:
            return self.stored
        return wire.to_bytes({**self.main.state(), ROWS: self.rows})

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of the peer's remaining rows per class, int64 ``(classes,)``, or ``(classes, styles)`` if there are styles."""
        images, spec = self._images(self.rows), self.config.denoiser
        if images.styles is None:
            return np.bincount(images.classes.numpy(), minlength=spec.classes).astype(np.int64)
        places = images.classes * len(spec.styles) + images.styles
        return np.bincount(places.numpy(), minlength=spec.classes * len(spec.styles)).astype(np.int64).reshape(spec.classes, -1)

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows by id: the main model is retrained; counts and seed are updated by the next distillation."""
        gone = np.asarray(sorted(ids), dtype=np.int64)
        outcome = self.main.forget(gone)
        self.rows = np.setdiff1d(self.rows, gone)
        return outcome

    def arrive(self, ids: Iterable[int]) -> Outcome:
        """Take own images in by id: the main model is trained as if it had always had them; counts and seed follow."""
        held = np.union1d(self.rows, np.asarray(sorted(ids), dtype=np.int64))
        outcome = self.main.add(held, self._images(held))
        self.rows = held
        return outcome

    def train(self) -> int:
        """Carry out the requested concept erasures, then train the main model for one round; return the gradient steps.

        If the server releases a model, the seed is distilled before the main model is cut, and cut itself: what is sent in this round is
        what the peer would have sent, pruned.
        """
        if self.config.released and {request["index"] for request in self._requests} - {cut["index"] for cut in self.main.cuts}:
            self._uncut = self._distilled()
        for request in self._requests:
            erase_or_note(self.main, request)
        return self.main.advance()

    def distil(self) -> int:
        """Make a new own seed, without the concepts that were erased if the server releases a model; return the gradient steps.

        No key contains the round, so a seed depends on the main model, the reference set and the erasures only.
        """
        weights, steps = self._uncut or self._distilled()
        arrays = {**weights, COUNTS: self.counts}
        if self.config.released:
            seed, images, key = self.config.of_seed, self._images(self.rows), (*self.stream, "seed")
            weights, masks, self._failed = without_concepts(seed, self._seed_backbone, weights, self.main.cuts, images, key)
            arrays |= {**weights, **packed(masks)}
        self.update = Update(self.update.version + 1 if self.update else 1, wire.to_bytes(arrays))
        return steps

    def _distilled(self) -> tuple[dict[str, npt.NDArray[Any]], int]:
        """Return what a new seed learns from the main model on the public reference images, and the gradient steps."""
        config = self.config
        student = _with(_architecture(self._seed_spec, self._place), self._seed_backbone)
        reference = self._images(np.asarray(config.reference, dtype=np.int64))
        key = (*self.stream, "seed")
        phase: Phase = "joint" if config.seed.learns == "all" else "concept"

        def change() -> None:
            distil(student, self.main.denoiser, reference, key, config.distillation, config.denoising.noise, phase)

        distil_or_remember(student, phase, self._determines_seed(reference, key), change)
        learned = {name: parameter.detach().cpu().numpy().copy() for name, parameter in trainable(student, phase).items()}
        return learned, config.distillation.steps

    def _determines_seed(self, reference: Images, key: tuple[Field, ...]) -> dict[str, Any]:
        """Return what, beside its initial weights, determines the seed, of plain values and hashes."""
        config = self.config
        return {
            **where_computed(config),
            "main": [spec.model_dump(mode="json") for spec in (config.main, config.denoiser)],
            "rounds": [config.rounds, config.steps],  # with the history, they say which shards of a main model have learned
            "weights": [wire.sha256(self._backbone), wire.sha256(self.main_blob)],
            "reference": data_hash(reference.pixels, reference.styles),
            "distillation": config.distillation.model_dump(mode="json"),
            "noise": config.denoising.noise.model_dump(mode="json"),
            "key": key,
        }

    @property
    def ensemble(self) -> NoiseEnsemble:
        """The ensemble of the main model and the held seeds."""
        own = Voice(self.config.peer, self.main.denoiser, self.counts)
        return NoiseEnsemble(self.config.ensemble, own, [self._voice(owner, seed) for owner, seed in sorted(self.held.items())])

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float32]]:
        """Return losses and sample accuracies of main model and ensemble, and the ensemble's predicted noise on public images."""
        final, together, recalled = FinalEvaluation(self.config), self.ensemble, partial(Recalled, where_computed(self.config))
        alone, _ = final.loss(recalled(self.main.denoiser))
        loss, answers = final.loss(together.asking(recalled))
        scores = {"loss.local": alone, "loss.ensemble": loss}
        scores |= {f"accuracy.sampled{name}": value for name, value in final.accuracies(together).items()}
        scores |= {f"accuracy.local{name}": value for name, value in final.accuracies(self.main.denoiser).items()}
        if self.main.masks:
            scores["cut.density"] = density(self.main.masks)
        if failed := self._failed | self.main.failed:
            scores["erasures.failed"] = len(failed)
        return scores, answers

    def _voice(self, owner: int, seed: Update) -> Voice:
        weights = wire.from_bytes(seed.blob)
        counts = weights.pop(COUNTS)
        learned = _loaded({name: array for name, array in weights.items() if not name.startswith(MASK)})
        return Voice(owner, Lent(self._seed_spec, {**_tensors(self._seed_backbone), **learned}, self._place), counts)

    @property
    def _place(self) -> torch.device:
        return self.config.compute.place()

    @property
    def _seed_spec(self) -> DenoiserSpec:
        return self.config.seed.beside(self.config.denoiser)

    def _images(self, ids: Ids) -> Images:
        """Return images by row id."""
        return gallery(self.config).select(torch.from_numpy(ids))


class Lent:
    """A denoiser of given weights that borrows a shared module of its architecture, so that no module is built per seed.

    Parameters
    ----------
    spec : DenoiserSpec
    weights : dict of str to float32 tensor
        All parameters, by name.
    device : torch device
    """

    def __init__(self, spec: DenoiserSpec, weights: dict[str, Tensor], device: torch.device) -> None:
        self.spec, self.device, self.common = spec, device, _architecture(spec, device)
        self.weights = {name: tensor.to(device) for name, tensor in weights.items()}

    @property
    def null(self) -> tuple[int, int]:
        """Ids of "no class" and "no style"."""
        return self.common.null

    def __call__(self, noisy: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the predicted noise."""
        predicted: Tensor = functional_call(self.common, self.weights, (noisy, time, classes, styles))
        return predicted

    def tensors(self) -> Sequence[Tensor]:
        """Return the weights, in the order of their names."""
        return [self.weights[name] for name in sorted(self.weights)]


@lru_cache(maxsize=4)
def _architecture(spec: DenoiserSpec, device: torch.device) -> Denoiser:
    """Return one shared denoiser of this architecture, because building one is slow; its weights are meaningless."""
    return build(spec, ()).to(device)


def _with(denoiser: Denoiser, weights: bytes) -> Denoiser:
    """Load these weights into the denoiser and return it."""
    denoiser.load_state_dict(_tensors(weights))
    return denoiser


@lru_cache(maxsize=4)
def _tensors(weights: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; they are cached and must not be changed."""
    return _loaded(wire.from_bytes(weights))


def _loaded(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _arrays(record: Record) -> ArrayRecord:
    assert isinstance(record, ArrayRecord)
    return record
