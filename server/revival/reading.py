"""The adversary who learns from releases of its own what an edited column looks like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from server.revival.adversaries import AdversarySpec
from server.revival.attack import Revival, revive

if TYPE_CHECKING:
    from server.revival.knowledge import Revived, WeightsOnly


class Read(AdversarySpec):
    """Cuts other concepts from the released model and fills these cuts as is published, learns from that what edited columns look like,
    and completes the smallest entries of the columns that look most edited in the release.

    Parameters
    ----------
    revival : table
        Settings of the attack by completion; its location is not used.
    """

    knowledge: ClassVar[str] = "OwnReleases"
    summary: ClassVar[str] = "learns from cuts of its own what edited columns look like, and completes these"
    completes: ClassVar[bool] = True
    kind: Literal["reader"] = "reader"
    revival: Revival = Revival()

    def act(self, known: WeightsOnly) -> Revived:
        """Train on the examples, read the release, complete where that points."""
        from server.revival.knowledge import OwnReleases, WithMask
        from server.revival.reader import Reader

        assert isinstance(known, OwnReleases)
        reader = Reader.of(known.examples)
        revived = revive(WithMask(known.weights, reader.places(known.weights)), self.revival)
        said = f"{revived.said}, as learned from {len(known.examples)} releases of its own"
        return replace(revived, said=said, columns=reader.scores(known.weights))
