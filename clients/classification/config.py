"""What the configs of classification peers that train networks have in common."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from clients.classification.compute import ClassifierCompute
from clients.config import PeerConfig, in_short
from clients.data.rows import Ids, Rows
from clients.spec import Spec


class ClassifierConfig(PeerConfig):
    """Config of a peer whose model is ``main``, trained as ``compute`` says."""

    if TYPE_CHECKING:  # fields of the subclasses, in whose order configs are written
        main: Spec
        compute: ClassifierCompute

    @property
    def model(self) -> str:
        """The main model, or the global one, in one line."""
        return in_short(self.main)

    def learned(self, ids: Ids) -> Rows:
        """Return rows as the peer learns them: as they are in the data set."""
        from clients import data

        return data.load(self.data).rows(ids)

    def computing(self) -> AbstractContextManager[None]:
        """Return a context in which torch's settings are those of ``compute``."""
        return self.compute.active()
