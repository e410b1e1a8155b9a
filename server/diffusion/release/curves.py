"""Curves of a concept's accuracy over the noise level of the fill, the size of the cut, or the share of peers that cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.masks import density
from clients.unlearning.pruning.recorder import Activity
from server.defences.detection import column_auc, entry_auc
from server.defences.fills import Gaussian
from server.defences.secret import Secret
from server.diffusion.audit.trial import Release, Weights, finite
from server.diffusion.release.policies import PolicySpec
from server.diffusion.release.replies import Reply
from server.diffusion.release.server_mask import ServerMask, mask_from_activities
from server.revival.attack import Revival, revive
from server.revival.knowledge import Adaptive, WeightsOnly

Score = Callable[[Weights], Mapping[str, float]]
"""Maps feed-forward output weights to the accuracies ``target`` and ``others``."""


@dataclass(frozen=True)
class Ladder:
    """Points of the curves; see the scenario's ``[revival]`` table."""

    noise_levels: tuple[float, ...] = ()
    sparsities: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    policies: tuple[PolicySpec, ...] = ()


def noise(release: Release, levels: Sequence[float], score: Score, settings: Revival, secret: Secret) -> Iterator[dict[str, Any]]:
    """Yield one point per Gaussian fill of the cut: accuracies, also after the adaptive attack, and AUCs of the location tests.

    Level 0 is the plain cut.
    """
    pruned = {layer: weight.masked_fill(release.cut[layer], 0.0) for layer, weight in release.weights.items()}
    for level in levels:
        filled = Gaussian(relative=level).seal(pruned, release.cut, secret).weights if level else pruned
        known = Adaptive(filled, density(release.cut), level) if level else WeightsOnly(filled)
        yield {
            "x": level,
            **score(filled),
            "adaptive_target": score(revive(known, settings).weights)["target"],
            "entry_auc": finite(entry_auc(filled, release.cut).value),
            "column_auc": finite(column_auc(filled, release.cut).two_sided),
        }


def sparsity(
    original: Weights, shares: Sequence[float], masks: Callable[[float], Mapping[str, Tensor]], score: Score, settings: Revival
) -> Iterator[dict[str, Any]]:
    """Yield one point per size of the cut, given as the share of a row that may be cut: accuracies after the cut and after revival."""
    for share in shares:
        cut = masks(share)
        pruned = {layer: weight.masked_fill(cut[layer], 0.0) if layer in cut else weight for layer, weight in original.items()}
        revived = score(revive(WeightsOnly(pruned), settings).weights)
        yield {"x": density(cut), "share_of_row": share, **score(pruned), "revived_target": revived["target"]}


def dilution(
    original: Weights, cuts: Sequence[Mapping[str, Tensor]], shares: Sequence[float], policy: PolicySpec, score: Score, secret: Secret
) -> Iterator[dict[str, Any]]:
    """Yield the policy's accuracies per share of peers that cut by their own masks, while the others send the original.

    Peers that cut more than the policy's budget are left out, as the server refuses them; a point at which none remains is skipped.
    """
    for share in shares:
        cutting = round(share * len(cuts))
        sent = [Reply(str(peer), _cut(original, cut, peer < cutting), cut if peer < cutting else {}) for peer, cut in enumerate(cuts)]
        if replies := [reply for reply in sent if policy.affords(reply)]:
            yield {"x": cutting / len(cuts), **score(policy.aggregate(replies, secret).weights)}


def listening(
    original: Weights,
    heard: Sequence[tuple[Activity, Activity]],
    shares: Sequence[float],
    policy: ServerMask,
    rule: ConceptPrune,
    score: Score,
) -> Iterator[dict[str, Any]]:
    """Yield accuracies per share of peers that send activation statistics; the server cuts the original by their sums."""
    for share in shares:
        telling = heard[: round(share * len(heard))]
        target, base = [pair[0] for pair in telling], [pair[1] for pair in telling]
        cut = mask_from_activities(original, target, base, rule, policy.most_samples) if telling else {}
        yield {"x": len(telling) / len(heard), **score(_cut(original, cut, True))}


def _cut(original: Weights, cut: Mapping[str, Tensor], cuts: bool) -> Weights:
    return {layer: weight.masked_fill(cut[layer], 0.0) if cuts and layer in cut else weight for layer, weight in original.items()}
