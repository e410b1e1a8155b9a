"""What ``docs/audits.md`` says stands: its keys are read, and it names every audit by shadow models and every verdict."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from simulator.audits.verdicts import FAILS, NO_OBJECTION, NO_POWER, PASSES, UNDECIDED, by_shadows
from simulator.scenarios.audits import audit_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "audits.md").read_text(encoding="utf-8")


def test_keys_audits_and_verdicts_are_those_there_are() -> None:
    tables = [tomllib.loads(keys)["audit"] for keys in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
    asked = {name: one for table in tables for name, one in audit_table().model_validate(table).asked.items()}
    assert asked["klom"].model_dump() == {"models": 100}
    assert asked["inversion"].model_dump() == {"adversary": "server"}
    assert all(f"| `{name}` |" in PAGE for name in by_shadows())
    assert all(f"| `{verdict}` |" in PAGE for verdict in (PASSES, FAILS, UNDECIDED, NO_POWER, NO_OBJECTION))
