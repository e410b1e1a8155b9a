"""ConceptPrune: cut the feed-forward weights of neurons that fire more with a concept than without it.

Chavhan, Li, Hospedales, ICLR 2025 (arXiv 2405.19237). It needs neither gradients nor data, only two sets of conditions and a sampler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field as Bounds
from pydantic import PositiveInt

from clients.streams import Field
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Cut, EraserSpec, Subject, zeroed

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.pruning.recorder import Activity


class ConceptPrune(EraserSpec):
    """Settings of ConceptPrune.

    Parameters
    ----------
    share : float
        Share k of each row that competes for removal at each call, in (0, 1]; published 0.01 to 0.02, here 0.15 for the small model.
    calls : int
        Number of first sampler calls whose activations are recorded (tau).
    select : float
        A weight is cut if more than this share of the calls selected it; 0 is the union over calls.
    halves : {"cond", "both"}
        Which halves of a guided call count. The published code counts both.
    """

    summary: ClassVar[str] = "zeroes the feed-forward weights that a concept excites"
    source: ClassVar[str] = "ConceptPrune, Chavhan et al., ICLR 2025"
    kind: Literal["concept_prune"] = "concept_prune"
    share: Annotated[float, Bounds(gt=0, le=1)] = 0.15
    calls: PositiveInt = 8
    select: Annotated[float, Bounds(ge=0, lt=1)] = 0.0
    halves: Literal["cond", "both"] = "cond"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the cut; it is deterministic, so the key is not used."""
        from clients.unlearning.pruning.masks import density

        target, base = self.listen(subject)
        masks = self.masks({name: subject.module.get_parameter(f"{name}.weight").detach() for name in target.sums}, target, base)
        if not any(bool(mask.any()) for mask in masks.values()):
            raise UnlearningError(f"concept {subject.target}: no neuron fires more for it than without it, so there is nothing to cut")
        record: dict[str, Any] = self.model_dump() | {"subject": subject.describe(), "density": density(masks)}
        statistics = {f"target.{name}": a for name, a in target.sums.items()} | {f"base.{name}": a for name, a in base.sums.items()}
        return Cut(masks, zeroed(subject.module, masks), record, statistics)

    def listen(self, subject: Subject) -> tuple[Activity, Activity]:
        """Return activation statistics under the target and under the base; ``UnlearningError`` if the sets differ in size."""
        from clients.unlearning.pruning.recorder import record

        counts = subject.samples("target"), subject.samples("base")
        if counts[0] != counts[1]:
            raise UnlearningError(f"{counts[0]} target and {counts[1]} base conditions: norms grow with their number; use equally many")
        return record(subject, "target", self.calls, self.halves), record(subject, "base", self.calls, self.halves)

    def masks(self, weights: dict[str, Tensor], target: Activity, base: Activity) -> dict[str, Tensor]:
        """Return each layer's mask from weights and activation statistics, which the server may have summed over peers."""
        if target.rows != base.rows:
            raise UnlearningError(f"{target.samples} target and {base.samples} base samples: use equally many of both")
        return {
            name: prune_mask(weights[name], target.sums[name].sqrt(), base.sums[name].sqrt(), self.share, self.select)
            for name in target.sums
        }


def prune_mask(weight: Tensor, target: Tensor, base: Tensor, share: float, select: float = 0.0) -> Tensor:
    """Return which entries of one layer are cut.

    Parameters
    ----------
    weight : tensor, shape (m, n)
    target, base : float64 tensor, shape (calls, n)
        Norms of the hidden neurons with and without the concept.
    share, select : float
        See ``ConceptPrune``.

    Returns
    -------
    bool tensor, shape (m, n)
    """
    import torch

    size = weight.detach().double().abs().cpu()
    count = max(1, int(share * weight.shape[1] + 1e-9))  # floor, but 0.15 * 20 must give 3 despite rounding
    votes = torch.zeros(weight.shape, dtype=torch.int32)
    for with_concept, without in zip(target, base, strict=True):
        score = size * with_concept
        votes += top_of_rows(score, count) & (score > size * without)
    return votes > select * len(target)


def top_of_rows(score: Tensor, count: int) -> Tensor:
    """Return the ``count`` largest entries of each row as bool (m, n); ties are broken by index."""
    least = score.topk(count, dim=1).values[:, -1:]
    above, level = score > least, score == least
    room = count - above.sum(dim=1, keepdim=True)
    top: Tensor = above | (level & (level.cumsum(dim=1) <= room))
    return top
