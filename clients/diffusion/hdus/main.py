"""A peer's own denoiser: feed-forward weights trained in rounds on a public backbone; it forgets images by retraining.

Main models of other kinds, as `clients.diffusion.hdus.sharding`, have the same operations: `MainModel`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.data.rows import Ids
from clients.diffusion.denoiser import Denoiser, Weighted
from clients.diffusion.images import Images
from clients.diffusion.remembered import Trainer
from clients.diffusion.spec import DenoiserTraining, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import Phase, train_phase, trainable
from clients.streams import Field
from clients.unlearning.contract import Cost, Outcome, UnlearningError
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.contract import Cut
from clients.unlearning.pruning.masks import apply_masks
from clients.unlearning.requests import named_rows

Arrays = dict[str, npt.NDArray[Any]]

HISTORY = "peer/history"
"""Name, in a main artefact, of the history: rounds trained and concepts erased, JSON as uint8 ``(n,)``."""
CUT = "cut/"
"""Prefix, in a main artefact, of the masks of weights that stay at their erased value, bool, by layer."""


class MainModel(Protocol):
    """The main model of a peer, as the peer uses it; its operations are described at `DenoiserMain`."""

    @property
    def denoiser(self) -> Weighted:
        """The model as samplers and the distillation use it."""

    @property
    def cuts(self) -> list[dict[str, Any]]:
        """The erasures carried out, in order: ``index``, ``concept``, ``method``."""

    @property
    def failed(self) -> set[int]:
        """Indices of erasures that found nothing since the model was made or restored; see `erase_or_note`."""

    @property
    def progress(self) -> int:
        """Rounds in which it was trained."""

    @property
    def masks(self) -> Mapping[str, Tensor]:
        """Weights that stay at their erased value, bool, by layer."""

    def begin(self, ids: Ids, images: Images) -> None:
        """Reset to the public weights, with these images; ``ids`` ascend."""

    def advance(self) -> int:
        """Train for one round; return the gradient steps."""

    def forget(self, request: Ids) -> Outcome:
        """Forget images; on ``UnlearningError`` nothing has changed."""

    def add(self, ids: Ids, images: Images) -> Outcome:
        """Take further images in: these ``ids``, ascending, are all that it then has."""

    def erase(self, index: int, concept: int, method: Mapping[str, Any]) -> None:
        """Erase a concept unless the erasure with this index has been done; on ``UnlearningError`` nothing has changed."""

    def state(self) -> Arrays:
        """Return everything beyond the public backbone."""

    def restore(self, state: Arrays, ids: Ids, images: Images) -> None:
        """Restore a state, with the images that it was trained on."""


class DenoiserMain:
    """The main model of a peer.

    Local round ``t`` trains the steps ``t * steps .. (t + 1) * steps`` of a phase of ``rounds * steps`` steps; ``t`` counts the rounds in
    which the peer itself trained. Every draw is keyed by the step, so that retraining equals training for the first time.

    Parameters
    ----------
    public : Denoiser
        With the public backbone, on the training device; owned and changed by this object.
    training : DenoiserTraining
    sampling : Sampling
        Sampling settings of the erasers.
    rounds, steps : int
        Rounds of the run, and gradient steps per round.
    key : tuple
    train : callable
        Trains a phase in place.
    """

    def __init__(
        self,
        public: Denoiser,
        training: DenoiserTraining,
        sampling: Sampling,
        rounds: int,
        steps: int,
        key: tuple[Field, ...],
        train: Trainer = train_phase,
    ) -> None:
        self.denoiser, self.training, self.sampling = public, training, sampling
        self.rounds, self.steps, self.key, self.train = rounds, steps, key, train
        self.failed: set[int] = set()
        self.phase: Phase = "joint" if training.design == "joint" else "concept"
        self._start = {name: tensor.clone() for name, tensor in self._learned().items()}

    def begin(self, ids: Ids, images: Images) -> None:
        """Reset to the public weights, with these images; ``ids`` ascend."""
        self.ids, self.images = ids, images
        self.progress = 0
        self.cuts: list[dict[str, Any]] = []
        self.masks: dict[str, Tensor] = {}
        self._write(self._start)

    def advance(self) -> int:
        """Train for one round on the images without erased concepts; return the gradient steps (0 without images)."""
        first = self.progress * self.steps
        self.progress += 1
        erased = [cut["concept"] for cut in self.cuts]
        images = self.images.select(~self.images.shows(erased, self.denoiser.spec.classes))
        if not len(images):
            return 0
        total = max(self.rounds * self.steps, first + self.steps)
        window = (first, first + self.steps)
        self.train(self.denoiser, images, self.training, self.phase, self.key, total=total, window=window, fixed=self.masks or None)
        return self.steps

    def forget(self, request: Ids) -> Outcome:
        """Retrain on the kept images for as many rounds as before, and repeat the concept erasures after the same rounds."""
        ids = named_rows(request, self.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        kept = ~np.isin(self.ids, ids)
        return self._anew(self.ids[kept], self.images.select(torch.from_numpy(kept)))

    def add(self, ids: Ids, images: Images) -> Outcome:
        """Retrain likewise on these images, which are the held ones and further ones; ``ids`` ascend."""
        return self._anew(ids, images)

    def _anew(self, ids: Ids, images: Images) -> Outcome:
        progress, cuts = self.progress, self.cuts
        self.begin(ids, images)
        steps = 0
        for t in range(progress + 1):
            for cut in cuts:
                if cut["after"] == t:
                    erase_or_note(self, cut)
            steps += self.advance() if t < progress else 0
        return Outcome(Cost(gradient_steps=steps, parts=1 if progress else 0), "exact")

    def erase(self, index: int, concept: int, method: Mapping[str, Any]) -> None:
        """Carry out the concept erasure with this index unless it has been done; cut entries stay cut in later rounds.

        ``concept`` is a number as in ``DenoiserSpec.concepts``. If the concept cannot be erased in this way, ``UnlearningError`` is
        raised and nothing changes.
        """
        if any(cut["index"] == index for cut in self.cuts):
            return
        key, erased = (*self.key, "erase", index), [cut["concept"] for cut in self.cuts]
        cut = found_cut(self.denoiser, concept, method, self.images, self.sampling, self.training, key, erased)
        self.masks = cut_into(self.denoiser, self.phase, cut, self.masks)
        self.cuts.append(noted(index, concept, self.progress, method))

    def state(self) -> Arrays:
        """Return everything beyond the public backbone: learned weights, masks, history."""
        arrays: Arrays = {name: tensor.detach().cpu().numpy().copy() for name, tensor in self._learned().items()}
        arrays |= {f"{CUT}{name}": mask.numpy() for name, mask in self.masks.items()}
        return arrays | {HISTORY: history(self.progress, self.cuts)}

    def restore(self, state: Arrays, ids: Ids, images: Images) -> None:
        """Restore a state, with the images that it was trained on."""
        self.begin(ids, images)
        self.progress, self.cuts = past(state)
        self.masks = {name.removeprefix(CUT): torch.from_numpy(mask.copy()) for name, mask in state.items() if name.startswith(CUT)}
        self._write({name: torch.from_numpy(state[name].copy()) for name in self._start})

    def _learned(self) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in trainable(self.denoiser, self.phase).items()}

    def _write(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in trainable(self.denoiser, self.phase).items():
                parameter.copy_(weights[name])


def found_cut(
    denoiser: Denoiser,
    concept: int,
    method: Mapping[str, Any],
    images: Images,
    sampling: Sampling,
    training: DenoiserTraining,
    key: tuple[Field, ...],
    erased: Sequence[int],
) -> Cut:
    """Return an eraser's cut, which is not applied yet; ``UnlearningError`` if the concept cannot be erased from this denoiser.

    ``erased`` are the concepts erased earlier, whose images the eraser does not see.
    """
    if concept >= (known := len(denoiser.spec.concepts)):
        raise UnlearningError(f"concept {concept}: the model has 0 .. {known - 1}")
    axis, target = denoiser.spec.axis(concept)
    subject = DenoiserSubject(denoiser, target, key, axis=axis, images=images, sampling=sampling, noise=training.noise, erased=erased)
    return ERASERS.load(method["kind"]).model_validate(method).erase(subject, key)


def erase_or_note(main: MainModel, request: Mapping[str, Any]) -> None:
    """Erase a concept; if the method finds nothing to erase in this model, only record the request, so that the run continues.

    Images of the concept are left out of training in either case.
    """
    index, concept, method = int(request["index"]), int(request["concept"]), request["method"]
    try:
        main.erase(index, concept, method)
    except UnlearningError:
        main.failed.add(index)
        main.cuts.append(noted(index, concept, main.progress, method))


def cut_into(denoiser: Denoiser, phase: Phase, cut: Cut, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Write a cut into the weights of a phase, where earlier masks stay zero; return these joined with the cut's, by layer.

    Other weights stay public: a state, which consists of the weights of the phase, would not have their change.
    """
    kept = trainable(denoiser, phase)
    replace(cut, weights={name: value for name, value in cut.weights.items() if f"unet.{name}" in kept}).apply(denoiser.unet)
    apply_masks(denoiser.unet, masks)  # an eraser without masks writes whole layers
    return {**masks, **{name: masks[name] | mask if name in masks else mask.clone() for name, mask in cut.masks.items()}}


def noted(index: int, concept: int, after: int, method: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a history for a concept erasure that was carried out after a number of rounds."""
    spec = ERASERS.load(method["kind"]).model_validate(method)
    return {"index": index, "concept": concept, "after": after, "method": spec.model_dump(mode="json")}


def history(progress: int, cuts: list[dict[str, Any]]) -> npt.NDArray[np.uint8]:
    """Return a history as bytes, uint8 ``(n,)``."""
    text = json.dumps({"progress": progress, "cuts": cuts}, sort_keys=True, separators=(",", ":"))
    return np.frombuffer(text.encode(), dtype=np.uint8)


def past(state: Arrays) -> tuple[int, list[dict[str, Any]]]:
    """Return the rounds trained and the concepts erased, as ``history`` wrote them into a state."""
    told = json.loads(state[HISTORY].tobytes())
    return told["progress"], told["cuts"]
