"""Scenarios, execution and storage of runs.

In a notebook: ``from simulator import Scenario, run`` and then ``run(Scenario.load("scenario.toml")).timeline``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.installation import require_own_packages

if TYPE_CHECKING:
    from simulator.errors import LetheError
    from simulator.estimators.classifier import UnlearningClassifier
    from simulator.estimators.regressor import UnlearningRegressor
    from simulator.plugins import register
    from simulator.runner import resume, run
    from simulator.runs.run import Run
    from simulator.runs.verify import verify
    from simulator.scenarios.plan import Plan
    from simulator.scenarios.resolution import resolve
    from simulator.scenarios.scenario import Scenario
    from simulator.sweeps.result import Sweep
    from simulator.sweeps.sweep import sweep

require_own_packages()

_HOMES = {
    "LetheError": "errors",
    "Plan": "scenarios.plan",
    "Run": "runs.run",
    "Scenario": "scenarios.scenario",
    "Sweep": "sweeps.result",
    "UnlearningClassifier": "estimators.classifier",
    "UnlearningRegressor": "estimators.regressor",
    "register": "plugins",
    "resolve": "scenarios.resolution",
    "resume": "runner",
    "run": "runner",
    "sweep": "sweeps.sweep",
    "verify": "runs.verify",
}

__all__ = [
    "LetheError",
    "Plan",
    "Run",
    "Scenario",
    "Sweep",
    "UnlearningClassifier",
    "UnlearningRegressor",
    "register",
    "resolve",
    "resume",
    "run",
    "sweep",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the command line must respond before torch is loaded."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"simulator.{_HOMES[name]}"), name)  # else the module `verify` hides the function
    return found
