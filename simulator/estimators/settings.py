"""The settings of an estimator, validated as those of a scenario are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, NonNegativeInt, ValidationError

from clients.data.facts import ColumnFacts
from clients.models import MODELS, ModelSpec
from clients.spec import Spec
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import UnlearnerSpec
from clients.unlearning.exact.retrain import Retrain
from simulator.estimators.cells import as_text
from simulator.scenarios.validation_errors import validation_errors

if TYPE_CHECKING:
    AnyMain = UnlearnerSpec | ModelSpec
else:  # the registries know their members only at run time
    AnyMain = UNLEARNERS.union(MODELS)


class Settings(Spec):
    """What an estimator is made with, apart from labels and targets."""

    method: AnyMain
    columns: tuple[ColumnFacts, ...] | None = None
    training: Training = Training()
    random_state: NonNegativeInt = 0

    @property
    def spec(self) -> UnlearnerSpec:
        """The unlearner; a plain model stands for training it again when rows must go."""
        return Retrain(base=self.method) if isinstance(self.method, ModelSpec) else self.method

    @classmethod
    def of(cls, method: Any, columns: Any, training: Any, random_state: Any) -> Settings:
        """Return the settings of these parameters; ``ValueError``, one line, names all that is wrong."""
        given = {"method": {"kind": method} if isinstance(method, str) else method, "random_state": random_state}
        given |= {name: value for name, value in (("columns", columns), ("training", training)) if value is not None}
        raw = json.loads(json.dumps(given, default=_plain))
        for column in raw["columns"] if isinstance(raw.get("columns"), list) else ():
            if isinstance(column, dict) and isinstance(column.get("categories"), list):  # compared by what is written in a cell
                column["categories"] = [as_text(one) for one in column["categories"]]
        try:
            return cls.model_validate_json(json.dumps(raw), strict=True)
        except ValidationError as error:
            raise ValueError("; ".join(validation_errors(error, raw, cls.model_json_schema()))) from None


def _plain(value: Any) -> Any:
    """Return what JSON knows: tables of specs, numbers of NumPy's."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return value.item() if hasattr(value, "item") else str(value)
