"""A peer's own denoiser: feed-forward weights learned in rounds over a public backbone, forgetting images by training again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.diffusion.cache import configuration_hash, data_hash, load_or_train
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import Phase, train_phase, trainable
from clients.streams import Field
from clients.unlearning.contract import Cost, Ids
from clients.unlearning.pruning import ERASERS
from clients.unlearning.requests import named_rows

Arrays = dict[str, npt.NDArray[Any]]

HISTORY = "peer/history"
"""Name, in a main artefact, of what was done besides training: rounds trained and concepts erased, JSON as uint8 ``(n,)``."""
CUT = "cut/"
"""Prefix, in a main artefact, of the masks of weights that stay at their erased value, bool, by layer."""

_PUBLIC: dict[str, dict[str, Tensor]] = {}
"""Weights of public backbones that this process has, by configuration: only to save time."""


def public_backbone(spec: DenoiserSpec, training: DenoiserTraining, reference: Images, key: tuple[Field, ...], folder: Path) -> Denoiser:
    """Return a new denoiser with the public backbone: trained on the reference images, from which it cannot learn the classes.

    A pure function of its arguments but ``folder``, where trained backbones are kept. The design ``joint`` has no backbone: the
    initial weights are what is public then.
    """
    denoiser = build(spec, (*key, "backbone"))
    if training.design == "joint":
        return denoiser
    settings = training.model_copy(update={"concept_steps": 0})
    configuration = {
        "part": "backbone",
        "denoiser": spec.model_dump(),
        "training": settings.model_dump(),
        "images": data_hash(reference.pixels, reference.styles),
        "key": [str(part) for part in key],
    }
    name = configuration_hash(configuration)
    if name not in _PUBLIC:

        def learn(model: Any) -> None:
            train_phase(model, reference, settings, "backbone", (*key, "backbone"), total=settings.backbone_steps)

        load_or_train(folder, configuration, denoiser, learn)
        _PUBLIC[name] = {k: v.clone() for k, v in denoiser.state_dict().items()}
    denoiser.load_state_dict(_PUBLIC[name])
    return denoiser


class DenoiserMain:
    """The main model of a peer.

    Local round ``t`` trains the steps ``t * steps .. (t + 1) * steps`` of a phase of ``rounds * steps`` steps; ``t`` counts the rounds in
    which the peer itself trained. Every draw is keyed by the step, so that training again is training for the first time.

    Parameters
    ----------
    public : Denoiser
        With the public backbone; owned and changed by this object.
    training : DenoiserTraining
    sampling : Sampling
        How the erasers sample.
    rounds, steps : int
        Rounds of the run, gradient steps a round.
    key : tuple
    """

    def __init__(
        self, public: Denoiser, training: DenoiserTraining, sampling: Sampling, rounds: int, steps: int, key: tuple[Field, ...]
    ) -> None:
        self.denoiser, self.training, self.sampling = public, training, sampling
        self.rounds, self.steps, self.key = rounds, steps, key
        self.phase: Phase = "joint" if training.design == "joint" else "concept"
        self._start = {name: tensor.clone() for name, tensor in self._learned().items()}

    def begin(self, ids: Ids, images: Images) -> None:
        """Start from the public weights with these images, whose ids ascend."""
        self.ids, self.images = ids, images
        self.progress = 0
        self.cuts: list[dict[str, Any]] = []
        self.masks: dict[str, Tensor] = {}
        self._write(self._start)

    def advance(self) -> int:
        """Train for one round; return the gradient steps (none without images)."""
        first = self.progress * self.steps
        self.progress += 1
        if not len(self.images):
            return 0
        total = max(self.rounds * self.steps, first + self.steps)
        window = (first, first + self.steps)
        train_phase(self.denoiser, self.images, self.training, self.phase, self.key, total=total, window=window, fixed=self.masks or None)
        return self.steps

    def forget(self, request: Ids) -> Cost:
        """Begin again on the kept images: train as many rounds as before, and erase the same concepts at the same places."""
        ids = named_rows(request, self.ids)
        if not len(ids):
            return Cost()
        kept = ~np.isin(self.ids, ids)
        progress, cuts = self.progress, self.cuts
        self.begin(self.ids[kept], self.images.select(torch.from_numpy(kept)))
        steps = 0
        for t in range(progress + 1):
            for cut in cuts:
                if cut["after"] == t:
                    self.erase(cut["concept"], cut["eraser"])
            steps += self.advance() if t < progress else 0
        return Cost(gradient_steps=steps, parts=1 if progress else 0)

    def erase(self, concept: int, eraser: dict[str, Any]) -> float:
        """Erase a concept; return the share of feed-forward output weights set to zero (0 for methods that cut nothing).

        What is cut stays cut: later rounds train around it. ``UnlearningError`` if the concept cannot be erased in this way.
        """
        spec = ERASERS.load(eraser["kind"]).model_validate(eraser)
        key = (*self.key, "erase", concept, self.progress)
        subject = DenoiserSubject(self.denoiser, concept, key, images=self.images, sampling=self.sampling, noise=self.training.noise)
        cut = spec.erase(subject, key)
        cut.apply(self.denoiser.unet)
        for name, mask in cut.masks.items():
            self.masks[name] = self.masks[name] | mask if name in self.masks else mask.clone()
        self.cuts.append({"concept": concept, "after": self.progress, "eraser": spec.model_dump(mode="json")})
        entries = sum(mask.numel() for mask in cut.masks.values())
        return sum(int(mask.sum()) for mask in cut.masks.values()) / entries if entries else 0.0

    def state(self) -> Arrays:
        """Return what the public backbone does not tell: learned weights, masks, history."""
        history = json.dumps({"progress": self.progress, "cuts": self.cuts}, sort_keys=True, separators=(",", ":"))
        arrays: Arrays = {name: tensor.detach().numpy().copy() for name, tensor in self._learned().items()}
        arrays |= {f"{CUT}{name}": mask.numpy() for name, mask in self.masks.items()}
        return arrays | {HISTORY: np.frombuffer(history.encode(), dtype=np.uint8)}

    def restore(self, state: Arrays, ids: Ids, images: Images) -> None:
        """Take over a state and the images that it knows."""
        self.begin(ids, images)
        history = json.loads(state[HISTORY].tobytes())
        self.progress, self.cuts = history["progress"], history["cuts"]
        self.masks = {name.removeprefix(CUT): torch.from_numpy(mask.copy()) for name, mask in state.items() if name.startswith(CUT)}
        self._write({name: torch.from_numpy(state[name].copy()) for name in self._start})

    def _learned(self) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in trainable(self.denoiser, self.phase).items()}

    def _write(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in trainable(self.denoiser, self.phase).items():
                parameter.copy_(weights[name])
