"""Validation of names and paths in a checkpoint: foreign content must not lead out of the checkpoint's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simulator.errors import LetheError

_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_LIBRARIES = ("diffusers", "transformers")
_SHOWN = 100


def shown(text: object) -> str:
    """Return foreign text for use in a message: on one line, without control characters, shortened."""
    plain = str(text)
    plain = plain if plain.isprintable() else repr(plain)
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 3] + "..."


def components(root: Path, table: dict[str, Any]) -> tuple[str, ...]:
    """Return the folders of a pipeline's parts, sorted; ``LetheError`` for a name that is not a plain folder, or an unknown class.

    Parameters
    ----------
    root : Path
    table : dict
        Content of ``model_index.json``.
    """
    index = root / "model_index.json"
    kind = table.get("_class_name")
    if not isinstance(kind, str) or not _CLASS.fullmatch(kind):
        raise LetheError(f"{index}: _class_name is {shown(repr(kind))}: code of its own is not run; give a pipeline of diffusers")
    found = []
    for name, entry in table.items():
        if not isinstance(entry, list):
            continue
        if not _COMPONENT.fullmatch(name):
            raise LetheError(f"{index}: names the part {shown(repr(name))}; parts are plain folders beside this file: remove it")
        if _component(index, name, entry) and (root / name).is_dir():
            found.append(name)
    return tuple(sorted(found))


def _component(index: Path, name: str, entry: list[Any]) -> bool:
    """Return whether an entry names a class; ``LetheError`` if the class is not from a known library."""
    if len(entry) != 2 or not all(part is None or isinstance(part, str) for part in entry):
        raise LetheError(f"{index}: {name} is {shown(repr(entry))}: wants a library and a class; fetch the file again")
    library, kind = entry
    if kind is None:
        return False
    if not (_CLASS.fullmatch(kind) and (library in _LIBRARIES or _within_diffusers(library))):
        raise LetheError(f"{index}: {name} is {shown(repr(entry))}: only classes of diffusers and transformers are run; remove this part")
    return True


def _within_diffusers(library: str | None) -> bool:
    """Return whether a library is one of the modules of diffusers that contain parts of pipelines; nothing is imported."""
    spec = find_spec("diffusers")
    if library is None or not _CLASS.fullmatch(library) or spec is None:
        return False
    return any((Path(place) / "pipelines" / library).is_dir() for place in spec.submodule_search_locations or ())


def stays(root: Path, path: Path, weights: Iterable[Path] = ()) -> Path:
    """Return the path; ``LetheError`` if a link on it leads out of the root, or to weights under another name.

    Links into the blob store of a Hugging Face cache, of which a snapshot consists, are allowed.

    Parameters
    ----------
    root, path : Path
        The resolved root, and a path below it.
    weights : iterable of Path
        Files that may be reached under their own names only, because a copy under another name would keep what is cut from them.
    """
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise LetheError(f"{root}: {shown(path.relative_to(root))} is a link that leads nowhere; fetch the whole folder again") from None
    store = root.parent.parent / "blobs" if root.parent.name == "snapshots" else None
    if not target.is_relative_to(root) and not (store and target.parent == store):
        what = f"{shown(path.relative_to(root))} leads out of it, to {shown(target)}"
        raise LetheError(f"{root}: {what}; put the file itself in the link's place (cp -rL copies a folder so)")
    if any(target == own.resolve() and path != own for own in weights):
        what = f"{shown(path.relative_to(root))} is a link to the weights {shown(target.name)}"
        raise LetheError(f"{root}: {what}, which are changed in one place only; remove it")
    return path


def within(folder: Path, path: Path) -> Path:
    """Return a destination; ``LetheError`` unless it is inside the folder after links are resolved."""
    if ".." in path.parts or not path.resolve().is_relative_to(folder.resolve()) or path.resolve() == folder.resolve():
        raise LetheError(f"{shown(path)}: lies outside {folder}, where alone files are written; give a checkpoint without such names")
    return path
