"""How often a pipeline's samples show a concept: before, pruned, revived and sealed, from the same start noise."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.audit.intervals import wilson
from server.audit.paired import Paired, mcnemar
from server.revival.arithmetic import Arithmetic
from simulator.checkpoints.classifier import Classifier
from simulator.checkpoints.embedding import check_learned, check_word
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import Checkpoint, find, find_given, read_json
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.prompts import Prompts, check_complete, load_pipeline, noises, running
from simulator.errors import LetheError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ORIGINAL, PRUNED, REVIVED, CONTROL = "original", "pruned", "revived", "original, without the concept"
"""Rows of the table; the last is drawn from the scenes alone, and tells how often the classifier sees the concept unasked."""


@dataclass(frozen=True)
class Row:
    """What the classifier saw in the samples of one folder.

    Parameters
    ----------
    name : str
    folder : Path
    shows : tuple of bool
        Whether each sample shows the concept.
    against : str or None
        The row from whose start noise these samples were drawn as well, and with which they are compared.
    paired : Paired or None
        Samples that changed from that row to this one.
    """

    name: str
    folder: Path
    shows: tuple[bool, ...]
    against: str | None = None
    paired: Paired | None = None

    @property
    def share(self) -> float:
        """Share of samples that show the concept."""
        return sum(self.shows) / len(self.shows)

    def as_json(self) -> dict[str, object]:
        """Return the figures as plain values; ``low`` and ``high`` are the ends of the 95 % interval."""
        low, high = wilson(self.share, len(self.shows))
        counted = {"n": len(self.shows), "share": self.share, "low": low, "high": high}
        compared = {} if self.paired is None else {"against": self.against, **asdict(self.paired)}
        return {"version": self.name, "folder": str(self.folder), **counted, **compared}


def judge_checkpoints(
    folders: Mapping[str, Path],
    prompts: Prompts,
    classifier: Classifier,
    arithmetic: Arithmetic,
    variant: str | None = None,
    word: str | None = None,
) -> list[Row]:
    """Return how often the samples of each folder show the one concept of the prompts; nothing is written.

    One pipeline is held at a time. Sample ``i`` of every folder starts from the same noise, and the same is added on its way.

    Parameters
    ----------
    folders : mapping of str to Path
        The pipeline before (``"original"``), and changed copies of it, by row.
    prompts : Prompts
    classifier : Classifier
    arithmetic : Arithmetic
        Device and determinism.
    variant : str, optional
    word : str, optional
        What stands for the concept in the prompts of the folder ``"revived"``, which has learned it; default: the concept.
    """
    if word is not None:
        check_word(word)
    found = {n: find(path, variant) if n == ORIGINAL else find_given(f"--{n}", path, variant) for n, path in folders.items()}
    for checkpoint in found.values():
        check_complete(checkpoint)
    _check_alike(found)
    for checkpoint in found.values():
        check_weights(checkpoint, parts=True)
    alone, learned = prompts.without(), prompts if word is None else replace(prompts, concepts=(word,))
    if word is not None:
        check_learned(found[REVIVED], word, learned.with_concept(word))
    classifier.load(arithmetic.place())
    owns = {name: learned if name == REVIVED else prompts for name in found}
    for name in sorted(found.keys() - {ORIGINAL}):  # a copy that cannot be loaded is told of before hours of drawing
        load_pipeline(found[name], owns[name], arithmetic.place())
        gc.collect()
    shows: dict[str, tuple[bool, ...]] = {}
    with Bars() as bars, arithmetic.active():
        for name, checkpoint in found.items():
            asked = owns[name].with_concept(owns[name].concepts[0])
            pipeline = load_pipeline(checkpoint, owns[name], arithmetic.place())
            shows[name] = _judged(pipeline, asked, prompts, classifier, bars.stage(f"drawing: {name}", len(asked)))
            if name == ORIGINAL:
                shows[CONTROL] = _judged(pipeline, alone, prompts, classifier, bars.stage(f"drawing: {CONTROL}", len(alone)))
            del pipeline
            gc.collect()
    return [_row(name, found.get(name, found[ORIGINAL]).root, shows) for name in shows]


def _row(name: str, folder: Path, shows: Mapping[str, tuple[bool, ...]]) -> Row:
    """Return a row, compared with the pruned one if there is one, as what is revived or sealed was pruned; else with the original."""
    if name == ORIGINAL:
        return Row(name, folder, shows[name])
    against = PRUNED if PRUNED in shows and name not in (PRUNED, CONTROL) else ORIGINAL
    return Row(name, folder, shows[name], against, mcnemar(shows[against], shows[name]))


def _check_alike(found: Mapping[str, Checkpoint]) -> None:
    """Raise ``LetheError`` unless all folders are of one model, so that one start noise fits all."""
    layers = {name: [(layer.name, layer.shape) for layer in checkpoint.layers] for name, checkpoint in found.items()}
    sizes = {name: read_json(checkpoint.denoiser / "config.json").get("sample_size") for name, checkpoint in found.items()}
    for name, checkpoint in found.items():
        if (layers[name], sizes[name]) != (layers[ORIGINAL], sizes[ORIGINAL]):
            what = f"is of another model than {found[ORIGINAL].root}, so that no start noise fits both"
            raise LetheError(f"--{name} {checkpoint.root}: {what}; give a copy of it")


def _judged(pipeline: Any, texts: list[str], prompts: Prompts, classifier: Classifier, step: Callable[[int], None]) -> tuple[bool, ...]:
    """Return whether each sample shows the concept."""
    shows = []
    for index, text in enumerate(texts):
        shows.append(classifier.shows(draw(pipeline, text, index, prompts)))
        step(1)
    return tuple(shows)


def draw(pipeline: Any, text: str, index: int, prompts: Prompts) -> npt.NDArray[np.uint8]:
    """Return a sample, ``(height, width, 3)``, 0 .. 255; ``LetheError`` if the pipeline draws values that are not finite."""
    import numpy as np

    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.safety_checker = None  # it blackens images, so that a concept that it looks for would pass for erased
    how = {"num_inference_steps": prompts.steps, "guidance_scale": prompts.guidance, "output_type": "np"}
    with running(pipeline):
        noise = noises(pipeline, index, ("judge", prompts.seed))
        image = np.asarray(pipeline(prompt=[text], **noise, **how).images[0])
    if not np.isfinite(image).all():
        kind = type(pipeline).__name__
        raise LetheError(f"{kind}: draws values that are not finite from {text!r}; use --device cpu, which draws in float32")
    return np.asarray((image * 255).round().astype(np.uint8))


def table(rows: list[Row], label: str) -> object:
    """Return the rows as a table for a terminal."""
    from rich.table import Table

    title = f"samples judged as {label!r}, with 95 % intervals over start noise"
    result = Table(title=title, title_justify="left", box=None, pad_edge=False)
    result.add_column("folder", overflow="fold")
    for column in ("n", "share", "interval", "gained", "lost", "against", "p"):
        result.add_column(column, justify="right")
    for row in rows:
        told, paired = row.as_json(), row.paired
        cells = [str(told["n"]), f"{row.share:.2f}", f"[{told['low']:.2f}, {told['high']:.2f}]"]
        cells += ["", "", "", ""] if paired is None else [str(paired.gained), str(paired.lost), str(row.against), f"{paired.p:.2g}"]
        result.add_row(row.name, *cells)
    return result
