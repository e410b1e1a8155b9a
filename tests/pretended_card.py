"""A pretended CUDA card: tensors that say that they lie on it, hold their values in main memory, and refuse to be mixed with others.

Everything that computes on a card can so be played whole where there is none. What it shows is where tensors lie, and that values come out
as on the CPU, whose kernels compute them; not that CUDA's kernels exist, what they come to, or how fast they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from clients.compute import Compute, resolved

backend_registration._setup_privateuseone_for_python_backend("far")
CARD = torch.device("far", 0)
ANSWERS = (torch.ops.aten._local_scalar_dense.default,)


class Aboard(torch.Tensor):
    """A tensor on the card; ``inner`` holds its values."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Aboard:
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        made: Aboard = torch.Tensor._make_wrapper_subclass(cls, inner.shape, device=CARD, **layout)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return _answer(func, args, kwargs or {})


class Card(TorchDispatchMode):
    """Inside, what is made on CUDA or sent there is ``Aboard``; counts the operations on the card."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        self.operations += any(isinstance(one, Aboard) for one in tree_leaves((args, kwargs)))
        return _answer(func, args, kwargs or {})


def _answer(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Carry out an operation on the inner tensors; ``RuntimeError`` if it mixes devices as CUDA would refuse."""
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    aboard = any(isinstance(one, Aboard) for one in tensors)
    wanted = kwargs.get("device")
    moves = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    if aboard and not moves and any(not isinstance(one, Aboard) and one.dim() for one in tensors):
        raise RuntimeError(f"{func}: expected all tensors to be on the same device")
    if wanted is not None:
        kwargs = kwargs | {"device": torch.device("cpu") if torch.device(wanted).type == CARD.type else wanted}
        aboard = torch.device(wanted).type == CARD.type
    if func is torch.ops.aten.copy_.default:
        _inner(args[0]).copy_(_inner(args[1]), *args[2:], **kwargs)
        return args[0]
    found = func(*tree_map_only(Aboard, _inner, args), **tree_map_only(Aboard, _inner, kwargs))
    if not aboard or func in ANSWERS:
        return found
    known = {id(_inner(one)): one for one in tensors}  # what was changed in place stays the same object
    return tree_map_only(torch.Tensor, lambda one: known[id(one)] if id(one) in known else Aboard(one), found)


def _inner(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.inner if isinstance(tensor, Aboard) else tensor


@contextmanager
def pretended_card() -> Iterator[Card]:
    """Pretend that torch finds a CUDA card."""
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # a module's ``to`` changes what a parameter is, and not only its memory
    try:
        with pytest.MonkeyPatch.context() as patch, Card() as card:
            patch.setattr(torch.cuda, "is_available", lambda: True)
            patch.setattr(torch.cuda, "_lazy_init", lambda: None)
            patch.setattr(Compute, "place", lambda self: CARD if resolved(self.device) == "cuda" else torch.device("cpu"))
            yield card
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)
