"""One request asked twice: of the engine's own HTTP server, and of the gateway over gRPC."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.e2e.gateways import gateway
from tests.engines.programs import MODEL, NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NEAR = 5e-3
"""How far log-probabilities may be apart: batches of another shape add up in another order."""


@dataclass(frozen=True)
class Answer:
    """A status and a body: one object, or the events of a stream without the closing mark."""

    status: int
    body: Any
    done: bool = False


@dataclass(frozen=True)
class Pair:
    """The two ways to one engine."""

    session: aiohttp.ClientSession
    theirs: str
    ours: str
    model: str

    async def ask(self, path: str, body: dict[str, Any]) -> tuple[Answer, Answer]:
        """Return the engine's own answer and the gateway's."""
        body = {"model": self.model, **body}
        return await self._post(self.theirs + path, body), await self._post(self.ours + path, body)

    async def _post(self, url: str, body: dict[str, Any]) -> Answer:
        async with self.session.post(url, json=body) as answer:
            text = await answer.text()
            if not answer.content_type.startswith("text/event-stream"):
                return Answer(answer.status, json.loads(text))
            events = [part.removeprefix("data: ") for part in text.split("\n\n") if part.startswith("data: ")]
            return Answer(answer.status, [json.loads(e) for e in events if e != "[DONE]"], events[-1] == "[DONE]")


@asynccontextmanager
async def pair(engines: Any, family: str) -> AsyncIterator[Pair]:
    """Run a gateway in front of the family's gRPC engine; the engines are shared by all tests."""
    http, grpc = await engines(f"{family}-http"), await engines(f"{family}-grpc")
    name = str(MODEL) if family == "mlx" else NAME
    async with gateway([{"url": grpc, "models": [{"id": name}]}]) as front, aiohttp.ClientSession() as session:
        yield Pair(session, http, f"http://127.0.0.1:{front.port}", name)


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[str]:
    """Yield where two answers differ; numbers may be a little apart, and ours may have more fields."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name, value in theirs.items():
            yield from differences(value, ours.get(name), f"{path}.{name}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif isinstance(theirs, float) and isinstance(ours, float):
        if abs(theirs - ours) > NEAR:
            yield f"{path}: {theirs} is not {ours}"
    elif theirs != ours:
        yield f"{path}: {theirs!r} is not {ours!r}"


def essence(answer: Any) -> dict[str, Any]:
    """Return what must be the same of a whole answer: all but its name and time, and fields left empty."""
    usage = answer["usage"]
    counts = {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {"object": answer["object"], "choices": [_choice(one) for one in answer["choices"]], "usage": counts}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    text = choice["message"].get("content") or "" if "message" in choice else choice["text"]
    names = ("index", "finish_reason", "stop_reason")
    return {"text": text, **{name: choice.get(name) for name in names}, "logprobs": _logprobs(choice.get("logprobs"))}


def _logprobs(told: dict[str, Any] | None) -> dict[str, Any] | None:
    """Leave out the alternatives spelt as nothing: parts of characters, of which each side names another."""
    if not told or "top_logprobs" not in told:
        return told
    return told | {"top_logprobs": [top and {word: top[word] for word in top if word} for top in told["top_logprobs"]]}


def joined(events: list[Any]) -> dict[str, Any]:
    """Return the whole answer that a stream tells; its last event is the usage."""
    choices: dict[int, dict[str, Any]] = {}
    for event in events[:-1]:
        for part in event["choices"]:
            _join(choices.setdefault(part["index"], {"index": part["index"], "text": "", "logprobs": None}), part)
    whole = [choices[index] for index in sorted(choices)]
    return essence({"object": events[0]["object"], "choices": whole, "usage": events[-1]["usage"]})


def _join(choice: dict[str, Any], part: dict[str, Any]) -> None:
    choice["text"] += part["delta"].get("content") or "" if "delta" in part else part["text"]
    choice["finish_reason"], choice["stop_reason"] = part["finish_reason"], part.get("stop_reason")
    if part["logprobs"]:
        told = choice["logprobs"] or {}
        choice["logprobs"] = {name: told.get(name, []) + column for name, column in part["logprobs"].items()}
