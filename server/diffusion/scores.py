"""The figures of samples that findings keep: shares, which concept is taken for which, and how near samples are to real images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from clients.diffusion.fidelity import fidelity
from clients.streams import bottom
from server.audit.paired import mcnemar
from server.diffusion.evaluation import SampleEvaluation, Shown
from server.diffusion.metrics import COMPARED


def of_versions(
    shown: Mapping[str, Shown], evaluation: SampleEvaluation, concept: int, erased: Collection[int]
) -> dict[str, dict[str, Any]]:
    """Return the figures of the samples of every version of a model, which start from the same noise: see `scores`.

    A version that is compared with others (`COMPARED`) also has ``paired``: by the other's name, how many samples show the erased concept
    only in this version (``gained``), and only in the other one (``lost``), and the ``p`` value of the test in `mcnemar`.
    """
    told = {name: scores(samples, evaluation, concept, erased) for name, samples in shown.items()}
    for later, earlier in COMPARED:
        if later in shown and earlier in shown:
            before, after = ((one.judged == concept)[one.asked == concept].tolist() for one in (shown[earlier], shown[later]))
            told[later].setdefault("paired", {})[earlier] = asdict(mcnemar(before, after))
    return told


def scores(shown: Shown, evaluation: SampleEvaluation, concept: int, erased: Collection[int]) -> dict[str, Any]:
    """Return the figures of samples of an erased concept and of the others, of which more may be ``erased`` by then.

    Returns
    -------
    dict
        ``target``, ``others`` and, if there is another axis, ``cross``: shares, see `Shown`; and what `details` returns.
    """
    cross = {} if shown.cross is None else {"cross": shown.cross}
    return {"target": shown.target, "others": shown.others} | cross | details(shown, evaluation, concept, {concept, *erased})


def details(shown: Shown, evaluation: SampleEvaluation, concept: int, erased: Collection[int]) -> dict[str, Any]:
    """Return the ``confusion`` of samples on the axis of a concept and, where enough are left, the ``fidelity`` of those not ``erased``.

    Returns
    -------
    dict
        ``confusion``: numbers of samples by requested and then by judged concept, without zeros. ``fidelity``: see `nearness`.
    """
    near = nearness(shown, evaluation, concept, erased)
    return {"confusion": confusion(shown)} | ({} if near is None else {"fidelity": near})


def confusion(shown: Shown) -> dict[str, dict[str, int]]:
    """Return how many samples of each requested concept the judge takes for which, without zeros."""
    found: dict[str, dict[str, int]] = {}
    pairs, counts = np.unique(np.stack([shown.asked, shown.judged]), axis=1, return_counts=True)
    for (asked, judged), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        found.setdefault(str(asked), {})[str(judged)] = count
    return found


def nearness(shown: Shown, evaluation: SampleEvaluation, concept: int, erased: Collection[int]) -> dict[str, Any] | None:
    """Return Frechet distance, precision and recall of samples of the concepts that are not erased, in the judge's features.

    As many real images of each concept as samples are drawn, and as many again: where a concept has fewer images than that, so many fewer
    of its samples count. Sets of so few images are apart even if both are real, so that the distance of the second set from the first, and
    its precision and recall, stand beside; there is no interval, as resampling repeats points, which shrinks both balls and covariances.

    Returns
    -------
    dict or None
        ``n`` samples, their ``frechet``, ``precision`` and ``recall``, and the same of ``real`` images; None if too few are left.
    """
    axis, target = evaluation.config.denoiser.axis(concept)
    first = concept - target
    labels = evaluation.images.classes if axis == "class" else evaluation.images.styles
    assert labels is not None
    samples, reference, control = list[int](), list[int](), list[int]()
    for value in np.setdiff1d(shown.asked, list(erased)):
        places, rows = np.flatnonzero(shown.asked == value), np.flatnonzero(labels.numpy() == value - first)
        count = min(len(places), len(rows) // 2)
        drawn = bottom(2 * count, rows, evaluation.config.run_seed, "real images")
        samples += places[:count].tolist()
        reference += drawn[:count]
        control += drawn[count:]
    judge, images = evaluation.judges[axis], evaluation.images.pixels
    if not samples:
        return None
    real = judge.features(images[torch.tensor(reference)])
    near = fidelity(real, judge.features(torch.from_numpy(shown.pixels[samples])))
    floor = fidelity(real, judge.features(images[torch.tensor(control)]))
    return None if near is None or floor is None else {"n": len(samples), **asdict(near), "real": asdict(floor)}
