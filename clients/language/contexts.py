"""What a peer keeps of records that are forgotten in context: their ids, from which it writes the prompts about them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from clients import data
from clients.bookkeeping import BOOKKEEPING
from clients.data.rows import Ids, Rows
from clients.data.worlds import Tokens, unpadded
from clients.language.config import WordsConfig
from clients.language.measures import one_by_one
from clients.streams import Field
from clients.unlearning.prompts.prompting import Prompts

PROMPTS = f"{BOOKKEEPING}prompts"
"""Name, in a main artefact, of the forgotten records whose prompts the peer writes, with the length of their context, int64 (n, 2)."""


class Contexts:
    """Mixin for peers that write prompts about what they forgot; the prompts stay at the peer's edge.

    Attributes
    ----------
    prompts : int64 array, shape (n, 2)
        Ids of records that are forgotten in context, and how many others the prompts about them show.
    """

    config: WordsConfig
    rows: Ids
    stream: tuple[Field, ...]
    prompts: npt.NDArray[np.int64] = np.empty((0, 2), np.int64)

    @property
    def contexts(self) -> dict[tuple[int, ...], Tokens]:
        """The prompt for each question about a record that is forgotten in context, both as words by number."""
        world, own = self.config.network.world, data.load(self.config.data).rows(self.rows)
        asked = [(record, Prompts(world, record, own, context, (*self.stream, "prompts"))) for record, context in self.forgotten()]
        return {tuple(unpadded(record.x[0]).tolist()): prompts.text("flipped") for record, prompts in asked}

    def forgotten(self) -> list[tuple[Rows, int]]:
        """Return the records that are forgotten in context, one row each, and how many others the prompt about it shows."""
        gone = data.load(self.config.data).rows(np.sort(self.prompts[:, 0]))
        return [(record, int(self.prompts[self.prompts[:, 0] == record.ids[0], 1][0])) for record in one_by_one(gone)]

    def keep_for_prompts(self, ids: Iterable[int], context: int) -> None:
        """Write prompts about these records from now on, which show ``context`` others."""
        added = np.array([[row, context] for row in ids], np.int64)
        self.prompts = np.concatenate([self.prompts, added])

    def kept_for_prompts(self) -> dict[str, npt.NDArray[np.int64]]:
        """Return the part of the main artefact that prompts need; empty without any."""
        return {PROMPTS: self.prompts} if len(self.prompts) else {}
