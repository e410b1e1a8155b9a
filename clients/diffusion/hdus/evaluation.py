"""Evaluation of peers: predicted noise on public test images, and samples classified by a judge."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from clients.compute import Compute
from clients.data import DatasetSpec
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.denoiser import NoisePredictor
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.judges.spec import JudgeSpec
from clients.diffusion.judges.svm import Judge
from clients.diffusion.local import gallery, pictures
from clients.diffusion.metrics import Budget, conditions
from clients.diffusion.sampling import sample, start_noise
from clients.diffusion.spec import Axis, Style
from clients.diffusion.training import scheduler
from clients.streams import hashes


class FinalEvaluation:
    """The final evaluation, with the same inputs and draws for every peer and every round of a run.

    Parameters
    ----------
    config : HdusDenoisingConfig
    """

    def __init__(self, config: HdusDenoisingConfig) -> None:
        self.config = config
        self.key = (config.run_seed, "exam")

    def loss(self, predictor: NoisePredictor) -> tuple[float, npt.NDArray[np.float32]]:
        """Return the denoising loss on the test images, each at a fixed time with fixed noise, and the predicted noise.

        The predicted noise is float32 ``(n_test, channels, size, size)``; times and added noise are keyed by row id.
        """
        test = np.asarray(self.config.test, dtype=np.int64)
        images = gallery(self.config).select(torch.from_numpy(test))
        schedule = self.config.denoising.noise
        time = torch.from_numpy((hashes(test, *self.key, "time") % np.uint64(schedule.timesteps)).astype(np.int64))
        drawn = start_noise(tuple(images.pixels.shape[1:]), test.tolist(), self.key)
        noisy = scheduler(schedule).add_noise(images.pixels, drawn, time)
        noisy, time, classes = (tensor.to(predictor.device) for tensor in (noisy, time, images.classes))
        with torch.no_grad():
            answers = predictor(noisy, time, classes, None if images.styles is None else images.styles.to(predictor.device)).cpu()
        return float(functional.mse_loss(answers, drawn)), answers.numpy().copy()

    def accuracies(self, predictor: NoisePredictor) -> dict[str, float]:
        """Return the share of samples that are judged to show the requested class: over all under ``""``, of class 3 under ``".3"``.

        If there are styles, the samples cycle through them: the share in the requested style is under ``".cross"``, that of a single
        style under its number as in ``DenoiserSpec.concepts``. Empty if no samples are judged.
        """
        count, spec = self.config.judged, self.config.denoiser
        if not count:
            return {}
        asked, classes, styles = conditions(predictor, 0, "class", Budget(count, count))
        pixels = sample(predictor, classes, self.key, styles=styles, sampling=self.config.sampling, noise=self.config.denoising.noise)
        right = judge(self.config).predict(pixels) == asked
        found = {"": float(right.mean())} | {f".{number}": float(right[asked == number].mean()) for number in range(spec.classes)}
        if styles is not None:
            wanted = styles.numpy()
            right = judge(self.config, "style").predict(pixels) == wanted
            found[".cross"] = float(right.mean())
            found |= {f".{spec.classes + style}": float(right[wanted == style].mean()) for style in np.unique(wanted)}
        return found


def judge(config: DenoisingConfig, axis: Axis = "class") -> Judge:
    """Return the evaluation classifier; it is trained on images of all peers, because it only measures and belongs to no peer."""
    return _judge(config.judge, config.data, config.denoiser.size, config.denoiser.styles, axis, config.compute)


@lru_cache(maxsize=4)
def _judge(spec: JudgeSpec, source: DatasetSpec, size: int, styles: tuple[Style, ...], axis: Axis, compute: Compute) -> Judge:
    return spec.learned(pictures(source, size), styles=styles, axis=axis, compute=compute)
