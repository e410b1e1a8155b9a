"""ESD: train the concept's predicted noise to be what guidance away from the concept would give.

Gandikota, Materzynska, Fiotto-Kaufman, Bau, "Erasing Concepts from Diffusion Models", ICCV 2023 (arXiv 2303.07345), equations 7 and 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.streams import Field
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Cut, EraserSpec, Subject

if TYPE_CHECKING:
    from torch import Tensor, nn


class Esd(EraserSpec):
    """Trains the target's predicted noise towards the unconditional one, less ``eta`` times what the concept adds to it.

    Both are predicted by the model as it was, on what it draws under the target; no image is looked at. Nothing holds the other
    concepts but the choice of weights.

    Parameters
    ----------
    eta : float
        How far to move away from the concept; 0 ends at the unconditional noise.
    steps : int
        Gradient steps.
    lr : float
        Learning rate.
    batch_size : int
        Steps of samplers in a batch.
    scope : {"cross_attention", "all_but_cross_attention"}
        Which weights may change: ESD-x, ESD-u.
    """

    summary: ClassVar[str] = "trains the concept's noise to point away from it, on what the model draws; leaves no zeros"
    source: ClassVar[str] = "ESD, Gandikota et al., ICCV 2023"
    needs_guidance: ClassVar[bool] = True
    zeroes: ClassVar[bool] = False
    kind: Literal["esd"] = "esd"
    eta: NonNegativeFloat = 1.0
    steps: Iterations = 100
    lr: PositiveFloat = 1e-3
    batch_size: PositiveInt = 32
    scope: Literal["cross_attention", "all_but_cross_attention"] = "cross_attention"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the new weights; batches are drawn by the key, samples by the subject."""
        import torch
        from torch.nn import functional

        from clients.streams import torch_generator
        from clients.unlearning.pruning.gradients import borrowed, chosen, copies, follow, gradients

        parameters = chosen(subject.module, self.scope)
        if not parameters:
            raise UnlearningError(f"scope {self.scope}: the model has no such weights; choose another eraser")
        seen = drawn(subject)
        wanted = moved_away(seen.without, seen.conditional, self.eta)
        with borrowed(subject.module, parameters):
            optimizer = torch.optim.Adam(parameters.values(), lr=self.lr)
            for step in range(self.steps):
                rows = torch.randint(len(wanted), (self.batch_size,), generator=torch_generator(*key, "esd", step)).to(wanted.device)
                loss = functional.mse_loss(predicted(subject.module, seen, rows), wanted[rows])
                follow(optimizer, parameters, gradients(loss, parameters))
            new = copies(parameters)
        return Cut({}, new, self.model_dump())


class Drawn(NamedTuple):
    """Calls of the UNet while it draws samples of the target, one sample a row.

    Attributes
    ----------
    noisy : tensor, shape (rows, channels, height, width)
    time : tensor, shape (rows,)
    tokens : tensor, shape (rows, tokens, width)
        Of the target.
    without, conditional : tensors, shaped as noisy
        Noise predicted without a condition, and under the target.
    """

    noisy: Tensor
    time: Tensor
    tokens: Tensor
    without: Tensor
    conditional: Tensor


def moved_away(without: Tensor, conditional: Tensor, eta: float) -> Tensor:
    """Return the unconditional noise, less ``eta`` times the difference of the conditional one from it (equation 7)."""
    return without - eta * (conditional - without)


def predicted(module: nn.Module, seen: Drawn, rows: Tensor) -> Tensor:
    """Return the noise that the UNet predicts for some rows under the target, with its gradient."""
    found: Tensor = module(seen.noisy[rows], seen.time[rows], encoder_hidden_states=seen.tokens[rows], return_dict=False)[0]
    return found


def drawn(subject: Subject) -> Drawn:
    """Return all calls of the sampler runs over the target.

    ``UnlearningError`` if samples are drawn without guidance, so that no call has an unconditional half.
    """
    import torch

    if not subject.guided:
        raise UnlearningError("guidance 1: esd moves away from the unconditional noise, which no call predicts; draw with another guidance")
    calls: list[Drawn] = []

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        noisy: Tensor = args[0].detach().chunk(2)[1]
        tokens: Tensor = kwargs["encoder_hidden_states"].detach().chunk(2)[1]
        without, conditional = output[0].detach().chunk(2)
        time = torch.as_tensor(args[1], device=noisy.device).expand(len(noisy))
        calls.append(Drawn(noisy, time, tokens, without, conditional))

    handle = subject.module.register_forward_hook(record, with_kwargs=True)
    try:
        for run in subject.runs("target"):
            run()
    finally:
        handle.remove()
    return Drawn(*(torch.cat(part) for part in zip(*calls, strict=True)))
