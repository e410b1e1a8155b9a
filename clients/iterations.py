"""How often a setting may have something repeated: epochs, steps and iterations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MOST = 1_000_000
"""Largest number of iterations, the same on every machine: far above what anybody needs, but low enough that a slip is noticed."""

Iterations = Annotated[int, Field(gt=0, le=MOST)]
"""A number of iterations, from 1."""
IterationsFromZero = Annotated[int, Field(ge=0, le=MOST)]
"""A number of iterations, from 0."""
