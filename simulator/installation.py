"""Check that Python imports Lethe's own packages, because a file next to a notebook may be called ``clients`` or ``server`` too."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def shadowed(home: Path = HERE) -> str | None:
    """Return an error line if Python finds other packages instead of Lethe's own, else None.

    Parameters
    ----------
    home : path
        The folder that contains ``simulator`` and must contain the others.
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
    """Raise ``ImportError`` with one line if a package is hidden; a command prints it to standard error and exits with status 2."""
    line = shadowed()
    if line is None:
        return
    if Path(sys.argv[0]).name in ("-m", "lethe"):  # argv[0] is "-m" while Python locates the module of `python -m simulator.cli`
        sys.stderr.write(f"lethe: {line}\n")
        raise SystemExit(2)
    raise ImportError(line)
