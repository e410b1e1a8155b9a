"""A language model as pure functions on its arrays: a network whose classes are the words that answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients.data.worlds import Tokens, World
from clients.language.spec import LanguageSpec
from clients.models.network import Network
from clients.streams import Field
from clients.training import Arrays, from_arrays, to_arrays

if TYPE_CHECKING:
    import torch
    from torch import nn

    from clients.language.module import LanguageModule
    from clients.models.network import Loss

_WARM, _LOWEST, _DECAY, _CLIP = 40, 0.1, 0.01, 1.0
"""Steps of warm-up, last learning rate as a share of the largest, weight decay, and largest norm of a gradient in pre-training."""


@dataclass(frozen=True)
class LanguageNetwork(Network):
    """A language model without weights; see `Network`, whose inputs are questions and whose classes are answers.

    Parameters
    ----------
    world : World
        The world whose words it knows.
    """

    spec: LanguageSpec  # type: ignore[assignment]  # its size depends on a vocabulary besides the classes
    world: World = None  # type: ignore[assignment]  # a default, because fields of the base class have some

    @property
    def longest(self) -> int:
        """Words of its longest text."""
        return self.spec.positions

    def build(self, key: tuple[Field, ...]) -> LanguageModule:
        """Return the module with weights drawn from ``key``, on its device."""
        return self.spec.build(self.world.vocabulary, self.classes, key).to(self.place)

    def objective(self, module: nn.Module, temperature: float, epochs: range, key: tuple[Field, ...]) -> Loss:
        """Return the loss of `Network.train`, to which each step adds that of a batch of public episodes.

        So what pre-training taught does not fade.
        """
        from clients.language.episodes import episodes, loss

        own, rehearsal, steps = super().objective(module, temperature, epochs, key), self.spec.pretraining.rehearsal, count()

        def both(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            batch = episodes(self.world, self.spec.records, rehearsal, next(steps), *key, epochs.start)
            return own(logits, wanted) + loss(module, batch)  # type: ignore[arg-type]  # it is what `build` returned

        return both if rehearsal else own

    def pretrain(self, arrays: Mapping[str, npt.NDArray[Any]], key: tuple[Field, ...], progress: Callable[[], object]) -> Arrays:
        """Return the weights after public pre-training; ``progress`` is called after every step."""
        import torch

        from clients.language.episodes import episodes, loss

        module, settings = self.build(("pretraining",)), self.spec.pretraining
        from_arrays(module, arrays)
        optimizer = torch.optim.AdamW(module.parameters(), lr=settings.lr, weight_decay=_DECAY)
        for step in range(settings.steps):
            left = max(0, settings.steps - step) / max(1, settings.steps - _WARM)
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * min((step + 1) / _WARM, max(_LOWEST, min(1.0, left)))
            optimizer.zero_grad(set_to_none=True)
            loss(module, episodes(self.world, self.spec.records, settings.batch_size, step, *key)).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(module.parameters(), _CLIP)
            optimizer.step()
            progress()
        return to_arrays(module)

    def logits(self, arrays: Mapping[str, npt.NDArray[Any]], texts: Tokens) -> npt.NDArray[np.float64]:
        """Return the logits of the word that follows each text, float64 (n, vocabulary).

        Texts, int64 (n, length), are of one length, or filled up in front with -1.
        """
        import torch

        module = self.module(arrays)
        with torch.no_grad():
            tokens = torch.from_numpy(texts).to(self.place)
            found: npt.NDArray[np.float64] = module.after(tokens).double().cpu().numpy()
        return found

    def module(self, arrays: Mapping[str, npt.NDArray[Any]]) -> LanguageModule:
        """Return this thread's module of this architecture with these weights, in evaluation mode."""
        shell: LanguageModule = self._shell(arrays)  # type: ignore[assignment]
        return shell
