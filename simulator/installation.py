"""Whether the packages that Python finds are Lethe's own: a file beside a notebook may be called ``clients`` or ``server``, too."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def shadowed(home: Path = HERE) -> str | None:
    """Return one line on what Python finds in place of Lethe's own packages, None if it finds those.

    Parameters
    ----------
    home : path
        The folder in which ``simulator`` lies, and the others must.
    """
    for name in ("clients", "server"):
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found != home / name / "__init__.py":
            what = f"{found} hides Lethe's own package {name}" if found else f"Lethe's own package {name} is not where simulator is"
            cure = "rename it, move it away, or start from another folder" if found else "install lethe-federated again"
            return f"{what} ({home / name}): {cure}"
    return None


def require_own_packages() -> None:
    """Raise ``ImportError`` with one line if something hides a package; a command says so on standard error and ends with status 2."""
    line = shadowed()
    if line is None:
        return
    if Path(sys.argv[0]).name in ("-m", "lethe"):  # `python -m simulator.cli` is called so while it is being found
        sys.stderr.write(f"lethe: {line}\n")
        raise SystemExit(2)
    raise ImportError(line)
