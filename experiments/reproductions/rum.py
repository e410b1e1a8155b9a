"""What makes unlearning hard, and who refines the request: ``python -m experiments.reproductions.rum [--mnist FOLDER] [--cifar10 FILE]``.

Zhao et al. (NeurIPS 2024) tell that doing nothing is near retraining where rows are hardly memorised, that forgetting is harder where a set
is entangled with the retained rows or memorised, for relabelling less so, and that a method gains where the set is split by memorisation:
refined above vanilla, vanilla no worse than shuffled, and the least memorised first above the reverse. Each is seen here or said not to
be, on digits and parts of MNIST and CIFAR-10, by ToW and by ToW-MIA.

An advisor then names a method from the two factors alone. It knows the forget sets of the first seeds, with ToW after every method, and is
scored on the sets of other seeds against always taking the one method that was best on the known sets. The sets of one seed share rows with
those of another, since the data sets are small; networks, splits and sets are drawn anew.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import track

from clients.data import DataError
from experiments.benchmarks._forget_sets import Case
from experiments.benchmarks.refined import METHODS, ended, scores, table, tow
from experiments.intervals import interval
from experiments.reproductions import rum_tables as tables
from experiments.reproductions.command import Parser
from experiments.reproductions.rum_advisor import scores as advised
from experiments.reproductions.rum_sets import Judged, World, cifar10, digits, mnist

MODELS = 64
"""Networks of each estimate of memorisation."""
Source = Callable[[int, int], World]
FILES: dict[str, Callable[[str], Source]] = {"mnist": mnist, "cifar10": cifar10}
MEASURES = {"ToW": tow, "ToW-MIA": Case.tow_mia}
OF_SETS: dict[str, tables.Measure] = {"ToW": lambda one: one.tow, "ToW-MIA": lambda one: one.tow_mia}


def sets_of(world: World, refine: bool) -> tuple[dict[str, Judged], dict[str, dict[tuple[str, str], float]]]:
    """Return the forget sets of a world, and each measure on the mixed one by method and way to split it, where that is asked for."""
    judged, ways = {}, {}
    for name, one in world.cases(world.sets()):
        if name != "mixed":
            judged[name] = world.judged(one)
        elif refine:
            found = ended([one], METHODS)
            ways = {of: {way: values[0] for way, values in scores([one], found, measure).items()} for of, measure in MEASURES.items()}
    return judged, ways


def told_of(name: str, source: Source, seeds: int, models: int, console: Console) -> list[str]:
    """Print the tables of a data set, and return its findings."""
    found, accuracies, lines = [], [], []
    for seed in track(range(2 * seeds), name, console=Console(stderr=True)):
        world = source(seed, models)
        found.append(sets_of(world, seed < seeds))
        accuracies.append(world.accuracy)
    every = [sets for sets, _ in found]
    for of, measure in OF_SETS.items():
        ways = {way: [one[of][way] for _, one in found[:seeds]] for way in found[0][1][of]}
        title = f"{name}: {of} on a fifth of the rows of low, middle and high memorisation, {seeds} seeds, 95 % intervals"
        console.print(table(title, ways, of), tables.of_sets(f"{name}: {of}", every, measure), sep="\n")
        lines += list(tables.of_refining(name if of == "ToW" else f"{name} by {of}", ways))
    known = [one for sets in every[:seeds] for one in sets.values()]
    scored = advised(known, [list(sets.values()) for sets in every[seeds:]])
    console.print(tables.of_advice(name, scored))
    lines += list(tables.of_factors(name, every, scored))
    return [*lines, f"9. {name}: share of test rows that the network answers rightly before anything is forgotten: {interval(accuracies)}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables and the findings."""
    parser = Parser("rum", __doc__ or "")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the known forget sets, and as many held-out ones; at least 2")
    parser.add_argument("--mnist", help="folder or prefix of MNIST's files, for the second data set")
    parser.add_argument("--cifar10", help="npz file of CIFAR-10, for the third data set")
    parser.add_argument("--quick", action="store_true", help="few networks for memorisation, to see that it works")
    told = parser.parse_args(arguments)
    if told.seeds < 2:
        parser.error(f"--seeds {told.seeds}: an interval needs at least 2")
    sources: dict[str, Source] = {"digits": digits}
    for name, images in FILES.items():
        path = getattr(told, name)
        try:
            sources |= {name: images(path)} if path else {}
        except DataError as reason:
            parser.error(f"--{name} {reason}")
    console, lines = Console(width=150), []
    for name, source in sources.items():
        lines += told_of(name, source, told.seeds, 8 if told.quick else MODELS, console)
    for line in lines:
        console.print(line, markup=False)


if __name__ == "__main__":
    main()
