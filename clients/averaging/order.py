"""The order of an averaging server to a peer to unlearn by a method: to measure its rows for it, or to carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, ConfigRecord
from pydantic import TypeAdapter

from clients import wire
from clients.corrections import Correction
from clients.participant import Record
from clients.training import Arrays
from clients.unlearning.general import AnyMethod
from clients.unlearning.general.contract import MethodSpec

METHOD, TOTALS = "method", "totals"
"""Names of the records with the order and with the sums over all peers."""

_METHODS: TypeAdapter[MethodSpec] = TypeAdapter(AnyMethod)


@dataclass(frozen=True)
class Order:
    """A method that a peer works by.

    Parameters
    ----------
    method : MethodSpec
    measure : bool
        Whether the peer measures its rows, and forgets none yet.
    rows : tuple of int
        Ids of its rows that will be forgotten; empty if another peer asks, or if it is not to measure.
    totals : dict of str to array
        The sums over all peers; empty while they are measured, and for methods that need none. For a method that the server carries out,
        what it asks.
    corrections : tuple of Correction
        What will be corrected in its rows, empty where ``rows`` is.
    """

    method: MethodSpec
    measure: bool = False
    rows: tuple[int, ...] = ()
    totals: Arrays = field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()

    def records(self) -> dict[str, ArrayRecord | ConfigRecord]:
        """Return the order as records of a message."""
        right = [one.model_dump_json() for one in self.corrections]
        told = {"json": self.method.model_dump_json(), "measure": int(self.measure), "rows": list(self.rows), "correct": right}
        found: dict[str, ArrayRecord | ConfigRecord] = {METHOD: ConfigRecord(told)}  # type: ignore[arg-type]
        return found | ({TOTALS: wire.pack(wire.to_bytes(self.totals))} if self.totals else {})

    @property
    def by_holder(self) -> bool:
        """Whether the peer carries the method out when it forgets or corrects; else that is done by the server, or for later."""
        return not self.measure and not self.method.by_server

    @property
    def bytes_of_totals(self) -> int:
        """Bytes of the sums on the wire."""
        return sum(array.nbytes for array in self.totals.values())

    @classmethod
    def read(cls, payload: Mapping[str, Record]) -> Order | None:
        """Return the order that a message has, or None."""
        told = payload.get(METHOD)
        if not isinstance(told, ConfigRecord):
            return None
        sums = payload.get(TOTALS)
        totals = wire.from_bytes(wire.unpack(sums)) if isinstance(sums, ArrayRecord) else {}
        method = _METHODS.validate_json(str(told["json"]))
        right = tuple(Correction.model_validate_json(one) for one in wire.strings(told, "correct"))
        return cls(method, bool(told["measure"]), tuple(wire.integers(told, "rows")), totals, right)
