from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.gateways import GRPC, HTTP, gateway

CHAT = {"model": "sim", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("kind", [HTTP, GRPC])
async def test_chat_is_answered_in_either_mode(kind: Any) -> None:
    """A plain and a streamed chat come back whole, with the worker and the request named."""
    async with gateway(kind) as asked:
        status, fields, told = await asked.ask(
            "POST", "/v1/chat/completions", json=CHAT, headers={"x-request-id": "r9"}
        )
        async with asked.session.post(asked.url + "/v1/chat/completions", json={**CHAT, "stream": True}) as answer:
            events = (await answer.text()).strip().split("\n\n")
        [worker] = asked.gateway.registry.fleet.workers

    assert (status, fields["x-request-id"], fields["x-smg-routed-worker-id"]) == (200, "r9", worker)
    pieces = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events[:-1]]
    assert "".join(piece.get("content") or "" for piece in pieces) == told["choices"][0]["message"]["content"]
    assert events[-1] == "data: [DONE]"


@pytest.mark.parametrize("path", ["/generate", "/v1/tokenize", "/tokenize"])
async def test_only_model_need_not_be_named(path: Any) -> None:
    """Where one model is served, a request without a model is for it."""
    body = {"prompt": "a b"} if "tokenize" in path else {"text": "a b", "sampling_params": {"max_new_tokens": 2}}
    async with gateway(GRPC) as asked:
        status, _, _ = await asked.ask("POST", path, json=body)

    assert status == 200


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{}", JSON, (400, "invalid_request", "model")),
        (b'{"model": 1}', JSON, (400, "invalid_request", "model")),
        (b'{"model": "sim"', JSON, (400, "invalid_json", None)),
        (b'{"model": "other"}', JSON, (404, "model_not_found", "model")),
        (b"{}", {"content-type": "text/plain"}, (415, "unsupported_media_type", None)),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, (415, "unsupported_media_type", None)),
        (b"x" * 2000, JSON, (413, "payload_too_large", None)),
    ],
)
async def test_bad_request_is_refused_before_any_worker(body: Any, headers: Any, expected: Any) -> None:
    """What cannot be routed is answered by the gateway, naming the field."""
    async with gateway(max_payload_size=1000) as asked:
        status, _, told = await asked.ask("POST", "/v1/chat/completions", data=body, headers=headers)

    error = told["error"]
    assert (status, error["code"], error["param"]) == expected
