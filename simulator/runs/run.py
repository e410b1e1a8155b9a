"""A run, finished or not, as an object with its plan, results, data frames and peers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import LetheError
from simulator.scenarios.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from clients.participant import Participant


class Run:
    """A run directory, opened for reading.

    Parameters
    ----------
    folder : path
        The run directory.

    Raises
    ------
    LetheError
        If the folder is no run directory that this version can read.
    """

    def __init__(self, folder: Path | str) -> None:
        from simulator.runs.directory import read_plan

        self.folder = Path(folder)
        self.plan: Plan = read_plan(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        from simulator.runs.shown import as_html

        try:
            return as_html(self.results)
        except LetheError as error:
            return f"<p>{escape(str(error))}</p>"

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of ``results.json``, made from the ledger where it is missing; ``LetheError`` if the run is not finished."""
        from simulator.runs.written import read_results

        return read_results(self.plan, self.folder)

    @property
    def digest(self) -> str:
        """The hash of final parameters, receipts and metrics."""
        return str(self.results["digest"])

    @property
    def accuracy(self) -> Mapping[str, Mapping[str, float | None]]:
        """Mean accuracies of the final evaluation in [0, 1], such as ``accuracy["global"]["ensemble"]``; ``LetheError`` if not measured."""
        if "accuracy" not in self.results:
            names = " and ".join(self.results["metrics"])
            raise LetheError(f"{self.folder}: accuracy is not measured here, {names} are: take run.results['metrics']")
        return dict(self.results["accuracy"])

    @property
    def unmet(self) -> list[dict[str, Any]]:
        """The expectations that were not met."""
        return [one for one in self.results["expectations"] if not one["met"]]

    @property
    def timeline(self) -> pd.DataFrame:
        """One row per round: number of live peers, metrics, bytes, gradient steps, seconds."""
        import pandas as pd

        return pd.DataFrame(self.results["timeline"]).set_index("round")

    @property
    def erasures(self) -> pd.DataFrame:
        """One row per erasure: method, guarantee, difference to the counterfactual, cost, figures of attacks."""
        import pandas as pd

        return pd.DataFrame(self.results["erasures"])

    @property
    def metrics(self) -> pd.DataFrame:
        """Every metric of every peer and round; peer -1 is the federation, and the round after the last is the final evaluation."""
        from simulator.tasks.contract import cell_of

        found, declared = self._table("metrics"), cell_of(self.plan).metrics(self.plan.configs[0])
        return found.assign(name=found["name"].map(declared.label))

    @property
    def receipts(self) -> pd.DataFrame:
        """All receipts."""
        return self._table("receipts")

    @property
    def holdings(self) -> pd.DataFrame:
        """One row for each version of a seed at a holder, with the rounds since and until which it was held."""
        return self._table("holdings")

    def peers(self) -> dict[int, Participant]:
        """Return the peers at the end of the run, restored so that they can predict, by id."""
        from simulator.storage.reading import reading
        from simulator.tasks.replica import peers_at_end

        with reading(self.folder) as store:
            return peers_at_end(self.plan, store)

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        from simulator.storage.reading import connected

        with connected(self.folder / "run.sqlite") as db:
            return pd.read_sql_query(f"select * from {name}", db)
