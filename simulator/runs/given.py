"""The conditions of exactness: everything that the counterfactual, the run without the forgotten rows, takes over from the run."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.scenarios.data_table import Public
from simulator.scenarios.plan import Plan


def given(plan: Plan) -> Iterator[str]:
    """Yield one line for each condition: facts of the data, catalogues, ids, a partition that is not keyed, and the plan."""
    table = plan.scenario.data
    source = table.source()
    yield f"facts of the data: {_facts(table)}"
    if (drawn := table.synthetic) is not None:
        yield f"the reference rows: {drawn.rows} drawn from the seed and facts of the data alone (reference = {drawn.kind})"
    if source.catalogue:
        yield f"the catalogue: {source.catalogue}"
    if not (source.catalogue or source.published or getattr(source, "id", None) is not None):
        yield "the ids of rows: their places in the source (id names a column of a table that keeps them when rows before are gone)"
    if source.rows is not None:
        yield f"which rows of the source are used (rows = {source.rows}; of a file without some of them, others take their place)"
    if not getattr(table.partition, "keyed", False):
        yield f"the deal: who has which row was decided with all rows there (partition {table.partition.tag}, not keyed)"
    yield "the plan: who takes part in which round, how peers are connected, who asks for what and when"


def _facts(table: Public) -> str:
    """Return the origin of bounds, categories and classes, in words."""
    source = table.source()
    if source.published:
        return "as they are published with it"
    if table.facts == "all":
        return 'bounds, categories and classes of all rows, private and forgotten ones among them (facts = "all", a negative control)'
    counts = ((table.set_aside, "reference"), (table.test, "test"), (table.validation, "validation"))
    shown = ", ".join(f"{count} {name} rows" for count, name in counts if count)
    declared = [name for name in ("columns", "labels") if getattr(source, name) is not None]
    off = "bounds and categories of reference rows, classes" if table.set_aside else "bounds, categories, classes"
    read = f"{off} of public rows, where the source names none ({shown})"
    return f"{' and '.join(declared)} as declared; what is not declared: {read}" if declared else read
