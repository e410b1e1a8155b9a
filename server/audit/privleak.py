"""Privacy leakage: how far an attack on forgotten rows fares from its success on a model that never had them, as a share of that.

Source: Shi et al., "MUSE: Machine Unlearning Six-Way Evaluation for Language Models", 2024, arXiv 2407.06460. The attack is Min-K% Prob
(Shi et al., arXiv 2310.16789), the mean log-probability of the least probable words of a text; of an answer of one word it is that word's
for every K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.streams import Field
from server.audit.margins import Floats
from server.audit.ranking import Interval, area, around

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Attacked:
    """Scores of one model, float64 (n,), large where a row is taken for one that it learned: of forgotten rows, and of rows held out."""

    forgotten: Floats
    held_out: Floats

    @property
    def area(self) -> float:
        """Area under the curve of the attack, in [0, 1]; 0.5 is chance."""
        return area(self.forgotten, self.held_out)

    def drawn(self, forgotten: Places, held_out: Places) -> Attacked:
        """Return the scores of rows drawn by their places."""
        return Attacked(self.forgotten[forgotten], self.held_out[held_out])


def leakage(found: Attacked, retrained: Attacked, key: tuple[Field, ...], repeats: int = 200) -> Interval:
    """Return ``(area - area of the retrained) / area of the retrained`` with its percentile interval by a bootstrap over rows.

    It is 0 for models that the attack treats alike; above, forgotten rows still look learned, below, they stand out as forgotten. Both
    models are asked for the same drawn rows. ``ValueError`` if the attack never ranks a forgotten row first on the retrained model.
    """
    if not retrained.area:
        raise ValueError("on the model that never had the rows the attack ranks none of them before a row held out")
    chance, values = streams.generator(*key, "bootstrap"), []
    for _ in range(repeats):
        rows = [chance.integers(0, len(part), len(part)) for part in (found.forgotten, found.held_out)]
        base = retrained.drawn(*rows).area
        values.append(found.drawn(*rows).area / base - 1 if base else np.nan)
    return around(found.area / retrained.area - 1, np.array(values))
