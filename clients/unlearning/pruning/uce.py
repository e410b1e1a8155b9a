"""UCE: a closed-form edit of the keys and values of cross-attention.

Gandikota, Orgad, Belinkov, Materzynska, Bau, "Unified Concept Editing in Diffusion Models", WACV 2024 (arXiv 2308.14761), equation 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveFloat

from clients.streams import Field
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Cut, EraserSpec, Scope, Subject

if TYPE_CHECKING:
    from torch import Tensor, nn

    Read = dict[str, Tensor]
    """What the keys of each cross-attention read, one token a row, by the attention's name."""


class Uce(EraserSpec):
    """Changes keys and values of every cross-attention so that the target's tokens give what those of the next concept gave.

    Tokens of all other concepts, and of none, keep what they gave; where there are more tokens than a token has values, the solution is a
    compromise. No step is taken, and no image is looked at.

    Parameters
    ----------
    damping : float
        How strongly weights are held where they were, relative to one token.
    """

    summary: ClassVar[str] = "solves for keys and values that answer the concept as another one; leaves no zeros"
    source: ClassVar[str] = "UCE, Gandikota et al., WACV 2024"
    zeroes: ClassVar[bool] = False
    kind: Literal["uce"] = "uce"
    damping: PositiveFloat = 0.01

    @property
    def reach(self) -> Scope:
        """Keys and values of cross-attention."""
        return "cross_attention"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the new weights; nothing is drawn."""
        import torch

        other = subject.concepts[(subject.concepts.index(subject.target) + 1) % len(subject.concepts)]
        edited, wanted = _read(subject, "target", whole=False), _read(subject, other, whole=False)
        kept = [_read(subject, one, whole=True) for one in subject.concepts if one != subject.target]
        weights = {}
        for name in edited:
            pairs = torch.unique(torch.cat([edited[name], wanted[name]], 1), dim=0)
            old, new = pairs.split(edited[name].shape[1], dim=1)
            held = torch.unique(torch.cat([one[name] for one in kept]), dim=0)
            for part in ("to_k", "to_v"):
                weight = subject.module.get_parameter(f"{name}.{part}.weight").detach().cpu()
                weights[f"{name}.{part}.weight"] = solved(weight, old, new, held, self.damping)
        return Cut({}, weights, {**self.model_dump(), "other": other})


def solved(weight: Tensor, edited: Tensor, wanted: Tensor, kept: Tensor, damping: float) -> Tensor:
    """Return the weight that maps edited tokens to what the old one makes of the wanted ones, and kept tokens as the old one does.

    It minimises, in float64, the squared errors over both and ``damping`` times the squared distance to the old weight.

    Parameters
    ----------
    weight : tensor, shape (m, n)
    edited, wanted : tensor, shape (tokens, n)
    kept : tensor, shape (others, n)
    damping : float
    """
    import torch

    old, new, held = (tokens.double() for tokens in (edited, wanted, kept))
    common = held.T @ held + damping * torch.eye(weight.shape[1], dtype=torch.float64)
    right = weight.double() @ (new.T @ old + common)
    found: Tensor = torch.linalg.solve(old.T @ old + common, right.T).T.to(weight.dtype)
    return found.contiguous()


def _read(subject: Subject, conditions: str, whole: bool) -> Read:
    """Return what keys read in the first call of each sampler run; only the conditional half, unless the ``whole`` batch is wanted.

    ``UnlearningError`` if the model has no cross-attention.
    """
    import torch

    found: dict[str, list[Tensor]] = {}
    layers = {name.removesuffix(".to_k"): layer for name, layer in subject.module.named_modules() if name.endswith(".attn2.to_k")}
    if not layers:
        raise UnlearningError("the model has no cross-attention named '*.attn2': its keys and values cannot be edited")
    second_half = subject.guided and not whole
    handles = [layer.register_forward_pre_hook(_hook(found.setdefault(name, []), second_half)) for name, layer in layers.items()]
    handles.append(subject.module.register_forward_hook(_stop))
    try:
        for run in subject.runs(conditions):
            try:
                run()
            except _OnceError:
                continue
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}


class _OnceError(Exception):
    """Ends a sampler run after its first call."""


def _stop(module: nn.Module, args: Any, output: Any) -> None:
    raise _OnceError


def _hook(found: list[Tensor], second_half: bool) -> Any:
    """Return the forward pre-hook of one layer."""

    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        tokens = args[0].detach().cpu()
        if second_half:
            tokens = tokens[len(tokens) // 2 :]
        found.append(tokens.reshape(-1, tokens.shape[-1]))

    return hook
