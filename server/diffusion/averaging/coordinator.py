"""The averaging server of denoisers: it keeps cuts in place, and attacks and defends the aggregate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from flwr.app import ArrayRecord, ConfigRecord
from torch import Tensor

from clients import wire
from clients.diffusion import local
from clients.diffusion.config import DenoisingConfig
from clients.metrics import Metric
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.masks import density, overlap, pack_masks, unpack_masks
from server.averaging.contract import REPLAYED, Arrays, Averaged
from server.averaging.coordinator import Averaging
from server.defences.fills import FillSpec
from server.defences.secret import Secret
from server.diffusion.averaging.policies import BudgetError, PolicySpec, UnionNoise, check
from server.diffusion.averaging.replies import Reply
from server.diffusion.averaging.server_mask import ServerMask, mask_from_activities
from server.diffusion.averaging.update import DenoiserUpdate
from server.diffusion.metrics import METRICS
from server.diffusion.timeline import ConceptTimeline, Defence
from server.ledger import FEDERATION, RoundRecord
from server.timeline import Round

Masks = dict[str, Tensor]


@dataclass(frozen=True)
class Setup:
    """Configuration of the server for denoisers: any peer's config, the public backbone, mask policy, timeline, attacks and defences."""

    config: DenoisingConfig
    backbone: bytes
    policy: PolicySpec
    timeline: ConceptTimeline
    acting: Acting


class Acting:
    """Attacks and defences after the updates of a round are aggregated; this base class does nothing."""

    def act(self, state: DenoiserAveraging, now: Round, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Carry out the acts of the round, in order; a defence changes the state."""

    def act_again(self, state: DenoiserAveraging, past: Round) -> None:
        """Repeat the acts of a past round that change the state."""

    def evaluate_finally(self, state: DenoiserAveraging, record: RoundRecord) -> None:
        """Measure the model at the end."""


class DenoiserAveraging(Averaging[DenoiserUpdate]):
    """The averaging server of denoisers; see `Averaging`.

    Attributes
    ----------
    cut : dict of str to bool tensor
        Entries that were cut, by layer: those that the policy cut permanently or, if it keeps no cuts, those that any peer ever cut.
    frozen : dict of str to bool tensor
        Entries that keep their value in every later round: the cut, and entries that a fill wrote outside it.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (*METRICS, REPLAYED)

    def __init__(self, setup: Setup, averaged: Averaged) -> None:
        self.setup = setup
        self.backbone = wire.pack(setup.backbone)
        start = local.exchanged(local.untrained(setup.config, setup.backbone), setup.config.denoising)
        self.layers = local.layers(setup.config, setup.backbone)
        self.secret = Secret.of_run(setup.config.run_seed)
        self._filled = False
        super().__init__(averaged, start)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return ("global", "frozen", "cut", "memory")

    def adopt(self, parts: Mapping[str, Arrays]) -> None:
        """Set the state from its parts, by name; missing parts are as before the first round."""
        super().adopt(parts)
        nothing = {layer: torch.zeros(self.start[local.parameter_of(layer)].shape, dtype=torch.bool) for layer in self.layers}
        self.frozen = unpack_masks(parts["frozen"]) if "frozen" in parts else nothing
        self.cut = unpack_masks(parts["cut"]) if "cut" in parts else dict(nothing)

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
        rounds = self.setup.timeline.rounds[: now.round]
        due = [self.setup.timeline.concepts[i].model_dump(mode="json") for past in rounds for i in past.erase.get(peer, ())]
        return {**self.records(), "orders": ConfigRecord({"erase": json.dumps(due), "listen": self.setup.policy.collects_statistics})}

    def measure(self, now: Round, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Measure the model and its cut, then attack and defend."""
        loss, _ = local.predicted(self.setup.config, self.setup.backbone, self.weights)
        record.metrics.append((FEDERATION, "loss.global", loss))
        record.metrics += [(FEDERATION, name, value) for name, value in self._of_the_cut(updates)]
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
        if (reason := super().refusal(update)) is not None:
            return reason
        try:
            check([self._reply(update)], self.setup.policy.budget)
        except BudgetError as error:
            return str(error)
        return None

    def _reply(self, update: DenoiserUpdate) -> Reply:
        weights = {layer: torch.from_numpy(np.array(update.weights[local.parameter_of(layer)])) for layer in self.layers}
        return Reply(str(update.peer), weights, update.cut, float(update.count))

    def fold(self, number: int, updates: Sequence[DenoiserUpdate]) -> None:
        """Aggregate the updates into the global model; frozen entries keep their value, and newly cut entries become frozen."""
        policy = self.setup.policy
        folded = policy.aggregate([self._reply(update) for update in updates], self.secret)
        mean = self.mean(updates)
        mean |= by_parameter(folded.weights)
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
            cut_now = {layer: torch.stack([u.cut[layer] for u in updates if layer in u.cut]).any(0) for layer in _cut_by_any(updates)}
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

    def fill(self, fill: FillSpec) -> None:
        """Fill the cut; all entries that the fill writes, also outside the cut, are frozen."""
        sealed = fill.seal(self.feed_forward(self.weights), self.cut, self.secret)
        self.weights = {**self.weights, **by_parameter(sealed.weights)}
        self.frozen = {layer: mask | sealed.filled[layer] for layer, mask in self.frozen.items()}
        self._filled = True

    def filled(self, now: Round) -> bool:
        """Return whether the cut has been filled, by the policy or by a defence so far."""
        earlier = [act for past in self.setup.timeline.rounds[: now.round - 1] for act in past.acts]
        return self._filled or isinstance(self.setup.policy, UnionNoise) or any(isinstance(act, Defence) for act in earlier)

    def feed_forward(self, weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
        """Return the feed-forward output weights among the exchanged weights, by layer."""
        return {layer: torch.from_numpy(np.array(weights[local.parameter_of(layer)])) for layer in self.layers}

    def model_after(self, number: int) -> Arrays:
        """Return the global model after an earlier round; for 0, the initial model."""
        sha256 = self.history.state(number).get("global")
        return self.start if sha256 is None else wire.from_bytes(self.bytes_of(sha256))

    def _of_the_cut(self, updates: Sequence[DenoiserUpdate]) -> list[tuple[str, float]]:
        """Return metrics of the cut: its density, the agreement of the peers' cuts, and their share that survives in the global model."""
        found: list[tuple[str, float]] = []
        if any(bool(mask.any()) for mask in self.cut.values()):
            found.append(("cut.density", density(self.cut)))
        if masks := [update.cut for update in updates if update.cut]:
            union = {layer: torch.stack([cut[layer] for cut in masks if layer in cut]).any(0) for layer in _cut_by_any(updates)}
            held = {layer: (self.feed_forward(self.weights)[layer] == 0) | self.frozen[layer] for layer in union}
            total = sum(int(mask.sum()) for mask in union.values())
            found.append(("cut.survival", sum(int((held[layer] & mask).sum()) for layer, mask in union.items()) / max(1, total)))
            if len(masks) > 1:
                found.append(("cut.agreement", fmean(overlap(a, b) for a, b in combinations(masks, 2))))
        return found


def by_parameter(feed_forward: Mapping[str, Tensor]) -> Arrays:
    """Return feed-forward output weights by parameter name, as in the exchanged weights."""
    return {local.parameter_of(layer): weight.numpy() for layer, weight in feed_forward.items()}


def _cut_by_any(updates: Sequence[DenoiserUpdate]) -> list[str]:
    """Return the layers that any of the updates cuts."""
    return sorted({layer for update in updates for layer in update.cut})
