"""A language model behind an OpenAI-compatible endpoint: scores of given answers, as far as the endpoint tells log-probabilities.

Prompts of unlearning in context contain the record to be forgotten: whoever runs the endpoint sees it. Nothing of a prompt is logged here,
nor told in an error.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import numpy as np

from clients.language.measures import margins
from clients.unlearning.prompts.prompting import CONTROLS, Prompts

_LARGEST = 1 << 20
"""Bytes of the longest response that is read."""

_AGAIN = (408, 429, 500, 502, 503, 504)
"""Statuses that may be others a moment later."""


class EndpointError(ValueError):
    """An endpoint that cannot be asked; the message is one line with its address and the cause, and nothing of a prompt."""


class ScoreUnavailableError(EndpointError):
    """An answer whose log-probability the endpoint does not tell."""


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: a prompt goes to the address that was given, and nowhere else, through no proxy either."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> None:
        """Return no request, so that the status is an error."""


@dataclass(frozen=True)
class Endpoint:
    """A model behind ``POST {url}/completions`` with ``logprobs``.

    Parameters
    ----------
    url : str
        Base address, such as ``http://127.0.0.1:8000/v1``.
    model : str
        Name of the model there.
    top : int
        Most probable tokens that are asked for, at least 1; many endpoints tell at most 5 or 20.
    seconds : float
        Time-out of a request, above 0.
    retries : int
        Further attempts after a time-out, a broken connection, or a status that may pass, at least 0.
    pause : float
        Seconds before the second attempt, at least 0; twice as many before each further one.
    key : str, optional
        Sent as bearer token.

    Raises
    ------
    EndpointError
        If the address is not one of http or https, a number is out of range, or the key cannot be sent.
    """

    url: str
    model: str
    top: int = 20
    seconds: float = 30.0
    retries: int = 2
    pause: float = 0.5
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise EndpointError(f"url = {self.url!r}: is no address of http or https: give one such as http://127.0.0.1:8000/v1")
        for name, value, least in (("top", self.top, 1), ("retries", self.retries, 0), ("pause", self.pause, 0)):
            if value < least:
                raise EndpointError(f"{name} = {value}: is less than {least}: raise it")
        if not self.seconds > 0:
            raise EndpointError(f"seconds = {self.seconds}: is no time to wait: give more than 0")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            raise EndpointError("key: has characters that no header can carry: look for a line break at its end")

    def scores(self, prompt: str, answers: Sequence[str]) -> list[float]:
        """Return the log-probability of each answer, one token long, as the next token after a prompt, in nats.

        Spaces around a token do not count: tokens that are the same without them are one answer, with the sum of their probabilities.

        Raises
        ------
        ScoreUnavailableError
            If an answer is not among the tokens that are told. No floor takes its place.
        EndpointError
            If the endpoint cannot be asked.
        """
        asked = {"model": self.model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": self.top}
        found: dict[str, list[float]] = {}
        for token, score in self._told(self._ask(asked)).items():
            if isinstance(score, (int, float)) and math.isfinite(score):
                found.setdefault(token.strip(), []).append(float(score))
        for answer in answers:
            if answer not in found:
                raise ScoreUnavailableError(f"score unavailable: {answer!r} is not among the {len(found)} tokens that {self.url} tells")
        return [float(np.logaddexp.reduce(found[answer])) for answer in answers]

    def _told(self, said: Any) -> dict[str, Any]:
        """Return the log-probabilities of the first token of a response, by token."""
        try:
            told = said["choices"][0]["logprobs"]["top_logprobs"][0]
            return {str(token): score for token, score in told.items()}
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ScoreUnavailableError(f"score unavailable: {self.url} tells no log-probabilities of completions") from None

    def _ask(self, content: dict[str, Any]) -> Any:
        """Return what the endpoint answers, after as many attempts as are allowed."""
        cause = ""
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                return self._once(content)
            except HTTPError as error:
                cause = f"status {error.code}"
                error.close()
                if error.code not in _AGAIN:
                    break
            except (OSError, HTTPException) as error:
                cause = str(getattr(error, "reason", None) or error) or type(error).__name__
            except ValueError:
                cause = "what it answers is no JSON"
                break
        raise EndpointError(f"{self.url}: cannot be asked ({cause}): look at its address, its model {self.model!r}, and its log") from None

    def _once(self, content: dict[str, Any]) -> Any:
        """Return what the endpoint answers to one request."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = Request(f"{self.url.rstrip('/')}/completions", json.dumps(content).encode(), headers)
        with build_opener(ProxyHandler({}), _NoRedirect).open(request, timeout=self.seconds) as response:
            return json.loads(response.read(_LARGEST))


@dataclass(frozen=True)
class Told:
    """What an endpoint tells of the true answers under one prompt.

    Parameters
    ----------
    margin : float, optional
        Mean of ``log p - log(1 - p)`` of the true answer among all answers, in nats; None if the score of any record is unavailable:
        those that are missing are the improbable ones, and a mean of the others would be too high.
    asked, unavailable : int
        Records, and those whose score is unavailable.
    """

    margin: float | None
    asked: int
    unavailable: int


def in_context(endpoint: Endpoint, forgotten: Iterable[Prompts]) -> dict[str, Told]:
    """Return what an endpoint tells about records to forget, by prompt: under the method's and under each control.

    Parameters
    ----------
    endpoint : Endpoint
    forgotten : iterable of Prompts
        The prompts about each record.

    Raises
    ------
    EndpointError
        If the endpoint cannot be asked; a score that is unavailable is counted.
    """
    every = list(forgotten)
    return {control: _told(endpoint, every, control) for control in CONTROLS}


def _told(endpoint: Endpoint, every: Sequence[Prompts], control: str) -> Told:
    """Return what an endpoint tells under one kind of prompt."""
    found, right = [], []
    for one in every:
        try:
            found.append(endpoint.scores(one.world.text(one.text(control)), one.world.answers))
        except ScoreUnavailableError:
            continue
        right.append(int(one.record.y[0]))
    missing = len(every) - len(found)
    mean = None if missing or not found else float(margins(np.array(found), np.array(right, np.int64)).mean())
    return Told(mean, len(every), missing)
