"""How rules travel in messages: as records, and their hashes in updates."""

from __future__ import annotations

import json
from collections.abc import Iterable

from flwr.app import ConfigRecord

from clients.participant import Record
from clients.unlearning.prompts.rules import Rule

PUBLISH, GUARDS, PATTERNS = "publish", "guards", "patterns"
"""Names of the records with the rules that a peer is to publish, with all rules in force, and with their hashes."""

GUARD = "guard/"
"""Name prefix, in an update, of the hashes of a published rule."""


def rules(chosen: Iterable[Rule]) -> ConfigRecord:
    """Return rules as a record."""
    return ConfigRecord({"json": json.dumps([rule.model_dump(mode="json") for rule in chosen])})


def rules_in(record: Record | None) -> list[Rule]:
    """Return the rules in a record."""
    told = json.loads(str(record["json"])) if isinstance(record, ConfigRecord) else []
    return [Rule.model_validate(one) for one in told]
