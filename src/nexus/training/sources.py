"""Where a teacher's words come from: an Ollama server, or any that speaks OpenAI's chat completions.

Our own engine is one of the latter: the service's own `/v1`. Knows nothing of lessons. Invariant:
`say` returns text of bounded length or raises, within its time, whatever the server does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from nexus.core.errors import ConfigError, NexusError
from nexus.training import BACKGROUND_HEADER
from nexus.training.bounded_http import AnswerRefusedError, BoundedTransport, NotWantedError

OLLAMA_URL = "http://127.0.0.1:11434"
# An answer is a few hundred words; each word comes in an object of its own that names the model again.
MOST_BYTES = 1 << 20
MOST_CHARS = 8_000
REPLY_TOKENS = 400
TEMPERATURE = 0.8


class TeacherError(NexusError):
    """The teacher is not there, too slow, or sends what is no answer."""

    code = "teacher_failed"
    http_status = 502


class Source(Protocol):
    """Somebody to ask."""

    @property
    def name(self) -> str:
        """Kind and model, for people: `ollama llama3.2`."""

    def say(self, prompt: str) -> str:
        """The answer. Raises `TeacherError`, or `NotWantedError` when told to stop."""

    def close(self) -> None:
        """End the connections."""


class OllamaSource:
    """A local Ollama, asked by its official client."""

    def __init__(self, url: str, model: str, seconds: float, stop: Callable[[], bool]) -> None:
        import ollama  # a tenth of a second that a learner without a teacher need not spend

        self.name = f"ollama {model}"
        self._model = model
        self._errors = (ollama.ResponseError, ollama.RequestError)
        self._client = ollama.Client(
            url or OLLAMA_URL,
            follow_redirects=False,
            timeout=seconds,
            trust_env=False,
            headers={BACKGROUND_HEADER: "1"},
            transport=BoundedTransport(seconds, MOST_BYTES, stop),
        )

    def say(self, prompt: str) -> str:
        return _gathered(self.name, self._words(prompt))

    def _words(self, prompt: str) -> Iterator[Any]:
        try:
            for part in self._client.chat(
                model=self._model,
                messages=[{"role": "user", "content": prompt}],
                stream=True,
                options={"num_predict": REPLY_TOKENS, "temperature": TEMPERATURE},
            ):
                yield part.message.content
        except self._errors as error:
            raise TeacherError(f"{self.name} refused: {str(error)[:200]}", hint=_PULL) from error
        except ConnectionError as error:
            raise TeacherError(
                f"{self.name} is not there", hint="start Ollama, or set training.url"
            ) from error

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


class OpenAiSource:
    """Any server with `POST URL/chat/completions`."""

    def __init__(self, url: str, model: str, key: str, seconds: float, stop: Callable[[], bool]) -> None:
        """Raises `ConfigError` without an address."""
        if not url:
            raise ConfigError("training.teacher = openai needs training.url", hint=_URL)
        self.name = f"openai {model}"
        self._model = model
        self._client = httpx.Client(
            base_url=url,
            headers={BACKGROUND_HEADER: "1", **({"authorization": f"Bearer {key}"} if key else {})},
            timeout=seconds,
            transport=BoundedTransport(seconds, MOST_BYTES, stop),
        )

    def say(self, prompt: str) -> str:
        return _gathered(self.name, self._words(prompt))

    def _words(self, prompt: str) -> Iterator[Any]:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "max_tokens": REPLY_TOKENS,
            "temperature": TEMPERATURE,
        }
        with self._client.stream("POST", "chat/completions", json=body) as reply:
            if reply.status_code != 200:
                said = reply.read()[:200].decode("utf-8", "replace")
                raise TeacherError(f"{self.name} answers with status {reply.status_code}: {said}", hint=_URL)
            for line in reply.iter_lines():
                data = line.removeprefix("data:").strip()
                if not line.startswith("data:"):
                    continue
                if data == "[DONE]":
                    return
                part = json.loads(data)
                if "error" in part:
                    raise TeacherError(f"{self.name} refused: {str(part['error'])[:200]}")
                for choice in part["choices"]:
                    yield choice["delta"].get("content")

    def close(self) -> None:
        self._client.close()


def source(kind: str, url: str, model: str, key: str, seconds: float, stop: Callable[[], bool]) -> Source:
    """The one that the settings name. Raises `ConfigError`."""
    if kind not in ("ollama", "openai"):
        raise ConfigError(f"training.teacher = {kind!r} is nobody to ask", hint="use ollama or openai")
    if not model:
        raise ConfigError(
            f"training.teacher = {kind} needs training.model", hint="name a model of that server"
        )
    try:
        address = urlsplit(url or OLLAMA_URL)
        there = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError as error:
        raise _no_address(url, str(error)) from error
    if not there:
        raise _no_address(url, "it begins with no http://HOST")
    if kind == "ollama":
        return OllamaSource(url, model, seconds, stop)
    return OpenAiSource(url, model, key, seconds, stop)


def _gathered(name: str, words: Iterator[Any]) -> str:
    """The words as one text. Everything a server may do wrong becomes a `TeacherError`."""
    parts: list[str] = []
    length = 0
    try:
        for word in words:
            if word is None:
                continue
            if not isinstance(word, str):
                raise TeacherError(f"{name} sends {type(word).__name__} where text belongs")
            parts.append(word)
            length += len(word)
            if length > MOST_CHARS:
                raise TeacherError(f"{name} does not come to an end: more than {MOST_CHARS} characters")
    except NotWantedError:
        raise
    except AnswerRefusedError as error:
        raise TeacherError(f"{name}: {error.message}") from error
    except httpx.TimeoutException as error:
        raise TeacherError(f"{name} is too slow", hint="raise training.timeout_seconds") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise TeacherError(f"{name} is not there: {str(error)[:200]}", hint="see training.url") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise TeacherError(f"{name} sends what is no answer: {str(error)[:200]}") from error
    if not any(part.strip() for part in parts):
        raise TeacherError(f"{name} sends no answer")
    return "".join(parts)


_PULL = "see training.model; `ollama list` shows what is there"
_URL = "set it to the address that ends in /v1"


def _no_address(url: str, reason: str) -> ConfigError:
    return ConfigError(f"training.url = {url!r} is no address: {reason}", hint="http://HOST:PORT")
