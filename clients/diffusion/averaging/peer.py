"""A denoising peer under federated averaging: it trains the global denoiser on its own images, and erases concepts from its copy."""

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
"""Name, in a main artefact, of the indices of the concept erasures that the peer has carried out, int64, ascending."""
CONCEPTS = "peer/concepts"
"""Name, in a main artefact, of the numbers of the concepts that the peer no longer trains on, int64, ascending."""


class AveragedPeer(AveragingPeer):
    """A denoising peer under federated averaging; see `AveragingPeer`.

    Attributes
    ----------
    rows : int64 array
        Ids of the images that the peer still has, ascending.
    done, concepts : int64 array
        Indices of the concept erasures carried out, and their concepts, numbered as in ``config.denoiser.concepts``; ascending.
    cut : dict of str to bool tensor
        Entries that the peer has cut so far, by layer name. Its update consists of weights, this cut, and its number of images.
    """

    config: AveragedDenoisingConfig

    def __init__(self, config: AveragedDenoisingConfig, rows: npt.NDArray[np.int64], stream: tuple[Field, ...]) -> None:
        super().__init__(config, rows, stream)
        self.done = self.concepts = np.empty(0, np.int64)
        self.cut: dict[str, Tensor] = {}

    @classmethod
    def restored(cls, config: AveragedDenoisingConfig, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer with this main artefact, without an update of its own yet."""
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
        """Receive the public backbone, the global model with its frozen entries, the concept erasures, and the number of the round."""
        self.now, self.failed = now, 0
        self.backbone, blob, frozen = (wire.unpack(arrays(payload[name])) for name in ("backbone", "global", "frozen"))
        self.weights = wire.from_bytes(blob)
        self.frozen = unpack_masks(wire.from_bytes(frozen))
        orders = payload["orders"]
        self.requests: list[dict[str, Any]] = json.loads(str(orders["erase"]))
        self.collects_statistics = bool(orders["listen"])
        self.heard: Arrays = {}

    def train(self) -> int:
        """Carry out new concept erasures on the received global model, then train it for one round; return the gradient steps."""
        for request in self.requests:
            if request["index"] not in self.done:
                try:
                    self._erase(request)
                except UnlearningError:  # the method finds nothing to erase in this model; the round continues without it
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
        """Return the peer's images, without those of concepts that it was asked to erase."""
        images = local.gallery(self.config).select(torch.from_numpy(self.rows))
        return images.select(~images.shows(self.concepts.tolist(), self.config.denoiser.classes))

    def _with_cut(self) -> Arrays:
        """Return the weights with the peer's own cut, except for entries that the server has frozen."""
        return local.cut_out(self.weights, {layer: mask & ~self.frozen[layer] for layer, mask in self.cut.items()})

    def _erase(self, request: Mapping[str, Any]) -> None:
        """Erase a concept from the peer's copy, or collect the activation statistics with which the server erases it."""
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
            outcome = local.erased(*what, method, concept, images, key, self.concepts.tolist())
            self.weights, self.cut = local.with_outcome(self.weights, self.cut, outcome)

    def _note(self, request: Mapping[str, Any]) -> None:
        """Record that a request has been handled, and that images of its concept are no longer trained on."""
        index, concept = int(request["index"]), int(request["concept"])
        self.done = np.union1d(self.done, [index]).astype(np.int64)
        self.concepts = np.union1d(self.concepts, [concept]).astype(np.int64)

    def sent(self) -> Arrays:
        """Return the weights, the packed cut, and the activation statistics; without training, the received model."""
        return {**self._with_cut(), **self.heard, **local.packed(self.cut)}

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.floating[Any]]]:
        """Return the denoising loss of the peer's weights on public test images, and their predicted noise."""
        loss, answers = local.predicted(self.config, self.backbone, self.weights)
        return {"loss.local": loss} | ({"erasures.failed": self.failed} if self.failed else {}), answers
