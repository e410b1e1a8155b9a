"""Main model of one network that forgets by any method."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from clients.unlearning.contract import Guarantee
from clients.unlearning.general import METHODS, AnyMethod
from clients.unlearning.one_network import TracedNetwork


class MethodGuarantee:
    """A spec's guarantee: that of its method on an instance, ``approximate`` on the class."""

    def __get__(self, spec: Approximate | None, owner: type[Approximate]) -> Guarantee:
        return "approximate" if spec is None else spec.method.guarantee


class Approximate(TracedNetwork):
    """One network that forgets by a method: ``{ kind = "approximate", base = { kind = "mlp" }, method = "finetune" }``.

    Parameters
    ----------
    base : table
        The network.
    method : str or table
        Unlearning method; see ``lethe methods``.
    """

    implementation: ClassVar[str] = "clients.unlearning.approximate.approximated:Approximated"
    guarantee: ClassVar[Any] = MethodGuarantee()
    summary: ClassVar[str] = "one network; forgets by whichever method it is given"
    source: ClassVar[str] = "that of the method"

    kind: Literal["approximate"] = "approximate"
    method: AnyMethod

    @model_validator(mode="after")
    def _applies(self) -> Self:
        if not self.method.applies():
            able = ", ".join(kind for kind in METHODS.targets() if METHODS.load(kind).applies())
            raise ValueError(f"method {self.method.tag!r} {self.method.unsuited()}: take one of {able}")
        if misfit := self.method.misfit(self.base):
            raise ValueError(f"method {self.method.tag!r} {misfit}")
        return self
