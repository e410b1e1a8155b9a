"""The pre-trained weights of a language model, trained on public episodes or loaded from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from clients import cache
from clients.cache import data_hash
from clients.language.config import WordsConfig
from clients.language.episodes import episodes
from clients.language.spec import LanguageSpec
from clients.streams import Field
from clients.training import Arrays

if TYPE_CHECKING:
    from simulator.progress import Watch


def pretrained(config: WordsConfig, spec: LanguageSpec, watch: Watch) -> Arrays:
    """Return a model's weights before the first round.

    No peer's record is looked at: episodes are drawn from the world's public words.

    Parameters
    ----------
    config : WordsConfig
        Config of any peer.
    spec : LanguageSpec
    watch : Watch
    """
    key: tuple[Field, ...] = (config.run_seed, "public")
    network, settings = config.network_of(spec), spec.pretraining
    configuration: dict[str, Any] = {
        "what": "language model",
        "model": spec.model_dump(mode="json"),
        "world": config.data.model_dump(mode="json"),
        "key": list(key),
        "compute": config.compute.model_dump(mode="json"),
        # of another program, the same settings may stand for other words or other episodes
        "words": list(network.world.vocabulary),
        "episodes": data_hash(*(torch.from_numpy(episodes(network.world, spec.records, 8, step, *key).tokens) for step in range(4))),
    }

    def make() -> Arrays:
        with config.computing():
            return network.pretrain(network.initial((*key, "init")), key, watch.steps("public pre-training", settings.steps))

    return cache.remembered(configuration, make) if settings.steps else network.initial((*key, "init"))
