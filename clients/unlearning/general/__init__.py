"""Methods: how a request is carried out on given weights, by ``kind``; a registry apart from main models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from clients.spec import Registry
from clients.unlearning.general.contract import MethodSpec

METHODS: Registry[MethodSpec] = Registry(
    "lethe.methods",
    "clients.unlearning.general.contract:MethodSpec",
    {
        "drop_seed": "clients.unlearning.general.drop_seed:DropSeed",
        "finetune": "clients.unlearning.general.finetune:Finetune",
        "retrain": "clients.unlearning.general.retrain:Retrain",
        "rollback": "clients.unlearning.general.rollback:Rollback",
        "subtract": "clients.unlearning.general.subtract:Subtract",
    },
)


def _table(value: Any) -> Any:
    """Return ``{"kind": "x"}`` for ``"x"``."""
    return {"kind": value} if isinstance(value, str) else value


if TYPE_CHECKING:
    AnyMethod = MethodSpec
else:  # the registry knows its members only at run time
    AnyMethod = Annotated[METHODS.union(), BeforeValidator(_table)]
