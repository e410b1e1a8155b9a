"""A new word of a pipeline, whose embedding is learned: in the running pipeline, and in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from simulator.checkpoints.folder import PICKLES, Checkpoint
from simulator.checkpoints.parts import check_parts
from simulator.checkpoints.places import shown
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

_TABLE = "token_embedding.weight"
_LISTED = 20
"""Largest number of words in a message."""


class Placeholder:
    """Adds a word to a pipeline that is loaded; a context manager, inside of which `vectors` stand for it.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
    word : str
    concept : str
        The word gets as many vectors as the concept has tokens, and starts from these.
    texts : sequence of str
        The prompts with the word.

    Raises
    ------
    LetheError
        If the word is one of the tokenizer's already, or is not read as a whole, and once, in every prompt.
    """

    def __init__(self, pipeline: Any, word: str, concept: str, texts: Sequence[str]) -> None:
        import torch

        encoder, tokenizer = pipeline.text_encoder, pipeline.tokenizer
        start = tokenizer(concept, add_special_tokens=False).input_ids
        self._first = add_word(tokenizer, word, len(start))
        _check_read(tokenizer, word, range(self._first, self._first + len(start)), texts)
        table = encoder.get_input_embeddings().weight
        self.vectors = torch.nn.Parameter(table[start].detach().clone())
        encoder.resize_token_embeddings(max(len(table), self._first + len(start)), mean_resizing=False)
        encoder.requires_grad_(False)
        self._encoder, self._hooks = encoder, ExitStack()

    def __enter__(self) -> Self:
        handle = self._encoder.get_input_embeddings().register_forward_hook(self._put)
        self._hooks.callback(handle.remove)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._hooks.close()

    def _put(self, module: object, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Put the vectors where the word's tokens stand."""
        import torch

        place = args[0] - self._first
        own = (place >= 0) & (place < len(self.vectors))
        return torch.where(own[..., None], self.vectors[place.clamp(0, len(self.vectors) - 1)], output)


def add_word(tokenizer: Any, word: str, length: int) -> int:
    """Add a word of so many tokens, named as diffusers names those of textual inversion, and return the number of its first token.

    ``LetheError`` if the tokenizer knows it already.
    """
    names = [word, *(f"{word}_{number}" for number in range(1, length))]
    first, plain = len(tokenizer), tokenizer.tokenize(word)
    usual = len(plain) == 1 and plain[0] != tokenizer.unk_token  # CLIP's words have an ending, 'golf</w>'
    if usual or set(names) & set(tokenizer.get_vocab()) or tokenizer.add_tokens(names) != length:
        cure = f"take a new one, such as '<{word.strip('<>').lower()}-2>'"
        raise LetheError(f"--word {word}: is a word of the pipeline's tokenizer already; {cure}")
    return first


def check_word(word: str) -> None:
    """Raise ``LetheError`` unless ``--word`` is one word."""
    if not word or any(letter.isspace() for letter in word):
        raise LetheError(f"--word {word!r}: wants one word without spaces, such as '<ball>'")


def check_learned(checkpoint: Checkpoint, word: str, texts: Sequence[str]) -> None:
    """Raise ``LetheError`` unless a word was added to a pipeline's tokenizer, which reads it as a whole in every prompt."""
    check_parts(checkpoint)
    tokenizer = _tokenizer(checkpoint.root)
    added = tokenizer.added_tokens_encoder
    names = [word, *takewhile(added.__contains__, (f"{word}_{number}" for number in count(1)))]
    if word not in added or word in tokenizer.all_special_tokens:
        special = set(tokenizer.all_special_tokens)
        words = [name for name in added if name not in special and name.rpartition("_")[0] not in added][:_LISTED]
        cure = f"ask for one that it has: {', '.join(map(shown, words))}" if words else "it has learned none: leave --word out"
        raise LetheError(f"--word {word}: the tokenizer of {checkpoint.root} has not learned it; {cure}")
    _check_read(tokenizer, word, [added[name] for name in names], texts)


def _check_read(tokenizer: Any, word: str, tokens: Sequence[int], texts: Sequence[str]) -> None:
    """Raise ``LetheError`` unless the tokens of a word, which has several as textual inversion does, stand in every prompt once."""
    from diffusers.loaders.textual_inversion import TextualInversionLoaderMixin

    for text in dict.fromkeys(texts):
        whole = TextualInversionLoaderMixin().maybe_convert_prompt(text, tokenizer)
        read = tokenizer(whole, truncation=True, max_length=tokenizer.model_max_length).input_ids
        found = [token for token in read if token in tokens]
        if found != list(tokens):
            what = f"the tokenizer reads {len(found)} where its {len(tokens)} tokens are to stand once, in {text!r}"
            cure = "take one in small letters that is in no other word, such as '<ball>', or a shorter --prompt"
            raise LetheError(f"--word {word}: {what}; {cure}")


def _tokenizer(root: Path) -> Any:
    from transformers import AutoTokenizer

    load: Any = AutoTokenizer.from_pretrained  # not typed
    try:
        return load(root / "tokenizer", local_files_only=True, trust_remote_code=False)
    except Exception as error:  # foreign settings may make the library raise anything
        what = shown(" ".join(str(error).split()) or type(error).__name__)
        raise LetheError(f"{root / 'tokenizer'}: transformers cannot use it ({what}); fetch the whole folder again") from None


def write_word(source: Path, folder: Path, word: str, vectors: Tensor) -> None:
    """Add a word and its vectors to tokenizer and text encoder of a copy of a pipeline; all other tensors keep their bytes.

    A killed call may be repeated. Pickles of the text encoder, which would lack the word, are removed from the copy.

    Parameters
    ----------
    source, folder : Path
        The pipeline, and the copy.
    word : str
    vectors : float tensor, shape (tokens, width)
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    tokenizer = _tokenizer(source)
    first, encoder, rows = add_word(tokenizer, word, len(vectors)), folder / "text_encoder", 0
    for path in [path for path in encoder.iterdir() if path.suffix in PICKLES]:
        path.unlink()
    for path in sorted(encoder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
        weights = load_file(path)
        for name in [name for name in weights if name.endswith(_TABLE)]:
            table = weights[name]
            grown = torch.zeros(max(len(table), first + len(vectors)), table.shape[1], dtype=table.dtype)
            grown[: len(table)] = table
            grown[first : first + len(vectors)] = vectors.to(table.dtype)
            weights[name] = grown
            rows = len(grown)
        draft = path.with_suffix(".draft")
        save_file(weights, draft, metadata=about)
        draft.replace(path)
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    (encoder / "config.json").write_text(json.dumps(config | {"vocab_size": rows}, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder / "tokenizer")
