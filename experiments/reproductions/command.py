"""Common command line of reproductions: one-line errors, a folder of results, and the cache of denoisers."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NoReturn

from clients import cache
from clients.compute import Compute


class Parser(argparse.ArgumentParser):
    """A parser that shows defaults in its help and reports errors in one line.

    Parameters
    ----------
    prog : str
    doc : str
        Docstring of the program's module; its first line is shown.
    """

    def __init__(self, prog: str, doc: str) -> None:
        super().__init__(prog=prog, description=doc.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """Print an error line and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")

    def add_compute(self) -> None:
        """Add ``--device`` and ``--deterministic``."""
        self.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu", help="where to train and sample; auto: CUDA if any")
        self.add_argument("--deterministic", action="store_true", help="on CUDA: only kernels whose result does not vary between calls")

    def compute(self, options: argparse.Namespace) -> Compute:
        """Return the device of training and sampling; exit with an error if it is not available."""
        try:
            return Compute(device=options.device, deterministic=options.deterministic).settled()
        except ValueError as error:
            self.error(f"--{error}")

    def add_folders(self, out: str) -> None:
        """Add ``--out``, with ``out`` as the default shown in the help, and ``--cache``, by default that of all simulations."""
        self.add_argument("--out", type=Path, default=argparse.SUPPRESS, help=f"folder of results (default: {out})")
        self.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")

    def make_folders(self, options: argparse.Namespace, out: Path) -> None:
        """Create the folders and write them into ``options``; ``out`` is the default output folder, where something can be written."""
        options.out, options.cache = getattr(options, "out", out).expanduser(), options.cache.expanduser()
        for name in ("cache", "out"):  # a bad cache leaves no folder of results behind
            try:
                getattr(options, name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                self.error(f"--{name} {getattr(options, name)}: no folder can be there ({error.strerror}); name another")
        try:  # a folder that is there may be another user's, which would be known only once something is measured
            tempfile.TemporaryFile(dir=options.out).close()
        except OSError as error:
            self.error(f"--out {options.out}: nothing can be written there ({error.strerror}); name another")
