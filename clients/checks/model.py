"""The suite for models: a torch module whose initial weights depend on the key only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from clients.checks.suite import Check, require, run_all
from clients.models import ModelSpec
from clients.training import Arrays, to_arrays


@dataclass(frozen=True)
class Case:
    """A model with its input shape and number of classes."""

    spec: ModelSpec
    shape: tuple[int, ...]
    classes: int

    def weights(self, *key: str | int) -> Arrays:
        """Return the weights drawn from a key."""
        return to_arrays(self.spec.build(self.shape, self.classes, key))


def survives_being_written_down(case: Case) -> None:
    """A round trip through JSON gives an equal spec."""
    again = type(case.spec).model_validate_json(case.spec.model_dump_json())
    require(again == case.spec, "as JSON and back it is another spec")


def maps_inputs_to_logits(case: Case) -> None:
    """Inputs ``(n, *shape)`` give finite float32 logits ``(n, classes)``, for one row and for several."""
    import torch

    module = case.spec.build(case.shape, case.classes, ("model", 1)).eval()
    for rows in (1, 5):
        logits = module(torch.zeros(rows, *case.shape))
        require(tuple(logits.shape) == (rows, case.classes), f"{rows} inputs give the shape {tuple(logits.shape)}")
        require(logits.dtype == torch.float32 and bool(logits.isfinite().all()), "logits are not finite float32")


def draws_weights_by_key(case: Case) -> None:
    """Equal keys give equal bytes, different keys different ones; torch's global generator is not used."""
    import torch

    before = torch.get_rng_state()
    first, again, other = case.weights("model", 1), case.weights("model", 1), case.weights("model", 2)
    untouched = bool((torch.get_rng_state() == before).all())
    require(untouched, "building draws from torch's global generator: make it with clients.models.building.keyed")
    for name, array in first.items():
        require(again[name].tobytes() == array.tobytes(), f"{name} differs between two builds with one key")
    require(any(other[name].tobytes() != array.tobytes() for name, array in first.items()), "the key changes nothing")


def tells_its_size(case: Case) -> None:
    """``parameters``, if implemented, returns the number of parameters."""
    try:
        told = case.spec.parameters(case.shape, case.classes)
    except NotImplementedError:
        return
    found = sum(parameter.numel() for parameter in case.spec.build(case.shape, case.classes, ("model", 1)).parameters())
    require(told == found, f"it tells {told} parameters and has {found}")


CHECKS: Mapping[str, Callable[[Case], None]] = {
    "it survives being written down": survives_being_written_down,
    "inputs become logits": maps_inputs_to_logits,
    "weights are a function of the key": draws_weights_by_key,
    "the number of parameters is told": tells_its_size,
}


def model_checks(spec: ModelSpec, shape: tuple[int, ...] = (1, 8, 8), classes: int = 10) -> Iterator[Check]:
    """Yield the checks of a model, with their names, on inputs of this shape."""
    for name, check in CHECKS.items():
        yield Check(name, partial(check, Case(spec, shape, classes)))


def check_model(spec: ModelSpec, shape: tuple[int, ...] = (1, 8, 8), classes: int = 10) -> None:
    """Run every check of a model; raise ``ContractError`` with one line per failed check."""
    run_all(type(spec).__name__, model_checks(spec, shape, classes))
