"""Erasers, which erase a concept by cutting, dampening or retraining weights, by ``kind``."""

from clients.spec import Registry
from clients.unlearning.pruning.contract import EraserSpec

ERASERS: Registry[EraserSpec] = Registry(
    "lethe.erasers",
    "clients.unlearning.pruning.contract:EraserSpec",
    {
        "all_zero": "clients.unlearning.pruning.controls:AllZero",
        "class_discriminative": "clients.unlearning.pruning.discriminative:ClassDiscriminative",
        "concept_prune": "clients.unlearning.pruning.concept_prune:ConceptPrune",
        "esd": "clients.unlearning.pruning.esd:Esd",
        "random_mask": "clients.unlearning.pruning.controls:RandomMask",
        "relearning_axes": "clients.unlearning.pruning.axes:RelearningAxes",
        "resistant": "clients.unlearning.pruning.resistant:Resistant",
        "salun": "clients.unlearning.pruning.salun:SalUn",
        "scissorhands": "clients.unlearning.pruning.scissorhands:Scissorhands",
        "ssd": "clients.unlearning.pruning.ssd:Ssd",
        "uce": "clients.unlearning.pruning.uce:Uce",
    },
)
