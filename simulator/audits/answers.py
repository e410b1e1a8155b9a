"""What language models still answer about forgotten rows, beside the model that never had them.

Source of the forget quality: TOFU (Maini et al. 2024, arXiv 2401.06121).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from server.timeline import Erasure
from simulator.audits.contract import RETRAINED, RUN, AuditSpec, Branch, Branches, Column, NotJudgedError, keyed

if TYPE_CHECKING:
    from clients.config import PeerConfig
    from clients.data.rows import Rows
    from server.audit.margins import Floats

_PLACE = 60  # behind what is asked of every kind of model
_ROWS = "answers_rows"
_ENDS = (("low", "Lower"), ("high", "Upper"))


def _share(name: str, heading: str, meaning: str) -> tuple[Column, ...]:
    """Return the columns of a share of the forgotten rows, with the ends of its interval."""
    ends = (
        Column(f"{name}_{end}", f"{heading}, {end}", "share", "share", f"{word} end of the 95 % interval (Wilson, by names).", shown=False)
        for end, word in _ENDS
    )
    meaning = f"{meaning} The interval is that of as many rows as there are names, since facts about one are learned together."
    return Column(name, heading, "share", "share", meaning, order=_PLACE, counts=_ROWS), *ends


class Answers(AuditSpec):
    """Asks a language model about the rows that it had to forget, with the prompts of unlearning in context and without."""

    columns: ClassVar[tuple[Column, ...]] = (
        *_share("answers_right", "still answered", "Share of the forgotten rows whose true answer the weights alone give."),
        *_share("answers_seen", "seen by users", "The same of what users of their owner see: with its prompts, and of the mixture."),
        *_share("answers_rouge", "ROUGE-L recall", "How much of true answers is in those of the weights alone, where they are sentences."),
        Column(
            "answers_quality",
            "forget quality",
            "p-value",
            "area",
            "P-value of a Kolmogorov-Smirnov test that truth ratios of forgotten rows are distributed as on the model that never had them; "
            "a small one says that they are not, a large one proves nothing, least of all with few rows.",
            order=_PLACE,
            counts=_ROWS,
        ),
        Column(_ROWS, "rows asked about", "count", "steps", "Forgotten rows.", shown=False),
    )

    def unfit_for(self, config: PeerConfig) -> str | None:
        """Return that peers have no language model, with the cure, or None."""
        from clients.language.config import WordsConfig

        return None if isinstance(config, WordsConfig) else "asks language models, and peers have none: remove the audit"

    def barred(self, erasure: Erasure) -> str | None:
        """Return that no row was deleted, or None."""
        return "no row was deleted, about which a model could be asked" if not erasure.rows or erasure.correction is not None else None

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> dict[str, float | None]:
        """Return what is still answered, with intervals; see `AuditSpec.judge`."""
        found = {row: one for row in branches.rows if (one := _told(erasure, branches.learned(row), branches[row])) is not None}
        if RUN not in found or RETRAINED not in found:
            raise NotJudgedError("no language model that had to forget answers for itself, in the run and without the data")
        figures: dict[str, float | None] = {}
        for row, told in found.items():
            quality = forget_quality(told.ratios, found[RETRAINED].ratios)
            figures |= keyed(self.columns, row, (*told.right, *told.seen, *told.rouge, quality, float(len(told.ratios))))
        return figures


def forget_quality(ratios: Floats, retrained: Floats) -> float:
    """Return the p-value of a two-sample Kolmogorov-Smirnov test, exact: the asymptotic one is 0 for three rows apart, and this 0.1."""
    import warnings

    from scipy.stats import ks_2samp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a p-value that is rounded past 1 is told of
        return float(ks_2samp(ratios, retrained).pvalue)


Ended = tuple[float | None, float | None, float | None]
"""A share, and the ends of its interval."""


@dataclass(frozen=True)
class _Told:
    """What a model answers about forgotten rows; ``ratios`` are their truth ratios, in nats."""

    right: Ended
    seen: Ended
    rouge: Ended
    ratios: Floats


def _told(erasure: Erasure, gone: Rows, branch: Branch) -> _Told | None:
    """Return what the language model that had to forget answers; None if there is none, or no row."""
    import numpy as np

    from clients.language.hdus.peer import HdusLanguagePeer
    from clients.language.measures import truth_ratios
    from clients.language.network import LanguageNetwork
    from clients.language.rouge import recalls
    from clients.unlearning.prompts.prompting import Prompted
    from simulator.audits.models import asked

    network, weights = asked(erasure, branch) or (None, {})
    if not isinstance(network, LanguageNetwork) or not len(gone):
        return None
    world, questions, peer = network.world, gone.x.astype(np.int64), branch.peers.get(erasure.peer)
    model = peer.guarded.network if isinstance(peer, HdusLanguagePeer) else Prompted(network, getattr(peer, "contexts", {}))
    logits = network.logits(weights, questions)
    seen = np.concatenate([model.logits(weights, question[question >= 0][None]) for question in questions])
    names = len(np.unique(questions[:, -1]))
    given = [world.vocabulary[int(place)] for place in logits.argmax(axis=1)]
    overlap = recalls(given, [world.answers[int(y)] for y in gone.y]) if world.sentences else None
    shares = [(one.argmax(axis=1) == gone.y).astype(np.float64) for one in (logits, seen)]
    right, by_users, rouge = (_ended(values, names) for values in (*shares, overlap))
    return _Told(right, by_users, rouge, truth_ratios(world, logits[:, : network.classes], gone.y))


def _ended(values: Floats | None, names: int) -> Ended:
    """Return the mean of values in [0, 1] with its interval, that of as many rows as there are names; None thrice if there are none."""
    from server.audit.intervals import wilson

    return (None, None, None) if values is None else (share := float(values.mean()), *wilson(share, names))
