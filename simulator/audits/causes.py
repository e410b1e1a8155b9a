"""Causes: which training rows made the models fail on validation rows, and the event that deletes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from clients.unlearning.general.repair import Repair
from server.audit.causes import Cause
from simulator.audits.contract import Branch, NotJudgedError, RunAuditSpec

if TYPE_CHECKING:
    from clients.data import Dataset
    from simulator.audits.models import Model, Unjudged


class Causes(RunAuditSpec):
    """Ranks training rows by how much forgetting them would lower the loss of the validation rows that a model gets wrong.

    Every peer's network is judged by itself, or the one that the server averages. Validation rows choose what is deleted, so that only test
    rows say what it did. In a federation, a peer would be sent a direction and keep its ranking to itself.

    Parameters
    ----------
    by : {"row", "source", "class", "cluster"}
        What is ranked: single rows, all rows of a holder (or of a value of ``column``), of a class, or of a cluster of the network's last
        hidden features.
    top : int
        Largest number of rows or groups that are named. The event deletes those rows whose score is positive, of groups the first.
    column : str, optional
        The categorical column that names the source of a row.
    clusters : int
        Number of clusters.
    repair : table
        How the precision of the weights is approximated: the settings of the method ``repair``.
    """

    by: Literal["row", "source", "class", "cluster"] = "row"
    top: PositiveInt = 10
    column: str | None = None
    clusters: PositiveInt = 8
    repair: Repair = Repair()

    needs_validation: ClassVar[bool] = True
    sections: ClassVar[tuple[str, ...]] = ("simulator.report.audits.causes:SECTION",)

    @model_validator(mode="after")
    def _of_source(self) -> Self:
        if self.column is not None and self.by != "source":
            raise ValueError(f'column names the source of a row, and by is {self.by!r}: set by = "source", or leave column out')
        return self

    def unfit(self, data: Dataset) -> str | None:
        """Return why no column of a data set names the source of a row, or None."""
        return None if self.column is None else _unnamed(data, self.column)

    def examine(self, branch: Branch) -> list[dict[str, Any]]:
        """Return for every model its failures, its first causes and the event to paste, or why it is not judged."""
        from simulator.audits.models import models

        found = [self._of_model(model) for model in models(branch)]
        if not any("causes" in one for one in found):
            raise NotJudgedError("; ".join(f"{one['model']}: {one['reason']}" for one in found) or "no peer is left at the end")
        return found

    def _of_model(self, model: Model | Unjudged) -> dict[str, Any]:
        from simulator.audits.models import Unjudged

        told: dict[str, Any] = {"model": model.name}
        if isinstance(model, Unjudged):
            return told | {"reason": model.reason}
        failures = model.failures()
        told |= {"failures": len(failures), "validation": len(model.validation)}
        if not len(failures):
            return told | {"reason": "no validation row fails, so that nothing has caused a failure"}
        causes = self._ranked(model)[: self.top]
        return told | {"causes": [cause._asdict() for cause in causes], "event": _event(self._blamed(causes), model)}

    def _ranked(self, model: Model) -> list[Cause]:
        """Return every cause, the worst first."""
        import numpy as np

        from server.audit.causes import ranked

        ids = np.concatenate([rows.ids for rows in model.parts.values()])
        return ranked(self._names(model), ids, model.scores(self.repair))

    def _names(self, model: Model) -> list[str]:
        """Return the name of the group of each row, in the order of the holders."""
        import numpy as np

        rows = list(model.parts.values())
        if self.by == "row":
            return [f"row {row}" for part in rows for row in part.ids]
        if self.by == "class":
            return [f"class {model.source.labels[label]}" for part in rows for label in part.y]
        if self.by == "source" and self.column is None:
            return [f"peer {peer}" for peer, part in model.parts.items() for _ in part.ids]
        x = np.concatenate([part.x for part in rows])
        if self.by == "source":
            return _values(model.source, str(self.column), x)
        return [f"cluster {cluster}" for cluster in model.clusters(x, self.clusters)]

    def _blamed(self, causes: Sequence[Cause]) -> list[int]:
        """Return the ids of the rows to delete, ascending."""
        chosen = causes if self.by == "row" else causes[:1]
        return sorted(row for cause in chosen if cause.score > 0 for row in cause.ids)

    def lines(self, findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Yield what was found, line by line: of each model its failures, its first causes, and the event to paste."""
        for one in findings:
            if "reason" in one:
                yield f"{one['model']}: {one['reason']}"
                continue
            named = ", ".join(f"{cause['name']} ({cause['score']:+.2g})" for cause in one["causes"])
            yield f"{one['model']}: {one['failures']} of {one['validation']} validation rows fail; by what forgetting would help: {named}"
            yield from one["event"].splitlines()


def _values(source: Dataset, column: str, x: Any) -> list[str]:
    """Return the value of a categorical column of each row; ``NotJudgedError`` if there is no such column, or there are several."""
    if wrong := _unnamed(source, column):
        raise NotJudgedError(wrong)
    place = [one.name for one in source.columns].index(column)
    codes = x.reshape(len(x), -1)[:, place].astype(int)
    return [f"{column} {source.categories[place][code]}" for code in codes]


def _unnamed(source: Dataset, column: str) -> str | None:
    """Return why a name is not that of a single categorical column of a data set, with the cure, or None."""
    from clients.data.cells import repeated

    names = [one.name for one in source.columns if one.categories]
    if column not in names:
        some = f"take one of {', '.join(names)}" if names else "the data have none, leave column out"
        return f"column {column!r} is no categorical column: {some}"
    return repeated([one.name for one in source.columns], column)


def _event(ids: Sequence[int], model: Model) -> str:
    """Return the text of the events that forget these rows in the last round: holders left without a row leave, others delete."""
    import numpy as np

    if not ids:
        return ""
    hit = {peer: np.isin(rows.ids, ids) for peer, rows in model.parts.items()}
    leaving = [peer for peer, chosen in hit.items() if chosen.all()]
    deleting = [peer for peer, chosen in hit.items() if chosen.any() and peer not in leaving]
    text = ""
    if leaving:
        text += f'[[event]]\nround = {model.rounds}\ndo = "leave"\npeers = {leaving}\nerase = true\n'
    if deleting:
        rows = sorted(row for peer in deleting for row in model.parts[peer].ids[hit[peer]].tolist())
        text += f'[[event]]\nround = {model.rounds}\ndo = "delete"\npeers = {deleting}\nrows = {{ ids = {rows} }}\n'
    return text
