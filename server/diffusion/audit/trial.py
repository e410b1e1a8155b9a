"""One attack on a released aggregate, with all controls that it is compared with. For the evaluator, who holds the original."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from clients.streams import Field
from clients.unlearning.pruning.masks import density
from server.defences.detection import column_auc, entry_auc, score_auc
from server.defences.fills import Gaussian
from server.defences.secret import Secret
from server.diffusion.metrics import VERSIONS
from server.revival import oracle
from server.revival.adversaries import AdversarySpec
from server.revival.attack import Revival, revive
from server.revival.knowledge import Adaptive, WeightsOnly

Weights = dict[str, Tensor]
Masks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Release:
    """The released weights, and what only the evaluator knows about them.

    Parameters
    ----------
    weights : dict of str to tensor
        The released feed-forward output weights, by layer.
    original : dict of str to tensor
        The same weights before the erasure.
    cut : mapping of str to bool tensor
        Entries that the erasure cut; all False if it changed weights in another way.
    defended : bool
        Whether the cut has been filled.
    """

    weights: Weights
    original: Weights
    cut: Masks
    defended: bool

    @property
    def masked(self) -> bool:
        """Whether any entry was cut."""
        return any(bool(mask.any()) for mask in self.cut.values())

    @property
    def ratio(self) -> float:
        """Noise level of the fill: its standard deviation relative to that of the layer's other entries, pooled over layers."""
        ratios = [
            (float(weight[mask].double().std(correction=0) / weight[~mask].double().std(correction=0)), int(mask.sum()))
            for weight, mask in ((self.weights[layer], mask) for layer, mask in self.cut.items())
            if bool(mask.any())
        ]
        return math.sqrt(sum(ratio**2 * count for ratio, count in ratios) / sum(count for _, count in ratios))


@dataclass(frozen=True)
class Outcome:
    """Versions of the weights by name, and the attack's measurements and CPU seconds; None if there is nothing to measure.

    ``n`` are the numbers of entries behind the accuracies of signs, ``interval`` the 95 % intervals of the areas, both by the names of the
    measurements that they belong to. ``column_auc`` is that of the adversary's own score of columns, if it has one. ``embedding`` and
    ``suspects`` are those of `Revived`.
    """

    versions: dict[str, Weights]
    said: str
    sign_accuracy: float | None
    sign_accuracy_top_fifth: float | None
    location_auc: float | None
    column_auc: float | None
    seconds: float
    n: Mapping[str, int] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    embedding: Tensor | None = None
    suspects: tuple[int, ...] = ()


def attack(
    release: Release, adversary: AdversarySpec, known: WeightsOnly, key: tuple[Field, ...], secret: Secret, settings: Revival
) -> Outcome:
    """Attack a release, and make every version of the weights that the attack is compared with.

    If nothing was cut, there are no signs to draw and no entries to fill, so the controls from `_beside` are not made. An adversary that
    guesses no entries has no ``neuron_mean``.

    Parameters
    ----------
    release : Release
    adversary : AdversarySpec
    known : WeightsOnly or one of its descendants
        Everything that the adversary is given; built from what the server sent and received.
    key : tuple
        Key of the random signs.
    secret : Secret
        Secret of the fill that is tried if the release has none.
    settings : Revival
        Settings of the completions used as controls; the adversary's own if it completes.
    """
    clock = time.process_time()
    revived = adversary.attack(known)
    seconds = time.process_time() - clock
    pruned = release.weights  # under a policy that does not keep cuts, the released entries are diluted, not zero
    if release.defended:
        pruned = {layer: weight.masked_fill(release.cut[layer], 0.0) for layer, weight in release.weights.items()}
    versions = {"original": release.original, "pruned": pruned, "revived": revived.weights}
    if adversary.guesses:
        versions["neuron_mean"] = oracle.neuron_mean(pruned, revived, settings)
    if release.masked:
        versions |= _beside(release, pruned, settings, key, secret)
    signs = oracle.sign_accuracy(revived.guesses, release.cut, release.original)
    counts = {"sign_accuracy": signs.n, "sign_accuracy_top_fifth": signs.n_top_fifth} if adversary.guesses else {}
    location = entry_auc(release.weights, release.cut)
    columns = score_auc(revived.columns, release.cut) if revived.columns else column_auc(release.weights, release.cut).folded
    return Outcome(
        {name: versions[name] for name in VERSIONS if name in versions},
        revived.said,
        finite(signs.overall) if adversary.guesses else None,
        finite(signs.top_fifth) if adversary.guesses else None,
        finite(location.value),
        finite(columns.value),
        seconds,
        {name: count for name, count in counts.items() if count},
        {name: (area.low, area.high) for name, area in (("location_auc", location), ("column_auc", columns)) if math.isfinite(area.value)},
        revived.embedding,
        revived.suspects,
    )


def _beside(release: Release, pruned: Weights, settings: Revival, key: tuple[Field, ...], secret: Secret) -> dict[str, Weights]:
    """Return the controls of a revival, the filled weights, and the attack of an adversary that knows the fill."""
    ratio = release.ratio if release.defended else 1.0
    defended = release.weights if release.defended else Gaussian(relative=1.0).seal(pruned, release.cut, secret).weights
    return {
        "random_signs": oracle.random_signs(pruned, release.cut, settings, key),
        "true_signs": oracle.true_signs(pruned, release.cut, release.original, settings),
        "defended": defended,
        "adaptive": revive(Adaptive(defended, density(release.cut), ratio), settings).weights,
    }


def finite(value: float) -> float | None:
    """Return the value if it is finite, else None."""
    return value if math.isfinite(value) else None
