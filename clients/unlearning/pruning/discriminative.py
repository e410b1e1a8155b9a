"""Class-discriminative pruning: cut the hidden neurons that are active for one class and few others.

Wang et al., WWW 2022 (arXiv 2110.11794), applied to hidden neurons of a denoiser instead of channels of a classifier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Bounds
from pydantic import PositiveInt

from clients.streams import Field
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Cut, EraserSpec, Subject, zeroed

if TYPE_CHECKING:
    from torch import Tensor


class ClassDiscriminative(EraserSpec):
    """Cuts whole columns: the ``share`` of each layer's neurons with the highest TF-IDF for the target; 0.3 suits the small model.

    Parameters
    ----------
    share : float
        Share of each layer's neurons that is cut.
    calls : int
        Number of first sampler calls whose activations are recorded.
    """

    summary: ClassVar[str] = "zeroes the hidden neurons with the highest TF-IDF for a class"
    source: ClassVar[str] = "Federated unlearning via class-discriminative pruning, Wang et al., WWW 2022"
    kind: Literal["class_discriminative"] = "class_discriminative"
    share: Annotated[float, Bounds(gt=0, lt=1)] = 0.3
    calls: PositiveInt = 8

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the cut; it is deterministic, so the key is not used."""
        import torch

        from clients.unlearning.pruning.recorder import record

        if len(subject.concepts) < 2:
            raise UnlearningError("class-discriminative pruning compares concepts: it needs at least two")
        heard = [record(subject, concept, self.calls, "cond", torch.abs) for concept in subject.concepts]
        wanted = subject.concepts.index(subject.target)
        masks = {}
        for name in heard[0].sums:
            means = torch.stack([activity.sums[name].sum(dim=0) / activity.rows[name] for activity in heard], dim=1)
            score = tf_idf(means)[:, wanted]
            chosen = torch.sort(score, descending=True, stable=True).indices[: max(1, int(self.share * len(score)))]
            mask = torch.zeros_like(subject.module.get_parameter(f"{name}.weight"), dtype=torch.bool, device="cpu")
            mask[:, chosen] = True
            masks[name] = mask
        return Cut(masks, zeroed(subject.module, masks), self.model_dump() | {"subject": subject.describe()})


def tf_idf(means: Tensor) -> Tensor:
    """Return the TF-IDF scores of neurons (rows) for classes (columns) from mean activations, shape (n, classes)."""
    frequency = means / means.sum(dim=0, keepdim=True).clamp_min(1e-300)
    present = (means >= means.mean(dim=0, keepdim=True)).sum(dim=1, keepdim=True)
    score: Tensor = frequency * ((1 + means.shape[1]) / (1 + present)).log()
    return score
