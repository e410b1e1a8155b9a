"""GPT-2 of transformers, and models in local folders: words as tokens, keyed weights, the same methods, nothing downloaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clients.data import DataError, load
from clients.data.worlds import Records
from clients.language import library
from clients.language.causal import Causal
from clients.language.folder import FolderSpec, folder_hash
from clients.language.gpt2 import Gpt2Spec
from clients.language.network import LanguageNetwork
from clients.language.spec import LanguageSpec, Pretraining
from clients.training import Arrays, Training
from clients.unlearning.deep.npo import Npo
from clients.unlearning.deep.rmu import Rmu
from clients.unlearning.general.contract import Learning

transformers: Any = pytest.importorskip("transformers")
tokenizers: Any = pytest.importorskip("tokenizers")

WORLD = Records(people=30)
DATA = load(WORLD)
TINY: dict[str, Any] = {"records": 4, "pretraining": Pretraining(steps=2, batch_size=4, rehearsal=2)}
SPEC = Gpt2Spec(layers=2, width=16, heads=2, **TINY)
TEXTS = np.arange(24, dtype=np.int64).reshape(2, 12)


def network(spec: LanguageSpec) -> LanguageNetwork:
    return LanguageNetwork(spec, DATA.shape, DATA.classes, world=WORLD)


NETWORK = network(SPEC)


@pytest.fixture(scope="module")
def weights() -> Arrays:
    return NETWORK.initial(("w",))


def saved(module: Causal, words: tuple[str, ...], folder: Path) -> Path:
    """Save a model, and a tokenizer that knows these words."""
    told = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: i for i, word in enumerate((*words, "[UNK]"))}, unk_token="[UNK]"))
    told.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=told, unk_token="[UNK]").save_pretrained(folder)
    module.model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(weights: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = NETWORK.module(weights)
    assert isinstance(module, Causal)
    return saved(module, WORLD.vocabulary, tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def spoiled(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "spoiled"))


def test_weights_come_from_the_key_alone_and_no_global_generator(weights: Arrays) -> None:
    state = torch.get_rng_state()
    again, other = NETWORK.initial(("w",)), NETWORK.initial(("other",))
    assert torch.equal(state, torch.get_rng_state())
    assert all(weights[name].tobytes() == again[name].tobytes() for name in weights)
    assert any(weights[name].tobytes() != other[name].tobytes() for name in weights)
    assert sum(part.size for part in weights.values()) == SPEC.parameters(WORLD.vocabulary)
    head = weights["model.lm_head.weight"]
    assert (0.018 < head.std() < 0.022, head.tobytes() != weights["model.transformer.wte.weight"].tobytes()) == (True, True)
    assert weights["model.transformer.ln_f.weight"].tolist() == [1.0] * 16


def test_it_is_the_librarys_gpt2_and_no_word_sees_a_later_one(weights: Arrays) -> None:
    module = NETWORK.module(weights)
    assert isinstance(module, Causal)
    assert isinstance(module.model, transformers.GPT2LMHeadModel)
    changed = TEXTS.copy()
    changed[:, 6:] = 3
    with torch.no_grad():
        first, second = (module.following(torch.from_numpy(text), torch.arange(12)) for text in (TEXTS, changed))
    assert torch.equal(first[:, :6], second[:, :6])
    assert not torch.equal(first[:, 6:], second[:, 6:]), "the control: the change is seen where it is"
    assert len(module.blocks) == 2
    assert [part.num_embeddings for part in module.embeddings] == [len(WORLD.vocabulary), SPEC.positions]  # type: ignore[union-attr]


def test_training_repeats_bit_by_bit_rehearses_and_drops_nothing_out(weights: Arrays) -> None:
    how: dict[str, Any] = {"epochs": range(2), "ids": np.arange(12), "key": ("t",), "settings": Training(epochs=2, batch_size=6)}
    (first, steps), (again, _) = (NETWORK.train(weights, DATA.x[:12], DATA.y[:12], **how) for _ in range(2))
    assert steps == 4
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    alone, _ = network(SPEC.model_copy(update={"pretraining": Pretraining(rehearsal=0)})).train(weights, DATA.x[:12], DATA.y[:12], **how)
    assert any(first[name].tobytes() != alone[name].tobytes() for name in first)
    module = NETWORK.build(("shell",)).train()
    with torch.no_grad():
        assert torch.equal(*(module(torch.from_numpy(DATA.x[:3])) for _ in range(2)))


@pytest.mark.parametrize("method", [Npo(epochs=1), Rmu(epochs=1)], ids=lambda method: method.tag)
def test_methods_for_language_models_change_it(weights: Arrays, method: Any) -> None:
    rows = load(WORLD).rows(np.arange(12))
    learning = Learning(NETWORK, Training(epochs=1), 1, ("m",))
    changed, _ = method.carry_out(weights, learning, rows.only([1, 2]), rows.without([1, 2]), ("m",), {})
    moved = {name for name in weights if changed[name].tobytes() != weights[name].tobytes()}
    assert "model.transformer.wte.weight" in moved
    after = {name for name in weights if any(part in name for part in (".h.1.", "ln_f", "lm_head"))}
    assert (moved & after == set()) == (method.tag == "rmu"), "what comes after the layer keeps every bit, and only there"


def test_a_saved_model_answers_from_its_folder_with_the_same_bits(weights: Arrays, folder: Path) -> None:
    other = network(FolderSpec(path=str(folder), **TINY).known(WORLD.vocabulary))
    found = other.initial(("any",))
    assert found.keys() == weights.keys()
    assert other.logits(found, TEXTS).tobytes() == NETWORK.logits(weights, TEXTS).tobytes()
    assert (other.spec.blocks, other.spec.parameters(WORLD.vocabulary)) == (2, SPEC.parameters(WORLD.vocabulary))
    assert other.spec.title == "folder model"


def test_words_of_several_tokens_begin_as_their_mean_and_a_shared_head_as_the_embeddings(tmp_path: Path) -> None:
    letters = tuple("abcdefghijklmnopqrstuvwxyz")
    config = transformers.LlamaConfig(
        vocab_size=27, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, tie_word_embeddings=True
    )
    model = transformers.LlamaForCausalLM(config)
    module = Causal(model, 2)
    saved(module, letters, tmp_path)
    told = json.loads((tmp_path / "tokenizer.json").read_text())
    told["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "[a-z]"}, "behavior": "Isolated", "invert": False}
    told["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": ""}
    (tmp_path / "tokenizer.json").write_text(json.dumps(told))
    found = network(FolderSpec(path=str(tmp_path), **TINY)).initial(())
    embeddings = model.get_input_embeddings().weight.detach().numpy()
    pieces = [[letters.index(letter) for letter in word] for word in WORLD.vocabulary]
    expected = np.stack([embeddings[one].mean(axis=0) for one in pieces])
    np.testing.assert_allclose(found["model.model.embed_tokens.weight"], expected, atol=1e-7)
    np.testing.assert_allclose(found["model.lm_head.weight"], expected, atol=1e-7)


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _config(**changes: Any) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (shutil.rmtree, "there is no such folder, and nothing is downloaded: save the model and its tokenizer there with save_pretrained"),
        (_without("config.json"), "has no config.json, and nothing is downloaded"),
        (_without("tokenizer_config.json"), "has no tokenizer_config.json, and nothing is downloaded"),
        (_without("model.safetensors"), "has no model.safetensors, and nothing is downloaded; pickles are not opened"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "is an adapter, whose model would have to be downloaded"),
        (lambda folder: (folder / "config.json").write_text("[]"), "holds no table"),
        (_config(auto_map={"AutoModel": "code.Model"}), "comes with code of its own"),
        (_config(model_type="nobody"), "transformers cannot load it"),
        (_config(n_layer=3), "lacks weights"),
        (_config(n_positions=21, ), "transformers cannot load it"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"cut"), "transformers cannot load it"),
    ],
)  # fmt: skip
def test_a_folder_that_is_incomplete_is_refused_in_one_line(spoiled: Path, spoil: Callable[[Path], object], line: str) -> None:
    spoil(spoiled)
    with pytest.raises(DataError, match=line) as caught:
        FolderSpec(path=str(spoiled), **TINY).known(WORLD.vocabulary)
    assert str(spoiled) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_and_words_that_do_not_fit_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"at most 22 words, and language\.records asks for 47: lower records"):
        FolderSpec(path=str(folder)).known(WORLD.vocabulary)
    with pytest.raises(DataError, match="its tokenizer does not know 'nobody'"):
        FolderSpec(path=str(folder), **TINY).known((*WORLD.vocabulary, "nobody"))


def test_another_folder_than_the_one_of_the_hash_is_refused(folder: Path, spoiled: Path) -> None:
    spec = FolderSpec(path=str(folder), **TINY).known(WORLD.vocabulary)
    assert spec.sha256 == folder_hash(folder) == folder_hash(spoiled)
    _config(comment="other")(spoiled)
    with pytest.raises(DataError, match="has other files than those with SHA-256"):
        spec.model_copy(update={"path": str(spoiled)}).known(WORLD.vocabulary)


def test_without_the_library_both_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    for spec in (SPEC, FolderSpec(path=str(folder), **TINY)):
        with pytest.raises(DataError, match="needs the library transformers, which is missing: pip install"):
            spec.known(WORLD.vocabulary)
