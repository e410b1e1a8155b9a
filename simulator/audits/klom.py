"""KLoM: how far the margins of unlearned models are distributed from those of retrained ones, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import Column
from simulator.audits.tier_one import Distant, columns

if TYPE_CHECKING:
    from server.audit.margins import Floats
    from simulator.audits.lives import Outputs, Shadows


class Klom(Distant):
    """KL divergence of margins (Georgiev et al. 2024); all shadow models have the same rows.

    The paper took 100 models of each kind.
    """

    columns: ClassVar[tuple[Column, ...]] = columns(
        "klom",
        "KLoM",
        "nats",
        "area",
        "Mean over forgotten rows of the KL divergence between histograms of margins in unlearned and in retrained models. "
        "It is not 0 for equal models, so compare it with retrained again.",
        ("95", "KLoM, 95 % of rows", "nats", "area", "The divergence that a twentieth of the rows exceed."),
        ("99", "KLoM, 99 % of rows", "nats", "area", "The divergence that a hundredth of the rows exceed."),
        ("gaussian", "KLoM, Gaussian", "nats", "area", "The same between fitted normal distributions, which resolve smaller shifts."),
        ("kept", "KLoM, kept rows", "nats", "area", "The same over kept rows."),
        ("test", "KLoM, test rows", "nats", "area", "The same over test rows."),
    )

    @property
    def distances(self) -> Callable[[Floats, Floats], Floats]:
        """Divergence of every row."""
        from server.audit.klom import divergences

        return divergences

    def more(self, shadows: Shadows, outputs: Outputs) -> Iterator[float | None]:
        """Yield quantiles over rows, the Gaussian form, and the means over kept and test rows."""
        import numpy as np

        from server.audit.klom import divergences, gaussian_divergences

        never, found = shadows.never, divergences(outputs.gone, shadows.never.gone)
        yield float(np.quantile(found, 0.95))
        yield float(np.quantile(found, 0.99))
        yield float(gaussian_divergences(outputs.gone, never.gone).mean())
        yield float(divergences(outputs.kept, never.kept).mean())
        yield float(divergences(outputs.population, never.population).mean())
