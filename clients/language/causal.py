"""A causal language model of the library transformers as a module of this task (torch)."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from clients.data import DataError
from clients.language.folder import size_of
from clients.language.gpt2 import Gpt2Spec
from clients.language.module import LanguageModule
from clients.streams import Field, generator


class Causal(LanguageModule):
    """A model of transformers whose words are numbered as those of a world; embeddings and head are not shared.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        It has a head for causal language modelling, and as many input embeddings as there are words.
    classes : int
        How many words, the first, are answers.
    """

    def __init__(self, model: Any, classes: int) -> None:
        super().__init__()
        self.model, self.classes = model.eval(), classes

    @property
    def blocks(self) -> nn.ModuleList:  # type: ignore[override]  # an attribute would name the weights twice
        """The transformer blocks: the only list of as many modules."""
        count = self.model.config.num_hidden_layers
        return next(part for part in self.model.modules() if isinstance(part, nn.ModuleList) and len(part) == count)

    @property
    def embeddings(self) -> tuple[nn.Module, ...]:
        """The embeddings of words, and of places where the model learns them."""
        inside = set(self.blocks.modules())
        return tuple(part for part in self.model.modules() if isinstance(part, nn.Embedding) and part not in inside)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: no dropout, which would draw from a global generator."""
        return super().train(False)

    def following(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Return the logits, float32 (n, len(places), vocabulary), of the words that follow the places of a text, int64 (n, length)."""
        logits: Tensor = self.model(input_ids=tokens, use_cache=False).logits
        return logits[:, places]


def gpt2(spec: Gpt2Spec, vocabulary: int, classes: int, key: tuple[Field, ...]) -> Causal:
    """Return a GPT-2 with weights drawn from ``key`` as GPT-2 draws them: normal, those that write to the stream smaller; no shift."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=spec.positions,
        n_embd=spec.width,
        n_layer=spec.layers,
        n_head=spec.heads,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.device("meta"):  # the library would draw from the global generator
        model = GPT2LMHeadModel(config)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "ln_" in name:
                parameter.fill_(float(name.endswith("weight")))
                continue
            spread = config.initializer_range / (2 * spec.layers) ** 0.5 if name.endswith("c_proj.weight") else config.initializer_range
            draws = generator(*key, name).standard_normal(tuple(parameter.shape), dtype=np.float32)
            parameter.copy_(torch.from_numpy(draws * np.float32(spread)))
    return Causal(model, classes)


def from_folder(path: str, sha256: str, vocabulary: tuple[str, ...], positions: int, classes: int) -> Causal:
    """Return the model in a folder with these words; see `opened`."""
    return Causal(copy.deepcopy(opened(path, sha256, vocabulary, positions)), classes)


@lru_cache(maxsize=1)
def opened(path: str, sha256: str, vocabulary: tuple[str, ...], positions: int) -> Any:
    """Return the model in a folder, float32, with one token for each of these words and embeddings and head of their own.

    Parameters
    ----------
    path, sha256 : str
        The folder, and the hash of its files: what is remembered is remembered of these.
    vocabulary : tuple of str
    positions : int
        Words that a text may have.

    Raises
    ------
    DataError
        If the library cannot load it, weights are missing, its texts are shorter, or its tokenizer does not know a word.
    """
    size_of(Path(path))
    try:
        tokenizer, model, told = _loaded(path)
    except Exception as error:  # foreign files may make the library raise anything
        raise DataError(f"{path}: transformers cannot load it ({' '.join(str(error).split())[:200]}): save it again") from None
    if missing := sorted(told["missing_keys"]):
        raise DataError(f"{path}: lacks weights ({missing[0]} and {len(missing) - 1} more): save the whole model with its head")
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and longest < positions:
        raise DataError(f"{path}: its texts have at most {longest} words, and language.records asks for {positions}: lower records")
    pieces = [tokenizer(f" {word}", add_special_tokens=False).input_ids for word in vocabulary]
    for word, found in zip(vocabulary, pieces, strict=True):
        if not found or tokenizer.unk_token_id in found:
            raise DataError(f"{path}: its tokenizer does not know {word!r}: take one of pieces or bytes, or one with the words of the data")
    return _worded(model, pieces)


def _loaded(path: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return the tokenizer and the model in a folder, and what the library says of the weights."""
    import transformers

    library: Any = transformers  # it is not typed
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    offline = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = library.AutoTokenizer.from_pretrained(path, **offline)
    how = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    with torch.random.fork_rng(devices=[]):  # the library may draw before it loads
        model, told = library.AutoModelForCausalLM.from_pretrained(path, **how, **offline)
    return tokenizer, model, told


def _worded(model: Any, pieces: list[list[int]]) -> Any:
    """Return a model whose words are means of tokens, with embeddings and head of their own."""
    before, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    embeddings = nn.Embedding(len(pieces), before.shape[1])
    following = nn.Linear(before.shape[1], len(pieces), bias=head.bias is not None)
    with torch.no_grad():
        rows = [torch.tensor(tokens) for tokens in pieces]
        embeddings.weight.copy_(torch.stack([before[tokens].mean(0) for tokens in rows]))
        following.weight.copy_(torch.stack([head.weight[tokens].mean(0) for tokens in rows]))
        if head.bias is not None:
            following.bias.copy_(torch.stack([head.bias[tokens].mean() for tokens in rows]))
    model.config.tie_word_embeddings = False
    model.config.vocab_size = len(pieces)
    model.set_input_embeddings(embeddings)
    model.set_output_embeddings(following)
    return model
