"""RMU: what a transformer's layer says of the rows to forget becomes one fixed direction; later layers can make nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Rows
from clients.iterations import IterationsFromZero
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clients.unlearning.deep.student import Student


class Rmu(Descending):
    """Pushes a layer's hidden states on the rows to forget to ``scale`` times a random unit vector, and keeps those on retained rows.

    Only this layer and those before it change. The answers' text is not looked at, and no likelihood is raised or lowered.

    Parameters
    ----------
    layer : int
        The transformer block whose output is changed, counted from 1.
    scale : float
        Length of the vector.
    alpha : float
        Weight of the squared difference of the states of retained rows; 0 leaves these out, and does not read them.
    """

    summary: ClassVar[str] = "language models: hidden states of what must go become a fixed random direction; later layers keep every bit"
    source: ClassVar[str] = "Li et al., The WMDP Benchmark, ICML 2024, arXiv 2403.03218"

    kind: Literal["rmu"] = "rmu"
    epochs: IterationsFromZero = 10
    optimizer: Optimizer = Adam(lr=3e-3)
    layer: PositiveInt = 1
    scale: PositiveFloat = 5.0
    alpha: NonNegativeFloat = 1.0

    @classmethod
    def applies(cls) -> bool:
        """Return that it does not work on every network: it needs the blocks of a transformer."""
        return False

    @classmethod
    def unsuited(cls) -> str:
        """Return that it works on language models alone."""
        return "works on language models alone, whose layers it changes"

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Change the student's layers up to this one."""
        gone = student.load("forget", forget)
        blocks: nn.ModuleList = student.module.blocks  # type: ignore[assignment]
        _freeze(student.module, blocks, self.layer)
        wanted = self._direction(student, blocks)
        with student.descent(self) as descent:
            kept = student.cycled(descent, student.load("retain", retain)) if self.alpha and len(retain) else None
            frozen = student.network.build(("unlearning",)).eval()
            frozen.load_state_dict(student.module.state_dict())

            def objective(x: Tensor, y: Tensor) -> Tensor:
                from torch.nn.functional import mse_loss

                states = _states(student.module, x, self.layer)
                loss = mse_loss(states, wanted.expand_as(states))
                if kept is None:
                    return loss
                inputs, _ = next(kept)
                before = _states(frozen, inputs, self.layer).detach()
                return loss + self.alpha * mse_loss(_states(student.module, inputs, self.layer), before)

            for number in range(self.epochs):
                student.epoch(descent, number, gone, objective)

    def _direction(self, student: Student, blocks: nn.ModuleList) -> Tensor:
        """Return the vector, (width,), drawn by key: entries uniform in [0, 1), then of length ``scale``."""
        import numpy as np
        import torch

        from clients.streams import generator

        width = next(blocks[self.layer - 1].parameters()).shape[-1]
        drawn = generator(*student.key, "direction").random(width)
        unit = (self.scale * drawn / np.linalg.norm(drawn)).astype(np.float32)
        return torch.from_numpy(unit).to(next(student.module.parameters()).device)


def _states(module: nn.Module, x: Tensor, layer: int) -> Tensor:
    """Return the output of a block, (words, width), for the words of inputs (n, length)."""
    import torch

    caught: list[Tensor] = []
    def catch(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)  # some architectures answer with the attention beside

    handle = module.blocks[layer - 1].register_forward_hook(catch)  # type: ignore[index,union-attr]
    try:
        module(x)
    finally:
        handle.remove()
    return torch.cat([part.flatten(0, 1) for part in caught])  # one part for each length of texts


def _freeze(module: nn.Module, blocks: nn.ModuleList, layer: int) -> None:
    """Let everything but the embeddings and the first blocks keep every bit."""
    embeddings: tuple[nn.Module, ...] = module.embeddings  # type: ignore[assignment]
    learning = {parameter for part in (*embeddings, *blocks[:layer]) for parameter in part.parameters()}
    for parameter in module.parameters():
        parameter.requires_grad_(parameter in learning)
