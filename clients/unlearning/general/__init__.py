"""Methods that carry out a request on given weights, by ``kind``; a registry separate from main models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.spec import Registry
from clients.unlearning.general.contract import MethodSpec

METHODS: Registry[MethodSpec] = Registry(
    "lethe.methods",
    "clients.unlearning.general.contract:MethodSpec",
    {
        "drop_seed": "clients.unlearning.general.drop_seed:DropSeed",
        "finetune": "clients.unlearning.general.finetune:Finetune",
        "influence": "clients.unlearning.general.influence:Influence",
        "neggrad_plus": "clients.unlearning.deep.neggrad_plus:NegGradPlus",
        "retrain": "clients.unlearning.general.retrain:Retrain",
        "rollback": "clients.unlearning.general.rollback:Rollback",
        "scrub": "clients.unlearning.deep.scrub:Scrub",
        "spiking": "clients.unlearning.spiking.method:SpikingUnlearning",
        "ssd": "clients.unlearning.deep.ssd:SelectiveDampening",
        "subtract": "clients.unlearning.general.subtract:Subtract",
    },
)

if TYPE_CHECKING:
    AnyMethod = MethodSpec
else:  # the registry knows its members only at run time
    AnyMethod = METHODS.union(by_name=True)
