"""Checks of the files of a run directory: each is a plain file with the content that was written, and there are no others."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clients import wire
from simulator.errors import LetheError, short
from simulator.runs.directory import RESULTS, reason
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

FILES = ("scenario.toml", "plan.json", "run.sqlite", RESULTS)


def links(folder: Path) -> Iterator[str]:
    """Yield a line for every path of the run that is a link, or no plain file."""
    for path in [folder / name for name in FILES]:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            yield f"{path.name}: is {_kind(path)}, where the run wrote a file"
    artefacts = folder / "artefacts"
    if artefacts.is_symlink() or not artefacts.is_dir():
        yield f"artefacts: is {_kind(artefacts)}, where the run made a folder"
        return
    for path in sorted(artefacts.iterdir()):
        if path.is_symlink() or not path.is_file():
            yield f"artefacts/{path.name}: is {_kind(path)}, where the run wrote a file"


def _kind(path: Path) -> str:
    """Return the kind of a path, in words."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return "missing"
    if stat.S_ISLNK(mode):
        return "a link"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "no plain file"


def artefacts(store: RunStore, folder: Path) -> Iterator[str]:
    """Yield a line for every artefact that is missing, changed, or not referenced by the ledger."""
    alive = store.alive()
    for name in sorted(alive):
        try:
            store.artefact(name)
        except LetheError as error:
            yield str(error)
    wanted = {f"{name}.safetensors" for name in alive}
    for path in sorted((folder / "artefacts").iterdir()):
        if path.name not in wanted:
            yield f"artefacts/{path.name}: nothing in the ledger points to it"


def as_planned(plan: Plan, store: RunStore, folder: Path) -> Iterator[str]:
    """Yield a line if the files of plan or scenario differ from those written at the start of the run."""
    if wire.sha256((folder / "plan.json").read_bytes()) != store.meta("plan.json"):
        yield "plan.json: not the file that was written when the run began"
    try:
        found = tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = reason(error)
        yield f"scenario.toml: cannot be read ({why}): plan.json holds the scenario that was run"
        return
    if place := _difference(found, tomllib.loads(plan.scenario.to_toml())):
        yield f"scenario.toml: {place} is not what the plan says"


def _difference(found: Any, wanted: Any, place: str = "") -> str | None:
    """Return the first key at which two tables differ, or None."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in sorted(found.keys() | wanted.keys()):
            here = f"{place}.{key}" if place else key
            if key not in found or key not in wanted:
                return short(here)
            if inside := _difference(found[key], wanted[key], here):
                return inside
        return None
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return next((inside for number, (a, b) in pairs if (inside := _difference(a, b, f"{place}.{number}"))), None)
    return None if found == wanted and type(found) is type(wanted) else short(place)
