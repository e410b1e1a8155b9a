"""Made-up runs of any size for the report's tests; values are distinct enough to be found on the page."""

from __future__ import annotations

import numpy as np

from simulator.audits import AUDITS
from simulator.report import model as m
from simulator.report import outcomes as o
from simulator.runs.verdict import Verdict

PROVEN = Verdict("proven", "bit for bit as if the data had never been there")


def example(peers: int = 10, rounds: int = 8, *, erasures: bool = True, name: str = "departures") -> m.ReportData:
    rng = np.random.default_rng(peers)
    leave = {4: 3, 2: 6, 7: 6} if erasures and peers >= 8 else {}
    lives = [sum(leave.get(p, rounds + 1) > r for p in range(peers)) for r in range(1, rounds + 1)]
    edges = [ring(peers, {p for p, when in leave.items() if when <= r}) for r in range(rounds + 1)]
    return m.ReportData(
        name=name,
        seed=7,
        engine="ray, 2 workers",
        digest="9f2c" * 16,
        dataset="digits",
        classes=tuple("0123456789"),
        accuracy=m.Accuracy(0.5521, 0.9312, 0.9034, 0.9467),
        rounds=tuple(
            m.RoundRow(r, live, mean(r, rounds), 0.4 + 0.01 * r, 41_000 * live if r > 1 else 0, 190_000 * live, 700 + r)
            for r, live in enumerate(lives, 1)
        ),
        peers=tuple(peer(p, rounds, leave.get(p), rng) for p in range(peers)),
        scenario=f'name = "{name}"\nseed = 7\nrounds = {rounds}\n\n[data]\ndataset = "digits"\n\n[[event]]\nround = 3\ndo = "leave"\n',
        versions=(("lethe", "0.1.0"), ("flwr", "1.41.0"), ("torch", "2.13.0")),
        verdict=Verdict("proven", "every erasure left all that remains bit for bit as if the data had never been there"),
        machine=m.Machine("avx2", (("instructions of torch", "AVX2"), ("processor", "Example 9000"))),
        seconds=21.4,
        events=happenings(leave),
        graphs=tuple(
            m.GraphChange(r, tuple(p for p, when in leave.items() if when == r), tuple(p for p in range(peers) if leave.get(p, 99) >= r),
                          edges[r - 1], tuple(p for p in range(peers) if leave.get(p, 99) > r), edges[r])
            for r in sorted(set(leave.values()))
        ),
        holdings=tuple(
            m.HoldingsChange(r, tuple(p for p, when in leave.items() if when == r), held(edges[r - 1], r), held(edges[r], r + 1))
            for r in sorted(set(leave.values()))
        ),
        erasures=outcomes() if leave else (),
        expectations=(m.ExpectationRow("after round 8: accuracy.global.ensemble at least 0.8", True, "0.931"),) if leave else (),
        page="simulator.report.classification.page:ClassificationPage",
        sections=("simulator.report.audits.membership:SECTION",),
        columns=tuple(
            o.AuditColumn(one.name, one.heading, one.format, one.order, one.counts)
            for spec in AUDITS.specs()
            for one in spec.columns
            if one.shown
        ),
        terms=tuple(term for spec in AUDITS.specs() for term in spec.model_construct().terms),
        incidents=(m.Incident(5, "worker 1 died and was restarted; 5 peers restored"),) if leave else (),
    )


def mean(r: int, rounds: int) -> m.Accuracy:
    t = r / rounds
    dip = 0.05 if r in (3, 6) else 0
    return m.Accuracy(0.35 + 0.2 * t, 0.62 + 0.31 * t**0.4 - dip, 0.8 + 0.1 * t, 0.85 + 0.1 * t - dip / 2)


def peer(number: int, rounds: int, left: int | None, rng: np.random.Generator) -> m.PeerRow:
    away = {5, 6} if number == 1 else set()
    member = tuple(left is None or r < left for r in range(1, rounds + 1))
    present = tuple(here and r not in away for r, here in enumerate(member, 1))
    wobble = rng.normal(0, 0.04, rounds)

    def accuracy(r: int) -> m.Accuracy:
        base = mean(r, rounds)
        return m.Accuracy(*(min(max((v or 0) + float(wobble[r - 1]), 0), 1) for v in vars(base).values()))

    kinds = ("mlp 64", "mlp 128-64", "cnn 8-16", "sisa, 3 shards, 2 slices of mlp 64", "linear")
    return m.PeerRow(
        number,
        kinds[number % 5],
        tuple(int(n) for n in rng.multinomial(108, rng.dirichlet(np.full(10, 0.3)))),
        "erased" if left else "present",
        member,
        present,
        tuple(accuracy(r) if here else None for r, here in enumerate(present, 1)),
        accuracy(rounds) if present[-1] else None,
    )


def happenings(leave: dict[int, int]) -> tuple[m.EventRow, ...]:
    if not leave:
        return ()
    return (
        m.EventRow(3, "leave", (4,), "erase everywhere"),
        m.EventRow(4, "delete", (3,), "5 rows"),
        m.EventRow(5, "offline", (1,), "2 rounds"),
        m.EventRow(6, "leave", (2, 7), "erase everywhere; chosen by betweenness"),
        m.EventRow(7, "crash", (5,), "during training"),
    )


def outcome(
    difference: float, steps: int, seconds: float, size: int, holders: int | None, receipts: int | None, mia: float, relearn: float
) -> o.Outcome:
    audited = {"max_abs_difference": difference, "mia_auc": mia, "relearn_steps": relearn}
    return o.Outcome(steps, seconds, size, holders, receipts, audited)


def outcomes() -> tuple[o.ErasureRow, ...]:
    def peer_erasure(r: int, p: int, mia: float) -> o.ErasureRow:
        return o.ErasureRow(
            r, "peer", p, 108 - p, "drop the seeds", "exact",
            outcome(0.0, 0, 0.00042, 310, 4, 4, mia, 412),
            outcome(0.0, 23456 + p, 6.21, 1_234_000, None, None, mia, 412),
            outcome(0.4321, 0, 0.0, 0, 4, 0, mia + 0.06, 0),
            request=r,
            verdict=PROVEN,
        )

    rows = o.ErasureRow(
        4, "rows", 3, 5, "sisa", "exact",
        outcome(0.0, 118, 0.0921, 40_100, 4, 4, 0.5123, 37),
        outcome(0.0, 24001, 6.35, 1_230_000, None, None, 0.5123, 37),
        outcome(0.0231, 0, 0.0, 0, 4, 0, 0.5987, 0),
        request=4,
        verdict=PROVEN,
    )
    return (peer_erasure(3, 4, 0.5312), rows, peer_erasure(6, 2, 0.4871), peer_erasure(6, 7, 0.5099))


def ring(peers: int, gone: set[int]) -> tuple[m.Edge, ...]:
    here = [p for p in range(peers) if p not in gone]
    pairs = {(min(a, b), max(a, b)) for step in (1, 2) for i, a in enumerate(here) if (b := here[(i + step) % len(here)]) != a}
    return tuple(sorted(pairs))


def held(edges: tuple[m.Edge, ...], version: int) -> dict[tuple[int, int], tuple[int, ...]]:
    return {pair: (version,) for a, b in edges for pair in ((a, b), (b, a))}
