"""Contract suites for our own classes and for third-party ones.

``check_unlearner(MySpec())`` and ``check_model(MySpec())`` raise ``ContractError`` unless the class fulfils its contract and, if it is an
unlearner, its guarantee.
"""

from clients.checks.material import Material, graph_material, interactions_material, rows_material
from clients.checks.model import check_model, model_checks
from clients.checks.suite import Check, ContractError
from clients.checks.unlearner import check_unlearner, unlearner_checks

__all__ = [
    "Check",
    "ContractError",
    "Material",
    "check_model",
    "check_unlearner",
    "graph_material",
    "interactions_material",
    "model_checks",
    "rows_material",
    "unlearner_checks",
]
