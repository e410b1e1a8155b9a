"""The JSON schema of scenario files."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from pydantic import TypeAdapter

from simulator.tasks.contract import scenarios


def schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files, of every cell, for editors."""
    return {"title": "Scenario", **TypeAdapter(reduce(or_, scenarios())).json_schema()}
