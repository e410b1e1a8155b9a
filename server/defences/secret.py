"""The secret key of a fill. Anyone who has it can draw the fill again and subtract it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clients.streams import Field, torch_generator

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Secret:
    """At least 16 secret bytes; never printed, never written next to a release."""

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) < 16:
            raise ValueError(f"a fill's secret has {len(self.value)} bytes: wants at least 16")

    @classmethod
    def new(cls) -> Secret:
        """Return a secret from the system's entropy, for releases that need not be reproduced."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def of_run(cls, run_seed: int) -> Secret:
        """Return the secret of a reproducible run, derived from its seed, which the adversary must then not know."""
        return cls(b"the fills of a reproducible run" + str(int(run_seed)).encode())

    def generator(self, *key: Field) -> torch.Generator:
        """Return a fresh generator for a key."""
        return torch_generator("fill", self.value, *key)
