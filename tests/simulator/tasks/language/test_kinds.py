"""Scenarios whose language model is one of transformers: the same methods, a folder that is pinned, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clients import cache, wire
from clients.data.worlds import Records
from clients.language.averaging.config import LanguageConfig
from clients.language.causal import Causal
from simulator.errors import LetheError, ScenarioError
from simulator.progress import Watch
from simulator.report.writing import page
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.terminal.conversation import opened

pytestmark = pytest.mark.usefixtures("own_cache")

transformers: Any = pytest.importorskip("transformers")
tokenizers: Any = pytest.importorskip("tokenizers")

WORLD = Records(people=40)
GPT2 = {"kind": "gpt2", "layers": 1, "width": 16, "heads": 2, "records": 5, "pretraining": {"steps": 2, "batch_size": 4, "rehearsal": 2}}
DELETE = {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
SMALL: dict[str, Any] = {
    "name": "kinds",
    "seed": 3,
    "rounds": 2,
    "task": "language",
    "federation": {"kind": "fedavg"},
    "language": GPT2,
    "data": {"dataset": "records", "people": 40, "reference": 1, "test": 8, "partition": {"kind": "iid"}},
    "peers": {"count": 3},
    "training": {"epochs": 1},
    "event": [
        {"round": 1, "do": "guard", "id": "names", "peer": 0, "rows": {"fraction": 0.3}, "stage": "input"},
        DELETE | {"method": {"kind": "in_context", "context": 2}},
    ],
    "audit": {"counterfactual": False},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(Scenario.parse(SMALL), tmp_path_factory.mktemp("gpt2"), Watch())


@pytest.fixture
def folder(done: Run, tmp_path: Path) -> Path:
    """The model of the run, and a tokenizer with the words of the world, as `save_pretrained` writes them."""
    config = resolve(Scenario.parse(SMALL)).configs[0]
    assert isinstance(config, LanguageConfig)
    with reading(done.folder) as store:
        module = config.network.module(wire.from_bytes(store.artefact(str(store.model("global")))))
    assert isinstance(module, Causal)
    words = tokenizers.models.WordLevel({word: i for i, word in enumerate((*WORLD.vocabulary, "[UNK]"))}, unk_token="[UNK]")
    told = tokenizers.Tokenizer(words)
    told.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=told, unk_token="[UNK]").save_pretrained(tmp_path / "model")
    module.model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def of(folder: Path, **changes: Any) -> Scenario:
    table = {"kind": "folder", "path": str(folder), "records": 5, "pretraining": GPT2["pretraining"]}
    return Scenario.parse(SMALL | {"language": table | changes})


def test_guards_and_prompts_work_on_gpt2_and_change_no_weight(done: Run) -> None:
    found = done.results["language"]
    assert found["guards"][0]["on"]["plain"]["share"] == 0
    assert found["in_context"]["none"]["n"] > 0
    assert done.results["erasures"][0]["guarantee"] == "behavioural"
    with reading(done.folder) as store:
        before, after = store.outcomes()[0].weights or ("", "other")
    assert before == after != ""
    assert verify(done.folder) == []
    assert "gpt2" in page(done.folder)


def test_a_trained_model_goes_on_from_its_folder_and_no_other_files_take_their_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered, looked_up = cache.remembered, list[Any]()
    monkeypatch.setattr(cache, "remembered", lambda what, make: looked_up.append(what) or remembered(what, make))
    finished = run(of(folder), tmp_path / "runs", Watch())
    assert [len(one["model"]["sha256"]) for one in looked_up] == [64], "other files are pre-trained anew, not taken from the cache"
    assert verify(finished.folder) == []
    assert opened(finished.folder).answer("/guard off")
    half, digest = prepare(of(folder), tmp_path / "runs"), resolve(of(folder)).digest
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    with pytest.raises(LetheError, match="has other files than those with SHA-256"):
        resume(half)
    assert any("has other files" in line for line in verify(finished.folder))
    assert resolve(of(folder)).digest != digest, "the plan knows the files"


@pytest.mark.parametrize("method", ["grad_diff", "rmu", pytest.param("retrain", marks=pytest.mark.slow)])
def test_methods_that_change_weights_take_the_same_request(method: str, tmp_path: Path) -> None:
    finished = run(Scenario.parse(SMALL | {"event": [DELETE | {"method": method}]}), tmp_path, Watch())
    (erasure,) = finished.results["erasures"]
    assert (erasure["method"], erasure["guarantee"]) == (method, "exact" if method == "retrain" else "approximate")


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}])
def test_every_engine_gives_the_digest_of_inline(done: Run, tmp_path: Path, engine: dict[str, Any]) -> None:
    assert run(Scenario.parse(SMALL | {"engine": engine}), tmp_path, Watch()).digest == done.digest


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ({"kind": "folder", "path": "openai-community/gpt2"}, "openai-community/gpt2: there is no such folder, and nothing is downloaded"),
        ({"kind": "folder"}, "path"),
        (GPT2 | {"heads": 3}, "width = 16 is no multiple of heads = 3: change one"),
        ({"kind": "gpt3"}, "gpt3"),
    ],
)
def test_models_that_cannot_be_had_are_refused_in_one_line(language: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(Scenario.parse(SMALL | {"language": language}))
    (found,) = caught.value.lines
    assert line in found
    assert "language" in found


def test_a_layer_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(ScenarioError, match="is 2, and the model's last layer is 1: take at most that many"):
        resolve(Scenario.parse(SMALL | {"event": [DELETE | {"method": {"kind": "rmu", "layer": 2}}]}))
