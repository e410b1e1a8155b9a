"""Finished measurements of a reproduction as JSON lines in a file, from which the same command goes on after any interruption."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Line = dict[str, Any]
"""Measurements as plain values; ``pair`` is the hash of everything that determines them."""


@dataclass(frozen=True)
class Lines:
    """Finished measurements in ``pairs.jsonl`` of a folder; several processes may append to it."""

    folder: Path

    @property
    def lines(self) -> Path:
        """The file of finished measurements."""
        return self.folder / "pairs.jsonl"

    def finished(self) -> dict[str, Line]:
        """Return the measurements by their hash; damaged lines are skipped."""
        found = {}
        for line in self.lines.read_bytes().split(b"\n") if self.lines.is_file() else []:
            try:
                measured = json.loads(line)
                found[measured["pair"]] = measured
            except (ValueError, TypeError, KeyError):  # a truncated line
                continue
        return found

    def append(self, measured: Line) -> None:
        """Append measurements durably, on a line of their own even after a truncated one."""
        with self.lines.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            torn = end > 0 and file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + json.dumps(measured).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
