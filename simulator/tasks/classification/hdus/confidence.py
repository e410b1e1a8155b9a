"""Confidence by agreement at the end of a run: counted once, written down in the ledger beside what digests cover."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it loads Flower, which checking a scenario does not need
    from clients.participant import Participant

KEY = "confidence"
"""Under this key of the ledger's table meta stands what was counted."""

BINS = 10
"""Number of equally wide ranges of agreement in a calibration curve."""

_KEYS = {"ensemble": "ensembles", "shards": "shards"}


def measured(peers: Mapping[int, Participant]) -> list[dict[str, Any]]:
    """Return each live peer's agreements, counted; none of a recommender, which ranks items. ``DataError`` if the data are not here."""
    from clients import data
    from clients.classification.hdus.agreement import agreements
    from clients.classification.hdus.peer import Peer

    rows = []
    for number, peer in peers.items():
        assert isinstance(peer, Peer)
        if data.load(peer.config.data).users is None:
            rows.append({"peer": number, **{name: asdict(one) for name, one in agreements(peer).items()}})
    return rows


def findings(counted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results' table ``confidence`` of what was counted; empty if no peer has an ensemble.

    For ``ensembles`` and for ``shards``: a calibration curve over the answers of all peers (they share the test rows, so answers are not
    independent), the expected calibration error (Guo et al. 2017) over it, and of each peer its members, mean agreement and error.
    """
    found = {}
    for name, key in _KEYS.items():
        tables = {row["peer"]: row[name] for row in counted if name in row}
        if tables:
            peers = [{"peer": peer, "members": one["members"], **_summary([one])} for peer, one in tables.items()]
            found[key] = {**_summary(list(tables.values())), "curve": _curve(list(tables.values())), "peers": peers}
    return {"confidence": found} if found else {}


def _summary(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return number of answers, mean agreement, share of right answers, and expected calibration error."""
    curve = _curve(tables)
    total = sum(point["answers"] for point in curve)
    means = {key: math.fsum(point["answers"] * point[key] for point in curve) / total for key in ("agreement", "accuracy")}
    error = math.fsum(point["answers"] * abs(point["agreement"] - point["accuracy"]) for point in curve) / total
    return {"answers": total, **means, "error": error}


def _curve(tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a point for each range of agreement with answers: their number, mean agreement, and the share of them that is right."""
    points = []
    for place in range(BINS):
        chosen = [(k / members, answers, right) for members, k, answers, right in _cells(tables) if _bin(k, members) == place]
        if total := sum(answers for _, answers, _ in chosen):
            mean = math.fsum(share * answers for share, answers, _ in chosen) / total
            points.append({"answers": total, "agreement": mean, "accuracy": sum(right for *_, right in chosen) / total})
    return points


def _cells(tables: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield members, agreeing members, answers, and right ones among them."""
    for table in tables:
        for k, (answers, right) in enumerate(zip(table["answers"], table["right"], strict=True)):
            yield table["members"], k, answers, right


def _bin(agreeing: int, members: int) -> int:
    """Return the range of an agreement: number i reaches from i / BINS, exclusive, to (i + 1) / BINS; 0 lies in the first."""
    return max(0, -(-BINS * agreeing // members) - 1)
