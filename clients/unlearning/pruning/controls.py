"""Controls: random cuts, which should not erase a concept, and a full cut, which must."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from clients.streams import Field
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.contract import Cut, EraserSpec, Subject, zeroed

if TYPE_CHECKING:
    from torch import Tensor


class RandomMask(EraserSpec):
    """As many entries as ConceptPrune would cut, chosen at random: within the layer, or within each of its columns.

    Parameters
    ----------
    like : table
        The ConceptPrune whose cut determines the number of entries.
    within : {"layer", "columns"}
        Whether the number is matched per layer or per column.
    """

    summary: ClassVar[str] = "control: a random cut as large as ConceptPrune's"
    source: ClassVar[str] = "control"
    kind: Literal["random_mask"] = "random_mask"
    like: ConceptPrune = ConceptPrune()
    within: Literal["layer", "columns"] = "layer"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the cut, drawn by the key and the layer's name."""
        model = self.like.erase(subject, key)
        masks = {name: random_like(mask, self.within, (*key, "random mask", name)) for name, mask in model.masks.items()}
        return Cut(masks, zeroed(subject.module, masks), self.model_dump() | {"density": model.record["density"]})


class AllZero(EraserSpec):
    """All feed-forward output weights set to zero: accuracy must fall to chance if they encode the concept."""

    summary: ClassVar[str] = "control: every feed-forward output weight at zero"
    source: ClassVar[str] = "control"
    kind: Literal["all_zero"] = "all_zero"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the cut."""
        import torch

        from clients.unlearning.pruning.layers import feed_forward_layers

        layers = feed_forward_layers(subject.module)
        masks = {name: torch.ones_like(layer.weight, dtype=torch.bool, device="cpu") for name, layer in layers.items()}
        return Cut(masks, zeroed(subject.module, masks), self.model_dump() | {"density": 1.0})


def random_like(mask: Tensor, within: Literal["layer", "columns"], key: tuple[Field, ...]) -> Tensor:
    """Return a random mask, bool ``(m, n)``, with as many entries as this one in total, or in each column."""
    import torch

    from clients.streams import torch_generator

    noise = torch.rand(mask.shape, generator=torch_generator(*key), dtype=torch.float64)
    if within == "columns":
        ranks = noise.argsort(dim=0).argsort(dim=0)
        return ranks < mask.sum(dim=0, keepdim=True)
    ranks = noise.flatten().argsort().argsort().view(mask.shape)
    return ranks < mask.sum()
