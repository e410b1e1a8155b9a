"""Choice of the public rows. It is keyed by the rows' ids, so that no private row can influence it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clients.data import DataError
from clients.data.facts import PublicRows, Source
from clients.data.rows import Ids
from clients.streams import order


@dataclass(frozen=True)
class Split:
    """Ids of reference, test, validation and remaining rows, each ascending."""

    reference: Ids
    test: Ids
    validation: Ids
    rest: Ids

    def shown(self, facts: str) -> PublicRows:
        """Return the rows from which facts are read: the public ones or, with ``facts = "all"`` (the negative control), all.

        Without reference rows, the other public rows show bounds and categories as well as classes.
        """
        labelled = np.concatenate([self.reference, self.test, self.validation])
        if facts == "all":
            everything = np.sort(np.concatenate([labelled, self.rest]))
            return PublicRows(everything, everything)
        labelled = np.sort(labelled)
        return PublicRows(self.reference if len(self.reference) else labelled, labelled)


def split(source: Source, seed: int, reference: int, test: int, validation: int) -> Split:
    """Return the rows that are set aside: the first in the order of the hashes of their ids.

    If rows belong to users, users are set aside: one row of each is used, and no peer gets the others. ``DataError`` if no row is left
    for the peers.
    """
    ids = source.ids
    owner, what = (ids, "rows") if source.user_names is None else (source.user_names, "users")
    drawn = order(ids, seed, "asked")
    owners, first = np.unique(owner[drawn], return_index=True)
    public = reference + test + validation
    if public >= len(owners):
        asked = _asked({"reference": reference, "test": test, "validation": validation})
        raise DataError(f"{asked} leave none of {len(owners)} {what} to deal: lower them")
    parts = np.split(order(owners, seed, "aside"), [reference, reference + test, public])
    asked_of, tested, tuned = (np.sort(ids[drawn[first[part]]]) for part in parts[:3])
    return Split(asked_of, tested, tuned, ids[np.isin(owner, owners[parts[3]])])


def _asked(counts: dict[str, int]) -> str:
    """Return the keys that ask for rows, in words: ``reference = 3 and test = 4``."""
    *first, last = [f"{name} = {count}" for name, count in counts.items() if count]
    return f"{', '.join(first)} and {last}" if first else last
