"""The averaging server of denoisers: it keeps cuts in place, and attacks and defends the aggregate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord
from torch import Tensor

from clients import wire
from clients.diffusion import local
from clients.metrics import Metric
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.masks import pack_masks, unpack_masks
from server.averaging.contract import REPLAYED, Averaged
from server.averaging.coordinator import Averaging
from server.diffusion.metrics import METRICS
from server.diffusion.release.contract import Arrays, Masks, Releasing, Setup, cut_by_any, over_budget
from server.diffusion.release.server_mask import ServerMask, mask_from_activities
from server.diffusion.release.update import DenoiserUpdate
from server.ledger import RoundRecord
from server.timeline import Round


class DenoiserAveraging(Releasing, Averaging[DenoiserUpdate]):
    """The averaging server of denoisers, which releases the global model; see `Averaging` and `Releasing`.

    What the policy cuts stays cut, and frozen entries keep their value in every later round; if the policy keeps no cuts, the cut is what
    any peer ever cut.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (*METRICS, REPLAYED)

    def __init__(self, setup: Setup, averaged: Averaged) -> None:
        Releasing.__init__(self, setup)
        self.backbone = wire.pack(setup.backbone)
        Averaging.__init__(self, averaged, self.start)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return ("global", "frozen", "cut", "memory")

    def adopt(self, parts: Mapping[str, Arrays]) -> None:
        """Set the state from its parts, by name; missing parts are as before the first round."""
        super().adopt(parts)
        self.frozen = unpack_masks(parts["frozen"]) if "frozen" in parts else self.nothing
        self.cut = unpack_masks(parts["cut"]) if "cut" in parts else self.nothing

    def parts(self) -> dict[str, Arrays]:
        """Return the parts of the state, by name."""
        return {"global": self.weights, "frozen": pack_masks(self.frozen), "cut": pack_masks(self.cut), "memory": self.memory}

    def read(self, peer: int, blob: bytes) -> DenoiserUpdate:
        """Decode a peer's update."""
        return DenoiserUpdate.of(peer, blob)

    def public(self) -> Mapping[str, ArrayRecord]:
        """Return the backbone."""
        return {"backbone": self.backbone}

    def handed_out(self) -> dict[str, ArrayRecord]:
        """Return the global model and its frozen entries."""
        return {**super().handed_out(), "frozen": wire.pack(wire.to_bytes(pack_masks(self.frozen)))}

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the global model, its frozen entries, and all requests to erase a concept that this peer has received so far."""
        asked, listen = self.setup.timeline.asked(peer, now.round), self.setup.policy.collects_statistics
        return {**self.records(), "orders": ConfigRecord({"erase": asked, "listen": listen})}

    def measure(self, now: Round, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Measure the model and its cut, then attack and defend."""
        self.measure_release(updates, record)
        self.setup.acting.act(self, now, updates, record)

    def evaluate_finally(self, now: Round, record: RoundRecord) -> None:
        """Measure the final model."""
        self.setup.acting.evaluate_finally(self, record)

    def rollback(self, number: int) -> int:
        """Return the first round to replay: at the latest the first with a concept erasure, as peers keep the state of theirs."""
        asked = (past.round for past in self.setup.timeline.rounds[: number - 1] if past.erase)
        return self.past.rollback(number, next(asked, None))

    def act_again(self, past: Round) -> None:
        """Repeat the round's defences."""
        self.setup.acting.act_again(self, past)

    def refusal(self, update: DenoiserUpdate) -> str | None:
        """Return why an update cannot be aggregated, or None: it does not fit the model, or it cuts more than the budget."""
        return super().refusal(update) or over_budget(update, self.layers, self.setup.policy)

    def fold(self, number: int, updates: Sequence[DenoiserUpdate]) -> None:
        """Aggregate the updates into the global model; frozen entries keep their value, and newly cut entries become frozen."""
        policy = self.setup.policy
        mean, folded = self.aggregate(updates, self.mean(updates))
        cut_now = {**folded.frozen} if policy.freezes and not policy.collects_statistics else {}
        if isinstance(policy, ServerMask):
            cut_now = self._heard(policy, updates)
            mean = local.cut_out(mean, cut_now)
        before = self.weights
        self.weights, memory = self.averaged.optimizer.take(number, before, mean, self.memory)
        self.memory = dict(memory)
        for layer in self.layers:
            self._hold(layer, cut_now.get(layer), mean, before)
        if not policy.freezes:
            cut_now = cut_by_any(updates)
        self.cut = {layer: mask | cut_now[layer] if layer in cut_now else mask for layer, mask in self.cut.items()}

    def _hold(self, layer: str, cut_now: Tensor | None, mean: Arrays, before: Arrays) -> None:
        """Reset frozen entries of a layer, set newly cut ones to the policy's value, and freeze them."""
        name, old = local.parameter_of(layer), self.frozen[layer]
        array = np.where(old.numpy(), before[name], self.weights[name])
        if cut_now is not None:
            array = np.where((cut_now & ~old).numpy(), mean[name], array)
            self.frozen = {**self.frozen, layer: old | cut_now}
        self.weights[name] = array.astype(before[name].dtype)

    def _heard(self, policy: ServerMask, updates: Sequence[DenoiserUpdate]) -> Masks:
        """Return the cut derived from the peers' activation statistics, over all requests that they answer."""
        cut: Masks = {}
        weights = self.feed_forward(self.weights)
        for index in sorted({index for update in updates for index in update.heard}):
            method = self.setup.timeline.concepts[index].method
            assert isinstance(method, ConceptPrune)
            heard = [update.heard[index] for update in updates if index in update.heard]
            masks = mask_from_activities(weights, [t for t, _ in heard], [b for _, b in heard], method, policy.most_samples)
            cut = {layer: mask | cut[layer] if layer in cut else mask for layer, mask in masks.items()}
        return cut

    def model_after(self, number: int) -> Arrays:
        """Return the global model after an earlier round; for 0, the initial model."""
        sha256 = self.history.state(number).get("global")
        return self.start if sha256 is None else wire.from_bytes(self.bytes_of(sha256))
