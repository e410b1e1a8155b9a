"""Limits of scenario files: far above what a simulation on one cluster can do, but low enough to prevent hangs and full memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Annotated, Any

from pydantic import Field

from simulator.errors import LetheError, ScenarioError, short

ROUNDS = 10_000
"""Rounds of a run."""
PEERS = 100_000
"""Peers of a federation."""
PEER_ROUNDS = 2_000_000
"""Peers times rounds; presence is drawn for each pair."""
EDGE_ROUNDS = 5_000_000
"""Edges of the first graph times rounds; the plan lists the edges of each round."""
BYTES = 10_000_000
"""Size of a scenario file in bytes."""
DEPTH = 32
"""Nesting depth of tables and lists."""
INTEGER = 2**63 - 1
"""Largest absolute value of an integer, the range that TOML guarantees."""

Rounds = Annotated[int, Field(gt=0, le=ROUNDS, description=f"A number of rounds, 1 to {ROUNDS}.")]
Peers = Annotated[int, Field(gt=0, le=PEERS, description=f"A number of peers, 1 to {PEERS}.")]


def text_of(file: Path) -> str:
    """Return a scenario file's text; ``LetheError`` if it is not a regular file, too large, or cannot be read."""
    cure = "give the path of a scenario file (TOML)"
    try:
        if file.exists() and not file.is_file():
            raise LetheError(f"{file}: is no regular file: {cure}")
        if file.exists() and (size := file.stat().st_size) > BYTES:
            raise LetheError(f"{file}: has {size} bytes, a scenario at most {BYTES}: {cure}")
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or ("it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error))
        raise LetheError(f"{file}: cannot be read ({reason}): {cure}") from None


def check_nesting(content: Mapping[str, Any], source: str) -> None:
    """Raise ``ScenarioError`` if content is nested too deep (including cycles), or contains an integer that is too large."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while waiting:
        place, value = waiting.pop()
        path = ".".join(step[:30] for step in place[:6]) + ("..." if len(place) > 6 else "")
        if len(place) > DEPTH:
            raise ScenarioError([f"{source}: {path}: lists and tables stand more than {DEPTH} deep in one another: shorten them"])
        if isinstance(value, int) and abs(value) > INTEGER:
            what = f"is a whole number of {value.bit_length()} bits: write one from {-INTEGER} to {INTEGER}"
            raise ScenarioError([f"{source}: {path}: {what}"])
        if isinstance(value, Mapping):
            waiting += [((*place, str(key)), part) for key, part in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [((*place, str(number)), part) for number, part in enumerate(value)]


def with_paths(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the content of each table of a scenario that may have a ``path``: a data set, a graph, churn, models."""
    for name in ("data", "topology", "churn", "language"):
        if isinstance(table := content.get(name), dict):
            yield name, table
    peers = content.get("peers")
    if isinstance(peers, dict):
        mains = peers.get("main")
        found = [(f"peers.main.{i}", main) for i, main in enumerate(mains if isinstance(mains, list) else ())]
        yield from ((name, table) for name, table in [*found, ("peers.seed", peers.get("seed"))] if isinstance(table, dict))


def irregular(path: str) -> str | None:
    """Return why a path in a scenario is not usable, or None; missing files are reported by the code that reads them."""
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, ValueError) as error:
        return f"{short(path)} cannot be a path ({getattr(error, 'strerror', None) or error}): correct it"
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        return f"{short(path)} is no regular file: give the path of a file"
    return None
