"""What a class that keeps a contract must do: suites for ours and for everybody else's.

``check_unlearner(MySpec())`` raises ``ContractError`` unless the unlearner does what its contract asks and its guarantee claims.
"""

from clients.checks.material import Material, graph_material, interactions_material, rows_material
from clients.checks.suite import Check, ContractError
from clients.checks.unlearner import check_unlearner, unlearner_checks

__all__ = [
    "Check",
    "ContractError",
    "Material",
    "check_unlearner",
    "graph_material",
    "interactions_material",
    "rows_material",
    "unlearner_checks",
]
