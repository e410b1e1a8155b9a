"""A model behind an endpoint scores answers as it does in process; what is not told is unavailable, and failures are one line."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.data import load
from clients.data.worlds import Records
from clients.language.endpoint import Endpoint, EndpointError, ScoreUnavailableError, Told, in_context
from clients.language.measures import log_probabilities, one_by_one, prompted
from clients.language.network import LanguageNetwork
from clients.language.spec import Pretraining, TransformerSpec
from clients.unlearning.prompts.prompting import CONTROLS, Prompts

WORLD = Records(people=40)
ROWS = load(WORLD).rows(np.arange(40))
FORGET, KEPT = ROWS.only([3, 5, 8]), ROWS.without([3, 5, 8])
SPEC = TransformerSpec(layers=1, width=16, heads=2, pretraining=Pretraining(steps=0, rehearsal=0))
NETWORK = LanguageNetwork(SPEC, (4,), 2, world=WORLD)
WEIGHTS = NETWORK.initial(("endpoint",))
PAGE = Path(__file__).resolve().parents[3] / "docs" / "language.md"


@dataclass
class Served:
    """A server on the loopback interface, with what it was asked, and what it does instead of answering, first come first."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    instead: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)


def completion(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what the small model says, in the form of the interface."""
    tokens = WORLD.tokens(asked["prompt"]) or [WORLD.unknown]
    (scores,) = log_probabilities(NETWORK.logits(WEIGHTS, np.array([tokens])))
    best = np.argsort(-scores)[: asked["logprobs"]]
    told = {f" {WORLD.vocabulary[token]}": float(scores[token]) for token in best}
    return {"choices": [{"text": next(iter(told)), "logprobs": {"top_logprobs": [told]}}]}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append(content | {"path": self.path})
            found.keys.append(self.headers["Authorization"])
            if found.instead:
                found.instead.pop(0)(self)
            else:
                said(200, completion(content))(self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield found
        server.shutdown()


def said(status: int, content: object, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endpoint(served: Served, **changes: Any) -> Endpoint:
    return Endpoint(served.url, **{"model": "small", "top": len(WORLD.vocabulary), "pause": 0.0, "seconds": 20.0} | changes)


def prompts(context: int = 2) -> list[Prompts]:
    return [Prompts(WORLD, record, KEPT, context, ("k",)) for record in one_by_one(FORGET)]


def test_a_prompt_goes_through_no_proxy(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    in_context(endpoint(served, retries=0), prompts())
    assert served.asked


def test_scores_are_those_of_the_model_in_process(served: Served) -> None:
    told = in_context(endpoint(served), prompts())
    here = prompted(NETWORK, WEIGHTS, [(record, 2) for record in one_by_one(FORGET)], KEPT, ("k",))
    wanted = {control: here[f"margin.{control}"] for control in CONTROLS}
    assert {control: one.margin for control, one in told.items()} == pytest.approx(wanted, abs=1e-9)
    assert len({one.margin for one in told.values()}) == len(CONTROLS), "else equal margins would show nothing"
    first = served.asked[0]
    assert first == {
        "model": "small",
        "prompt": WORLD.text(prompts()[0].text("flipped")),
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": len(WORLD.vocabulary),
        "path": "/v1/completions",
    }


def test_an_answer_that_is_not_told_has_no_score(served: Served) -> None:
    few = endpoint(served, top=1)
    with pytest.raises(ScoreUnavailableError, match=r"score unavailable: '(negative|positive)' is not among the 1 tokens that"):
        few.scores("a question", WORLD.answers)
    assert in_context(few, prompts()) == dict.fromkeys(CONTROLS, Told(None, 3, 3))


@pytest.mark.parametrize(
    "content",
    [{}, {"choices": []}, [], {"choices": [{"logprobs": None}]}, {"choices": [{"logprobs": {"top_logprobs": [None]}}]}],
)
def test_an_endpoint_without_log_probabilities_has_no_score(served: Served, content: object) -> None:
    served.instead = [said(200, content)]
    with pytest.raises(ScoreUnavailableError, match="tells no log-probabilities"):
        endpoint(served).scores("a question", WORLD.answers)


def test_no_floor_stands_for_a_score_and_spellings_of_a_token_add_up(served: Served) -> None:
    def told(**scores: object) -> Callable[[BaseHTTPRequestHandler], None]:
        return said(200, {"choices": [{"logprobs": {"top_logprobs": [scores]}}]})

    served.instead = [told(yes=None, no=-1.0), told(**{"yes": np.log(0.25), " yes": np.log(0.5), "no": -2.0})]
    with pytest.raises(ScoreUnavailableError, match="'yes'"):
        endpoint(served).scores("?", ["yes", "no"])
    assert endpoint(served).scores("?", ["yes", "no"]) == pytest.approx([np.log(0.75), -2.0])


def test_what_may_pass_is_tried_again(served: Served) -> None:
    served.instead = [said(503, {}), said(429, {})]
    assert len(endpoint(served).scores("a question", WORLD.answers)) == 2
    assert len(served.asked) == 3
    served.instead = [said(503, {})] * 3
    with pytest.raises(EndpointError, match=r"cannot be asked \(status 503\)"):
        endpoint(served).scores("a question", WORLD.answers)
    assert len(served.asked) == 6


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (said(404, {}), "status 404"),
        (said(200, b"<html>"), "what it answers is no JSON"),
        (said(302, {}, Location="/v1/elsewhere"), "status 302"),
    ],
    ids=["no model", "no JSON", "redirect"],
)
def test_what_stays_is_told_at_once(served: Served, answer: Callable[[BaseHTTPRequestHandler], None], cause: str) -> None:
    served.instead = [answer]
    with pytest.raises(EndpointError, match=rf"cannot be asked \({cause}\)"):
        endpoint(served).scores("a question", WORLD.answers)
    assert len(served.asked) == 1, "a prompt goes to no other address"


def test_an_endpoint_that_hangs_is_given_up(served: Served) -> None:
    over = threading.Event()
    served.instead = [lambda _: (over.wait(20), None)[1]] * 2
    with pytest.raises(EndpointError, match="timed out"):
        endpoint(served, seconds=0.1, retries=1).scores("a question", WORLD.answers)
    over.set()
    assert len(served.asked) == 2


def test_neither_prompt_nor_key_is_told_anywhere(
    served: Served, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    one = endpoint(served, key="hush", retries=0)
    one.scores("my secret", WORLD.answers)
    assert served.keys == ["Bearer hush"]
    lines = [repr(one)]
    for instead in (said(500, {"error": "my secret"}), said(200, {}), said(200, b"my secret")):
        served.instead = [instead]
        with pytest.raises(EndpointError) as caught:
            one.scores("my secret", WORLD.answers)
        lines.append(str(caught.value))
    told = "\n".join([*lines, caplog.text, *capfd.readouterr()])
    assert "secret" not in told
    assert "hush" not in told
    assert all(len(line.splitlines()) == 1 for line in lines)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"url": "ftp://here"}, "is no address of http or https"),
        ({"top": 0}, "top = 0: is less than 1: raise it"),
        ({"retries": -1}, "retries = -1"),
        ({"pause": -1.0}, "pause = -1.0"),
        ({"seconds": 0.0}, "seconds = 0.0"),
        ({"key": "hush\n"}, "key: has characters that no header can carry"),
    ],
)
def test_bad_settings_are_answered(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(EndpointError, match=re.escape(line)):
        Endpoint(**{"url": "http://127.0.0.1:1", "model": "small"} | changes)


def test_nobody_at_the_address_is_told_in_one_line() -> None:
    with pytest.raises(EndpointError, match=r"http://127.0.0.1:1: cannot be asked \(.*refused\)"):
        Endpoint("http://127.0.0.1:1", "small", retries=0).scores("a question", ["yes"])


def test_what_the_page_shows_works(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    code = block.replace("http://127.0.0.1:8000/v1", served.url).replace("top=20", f"top={len(WORLD.vocabulary)}")
    exec(compile(code, str(PAGE), "exec"), {})
    assert "flipped: margin" in capsys.readouterr().out
