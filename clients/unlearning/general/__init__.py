"""Methods that carry out a request on given weights, by ``kind``; a registry separate from main models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.spec import Registry
from clients.unlearning.general.contract import MethodSpec

METHODS: Registry[MethodSpec] = Registry(
    "lethe.methods",
    "clients.unlearning.general.contract:MethodSpec",
    {
        "amnesiac": "clients.unlearning.deep.amnesiac:Amnesiac",
        "bad_teacher": "clients.unlearning.deep.bad_teacher:BadTeacher",
        "boundary_expand": "clients.unlearning.deep.boundary:BoundaryExpand",
        "boundary_shrink": "clients.unlearning.deep.boundary:BoundaryShrink",
        "certified_deep": "clients.unlearning.deep.certified_deep:CertifiedDeep",
        "cf_k": "clients.unlearning.deep.last_layers:CfK",
        "drop_seed": "clients.unlearning.general.drop_seed:DropSeed",
        "eu_k": "clients.unlearning.deep.last_layers:EuK",
        "features_labels": "clients.unlearning.general.features_labels:FeaturesLabels",
        "finetune": "clients.unlearning.general.finetune:Finetune",
        "fisher": "clients.unlearning.deep.fisher:FisherForgetting",
        "grad_diff": "clients.unlearning.deep.grad_diff:GradDiff",
        "gradient_ascent": "clients.unlearning.deep.gradient_ascent:GradientAscent",
        "in_context": "clients.unlearning.prompts.in_context:InContext",
        "influence": "clients.unlearning.general.influence:Influence",
        "l_codec": "clients.unlearning.general.l_codec:LCodec",
        "l1_sparse": "clients.unlearning.deep.l1_sparse:L1Sparse",
        "neggrad_plus": "clients.unlearning.deep.neggrad_plus:NegGradPlus",
        "nothing": "clients.unlearning.deep.nothing:Nothing",
        "npo": "clients.unlearning.deep.npo:Npo",
        "ntk": "clients.unlearning.deep.ntk:NtkScrubbing",
        "random_labels": "clients.unlearning.deep.random_labels:RandomLabels",
        "puma": "clients.unlearning.general.puma:Puma",
        "repair": "clients.unlearning.general.repair:Repair",
        "retrain": "clients.unlearning.general.retrain:Retrain",
        "rmu": "clients.unlearning.deep.rmu:Rmu",
        "rollback": "clients.unlearning.general.rollback:Rollback",
        "salun": "clients.unlearning.deep.salun:SalUn",
        "rum": "clients.unlearning.refine.rum:Rum",
        "scrub": "clients.unlearning.deep.scrub:Scrub",
        "simnpo": "clients.unlearning.deep.npo:SimNpo",
        "spiking": "clients.unlearning.spiking.method:SpikingUnlearning",
        "ssd": "clients.unlearning.deep.ssd:SelectiveDampening",
        "subtract": "clients.unlearning.general.subtract:Subtract",
        "undial": "clients.unlearning.deep.undial:Undial",
        "unsir": "clients.unlearning.deep.unsir:Unsir",
    },
)

if TYPE_CHECKING:
    AnyMethod = MethodSpec
else:  # the registry knows its members only at run time
    AnyMethod = METHODS.union(by_name=True)
