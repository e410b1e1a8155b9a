"""A cut along the axes that relearning uses: what an adversary would change is taken out of the weights, over and over.

A defence of this project against relearning, with no paper behind it; `docs/roots.md` says what it achieves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.streams import Field
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.contract import Cut, EraserSpec, Rows, Subject

if TYPE_CHECKING:
    from torch import Tensor, nn


class RelearningAxes(EraserSpec):
    """After a cut, the feed-forward output weights lose what lies along the axes on which relearning the target would move them.

    In each of ``rounds`` an adversary relearns the target, and another trains on retained images, both from the present weights. Of each
    layer's change by the first, the ``rank`` leading axes in the space of hidden neurons are taken, without what lies along the ``keep``
    leading axes of the second; the layer then no longer answers to the rest.

    Parameters
    ----------
    cut : table
        The cut that comes first: ConceptPrune.
    rounds : int
        How often.
    rank : int
        Axes a layer and round.
    keep : int
        Axes of retained images that are spared.
    steps : int
        Steps of either adversary.
    lr : float
        Learning rate of either.
    batch_size : int
        Images per batch.
    """

    summary: ClassVar[str] = "cuts, and takes out of the weights what relearning would move; leaves no zeros"
    source: ClassVar[str] = "this project, after ConceptPrune, Chavhan et al., ICLR 2025"
    needs_images: ClassVar[bool] = True
    zeroes: ClassVar[bool] = False
    kind: Literal["relearning_axes"] = "relearning_axes"
    cut: ConceptPrune = ConceptPrune()
    rounds: Iterations = 3
    rank: PositiveInt = 8
    keep: NonNegativeInt = 16
    steps: Iterations = 20
    lr: PositiveFloat = 1e-3
    batch_size: PositiveInt = 32

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the new weights; nothing is drawn by the key."""
        import torch

        from clients.unlearning.pruning.gradients import borrowed, chosen, copies

        first = self.cut.erase(subject, key)
        parameters = chosen(subject.module, "feed_forward_out")
        with borrowed(subject.module, parameters):
            first.apply(subject.module)
            for number in range(self.rounds):
                forget, retain = (self._change(subject, parameters, rows, number) for rows in ("forget", "retain"))
                with torch.no_grad():
                    for name, parameter in parameters.items():
                        axes = relearning_axes(forget[name], retain[name], self.rank, self.keep)
                        parameter.copy_(parameter - parameter @ axes @ axes.T)
            new = copies(parameters)
        return Cut({}, new, self.model_dump() | {"subject": subject.describe()})

    def _change(self, subject: Subject, parameters: dict[str, nn.Parameter], rows: Rows, number: int) -> dict[str, Tensor]:
        """Return by how much training on these rows would move the parameters, which stay."""
        import torch

        from clients.unlearning.pruning.gradients import borrowed, follow, gradients

        before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        with borrowed(subject.module, parameters):
            optimizer = torch.optim.Adam(parameters.values(), lr=self.lr)
            for step in range(number * self.steps, (number + 1) * self.steps):
                follow(optimizer, parameters, gradients(subject.loss(rows, step, self.batch_size), parameters))
            return {name: parameter.detach() - before[name] for name, parameter in parameters.items()}


def relearning_axes(forget: Tensor, retain: Tensor, rank: int, keep: int) -> Tensor:
    """Return orthonormal axes of one layer's hidden neurons, ``(n, at most rank)``.

    Parameters
    ----------
    forget, retain : tensor, shape (m, n)
        Changes of the layer by training on the target, and on retained images.
    rank, keep : int
        Leading axes of the first that are taken; of the second, that are spared.
    """
    import torch

    axes, spared = (torch.linalg.svd(change, full_matrices=False)[2][:count].T for change, count in ((forget, rank), (retain, keep)))
    left = axes - spared @ (spared.T @ axes)
    directions, sizes, _ = torch.linalg.svd(left, full_matrices=False)
    found: Tensor = directions[:, sizes > 1e-3]  # what is shorter is rounding: it lies along spared axes
    return found
