"""A peer whose updates a server averages: it trains the global denoiser on its own images, and cuts concepts out of its copy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients import wire
from clients.averaging.peer import Arrays, AveragingPeer, arrays
from clients.diffusion import local
from clients.diffusion.averaging.config import AveragedDenoisingConfig
from clients.diffusion.images import Images
from clients.participant import ROWS, Record
from clients.streams import Field
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.masks import pack_masks, unpack_masks

DONE = "peer/erased"
"""Name, in a main artefact, of the numbers of the concept erasures that the peer has carried out, int64, ascending."""
CONCEPTS = "peer/concepts"
"""Name, in a main artefact, of the numbers of concepts that it no longer trains on, int64, ascending."""


class AveragedPeer(AveragingPeer):
    """A peer of an averaged denoiser; see `AveragingPeer`.

    Attributes
    ----------
    rows : int64 array
        Ids of the images it still has, ascending.
    done, concepts : int64 array
        Concept erasures carried out, and the numbers of the concepts they were about, as in ``config.denoiser.concepts``.
    cut : dict of str to bool tensor
        What it has cut away so far, by layer name; its seed is its last update: weights, this cut, and how many images it has.
    """

    config: AveragedDenoisingConfig

    def __init__(self, config: AveragedDenoisingConfig, rows: npt.NDArray[np.int64], stream: tuple[Field, ...]) -> None:
        super().__init__(config, rows, stream)
        self.done = self.concepts = np.empty(0, np.int64)
        self.cut: dict[str, Tensor] = {}

    @classmethod
    def restored(cls, config: AveragedDenoisingConfig, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer whose main artefact has these bytes (no own update yet)."""
        peer = super().restored(config, main, stream)
        kept = wire.from_bytes(main)
        _, peer.done, peer.concepts = (kept.pop(name) for name in (ROWS, DONE, CONCEPTS))
        peer.cut = unpack_masks(kept)
        return peer

    @property
    def main_blob(self) -> bytes:
        """The main artefact: ids of rows, erasures carried out, and the packed cut."""
        return wire.to_bytes({**pack_masks(self.cut), ROWS: self.rows, DONE: self.done, CONCEPTS: self.concepts})

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Take the public backbone, the global model with its frozen entries, and the requests to erase; note the round."""
        self.now, self.failed = now, 0
        self.backbone, blob, frozen = (wire.unpack(arrays(payload[name])) for name in ("backbone", "global", "frozen"))
        self.weights = wire.from_bytes(blob)
        self.frozen = unpack_masks(wire.from_bytes(frozen))
        orders = payload["orders"]
        self.requests: list[dict[str, Any]] = json.loads(str(orders["erase"]))
        self.collects_statistics = bool(orders["listen"])
        self.heard: Arrays = {}

    def train(self) -> int:
        """Erase what is asked for from the global model as it came, then train it for one round; return the gradient steps."""
        for request in self.requests:
            if request["index"] not in self.done:
                try:
                    self._erase(request)
                except UnlearningError:  # there is nothing in this model that the method could cut; the rest of the round goes on
                    self.failed += 1
                self._note(request)
        images = self._images()
        self.weights = self._with_cut()
        if not len(images):
            return 0
        held = {layer: self.cut[layer] | self.frozen[layer] if layer in self.cut else mask for layer, mask in self.frozen.items()}
        key = (*self.stream, "local")
        self.weights = local.trained(self.config, self.backbone, self.weights, images, held, key, self.now, self.config.proximal)
        return self.config.steps

    def _images(self) -> Images:
        """Return own images but those of concepts that it was asked to erase."""
        images = local.gallery(self.config).select(torch.from_numpy(self.rows))
        return images.select(~images.shows(self.concepts.tolist(), self.config.denoiser.classes))

    def _with_cut(self) -> Arrays:
        """Return the weights with the own cut, except where the server holds entries at a value of its choice."""
        return local.cut_out(self.weights, {layer: mask & ~self.frozen[layer] for layer, mask in self.cut.items()})

    def _erase(self, request: Mapping[str, Any]) -> None:
        """Erase a concept from the global model, or tell the server what it needs to do so."""
        index, concept = int(request["index"]), int(request["concept"])
        method: EraserSpec = ERASERS.load(request["method"]["kind"]).model_validate(request["method"])
        key = (*self.stream, "erase", index)
        images = local.gallery(self.config).select(torch.from_numpy(self.rows))
        what = self.config, self.backbone, self.weights
        if self.collects_statistics:
            assert isinstance(method, ConceptPrune)
            told = local.heard(*what, method, concept, images, key)
            self.heard |= {f"heard/{index}/{name}": array for name, array in told.items()}
        else:
            outcome = local.erased(*what, method, concept, images, key)
            for layer, mask in unpack_masks(_below("mask/", outcome)).items():
                self.cut[layer] = self.cut[layer] | mask if layer in self.cut else mask
            self.weights = {**self.weights, **{n: v for n, v in _below("new/", outcome).items() if n in self.weights}}

    def _note(self, request: Mapping[str, Any]) -> None:
        """Write down that a request has been dealt with, and whose images are not to be trained on any more."""
        index, concept = int(request["index"]), int(request["concept"])
        self.done = np.union1d(self.done, [index]).astype(np.int64)
        self.concepts = np.union1d(self.concepts, [concept]).astype(np.int64)

    def sent(self) -> Arrays:
        """Return the weights, the packed cut, and what was heard; without training, the model as it came."""
        return {**self._with_cut(), **self.heard, **{f"mask/{name}": array for name, array in pack_masks(self.cut).items()}}

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.floating[Any]]]:
        """Return the denoising loss of the peer's weights on public test images, and the noise that they predict there."""
        loss, answers = local.predicted(self.config, self.backbone, self.weights)
        return {"loss.local": loss} | ({"erasures.failed": self.failed} if self.failed else {}), answers


def _below(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return the arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
