"""The wording of reports on denoisers: quality of samples, and results on erased concepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from clients import wire
from simulator.report import words
from simulator.report.contract import TaskPage, at_the_end, proven
from simulator.report.diffusion import words as diffusion_words
from simulator.report.diffusion.collect import roots
from simulator.report.diffusion.model import VARIANTS, Roots, mean_scores
from simulator.report.model import EventRow, Figure, ReportData
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class DenoisingPage(TaskPage):
    """Peers train denoisers, from which concepts are erased, and in which attacks revive them."""

    sections: ClassVar[tuple[str, ...]] = tuple(
        f"simulator.report.diffusion.sections:{name}" for name in ("LOSS", "RELEASE", "REVIVALS", "DRAWN", "CLASSES", "TURNED")
    )
    tells_of_no_erasure: ClassVar[bool] = False

    def collect(self, plan: Plan, store: RunStore, results: Mapping[str, Any]) -> Roots:
        """Return the data on concepts."""
        return roots(results, plan.labels, lambda sha256: wire.from_bytes(store.artefact(sha256)))

    def headline(self, data: ReportData) -> list[str]:
        """Return what happened, in a few sentences."""
        return diffusion_words.headline(data)

    def sentence(self, event: EventRow) -> str:
        """Return an event as a sentence without full stop."""
        return diffusion_words.sentence(event)

    def befell_peers(self, event: EventRow) -> bool:
        """Return whether an event concerned the presence of peers; the erasure of a concept does not."""
        return event.do != "erase"

    def key_figures(self, data: ReportData) -> list[Figure]:
        """Return the key figures: scores of erased concepts, as means over the first setting."""
        roots: Roots = data.own
        judge = f"; the judge is right in {words.percent(roots.judge)} of real images" if roots.judge is not None else ""
        alone = "at the end" if roots.sampled_alone is None else f"main models alone {diffusion_words.whole(roots.sampled_alone)}"
        figures = [] if roots.sampled is None else [Figure("samples judged right", diffusion_words.whole(roots.sampled), alone + judge)]
        if roots.released is not None:
            how = f"policy {diffusion_words.policy(roots.released.policy)}; moved on from the seeds' start by {roots.released.scale:g}"
            figures.append(Figure("the release's samples judged right", diffusion_words.whole(roots.released.sampled), how))
        if roots.revivals:
            rows = roots.rows(roots.settings[0])
            means = {name: mean_scores(rows, name) for name in VARIANTS}
            target = {name: diffusion_words.with_ends(mean.target, mean.n_target) for name, mean in means.items()}
            others = diffusion_words.whole(means["pruned"].others)
            figures += [
                Figure("erased concept, pruned", target["pruned"], f"before {target['original']}; other concepts {others}"),
                Figure("revived", target["revived"], f"random signs {target['random_signs']}, true signs {target['true_signs']}"),
                Figure("defended", target["defended"], f"after the adaptive attack {target['adaptive']}"),
            ]
        return [*figures, *proven(data), *at_the_end(data)]
