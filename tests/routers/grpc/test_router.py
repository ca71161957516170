"""What is refused, and by whom, before any worker is picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from smg.core.errors import (
    InvalidRequestError,
    UnsupportedEndpointError,
    UnsupportedFieldError,
)
from smg.core.words import Endpoint, LifeState, Runtime
from tests.routers.grpc.scripted import HELLO, pipeline, worker_at

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        pytest.param(Endpoint.CHAT, {"model": "m", "messages": []}, "messages", id="no messages"),
        pytest.param(Endpoint.COMPLETIONS, {"model": "m", "prompt": ""}, "prompt", id="empty text"),
        pytest.param(Endpoint.COMPLETIONS, {"model": "m", "prompt": [[]]}, "prompt", id="empty ids"),
        pytest.param(Endpoint.CHAT, {**HELLO, "temperature": "hot"}, "temperature", id="wrong type"),
        pytest.param(Endpoint.GENERATE, {"text": ""}, "text", id="empty native prompt"),
        pytest.param(Endpoint.COMPLETIONS, {"model": "m", "prompt": ["a"] * 1000, "n": 100}, "n", id="too many"),
    ],
)
async def test_a_bad_request_is_refused_before_any_pick(
    tokenizer: Tokenizer, endpoint: Endpoint, body: dict[str, Any], param: str
) -> None:
    """The error names the field."""
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)) as front:
        with pytest.raises(InvalidRequestError) as caught:
            front.router.check(front.request(endpoint, body))

    assert caught.value.param == param


async def test_a_field_is_refused_only_if_no_engine_can(tokenizer: Tokenizer) -> None:
    """Of an MLX and a vLLM worker only the second is a candidate for a regex; alone, MLX refuses by name."""
    mlx = await worker_at("grpc://127.0.0.1:1", Runtime.MLX, tokenizer)
    vllm = await worker_at("grpc://127.0.0.1:2", Runtime.VLLM, tokenizer)
    async with pipeline(mlx, vllm) as front:
        request = front.request(Endpoint.CHAT, {**HELLO, "regex": "a+"})
        front.router.check(request)

        assert list(front.router.candidates(request)) == [vllm]
        assert front.router.refusal(request) is None
    mlx = await worker_at("grpc://127.0.0.1:1", Runtime.MLX, tokenizer)
    async with pipeline(mlx) as front:
        front.router.check(request)
        refusal = front.router.refusal(request)

        assert list(front.router.candidates(request)) == []
        assert isinstance(refusal, UnsupportedFieldError)
        assert refusal.param == "regex"
        assert "mlx" in refusal.message


async def test_what_no_grpc_engine_serves_is_left_to_others(tokenizer: Tokenizer) -> None:
    """Rerank has no candidates here, nor has a chat with an image."""
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)) as front:
        rerank = front.request(Endpoint.RERANK, {"model": "m", "query": "q", "documents": ["d"]})
        picture = front.request(Endpoint.CHAT, {"model": "m", "messages": [{"role": "user", "content": [image]}]})
        for request, kind in ((rerank, UnsupportedEndpointError), (picture, UnsupportedFieldError)):
            front.router.check(request)

            assert list(front.router.candidates(request)) == []
            assert isinstance(front.router.refusal(request), kind)


async def test_a_worker_without_tokenizer_is_no_candidate() -> None:
    """It is registered, and may serve once its tokenizer is there."""
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, None)) as front:
        request = front.request(Endpoint.CHAT, HELLO)
        front.router.check(request)

        assert front.router.registered(request)
        assert list(front.router.candidates(request)) == []
        assert front.router.refusal(request) is None


async def test_an_engine_not_yet_known_refuses_nothing(tokenizer: Tokenizer) -> None:
    """What it speaks may turn out to carry the field."""
    unknown = await worker_at("grpc://127.0.0.1:1", Runtime.UNSPECIFIED, tokenizer)
    unknown.move(LifeState.UNHEALTHY, "test")
    async with pipeline(unknown) as front:
        request = front.request(Endpoint.CHAT, {**HELLO, "regex": "a+"})
        front.router.check(request)

        assert front.router.registered(request)
        assert list(front.router.candidates(request)) == []
        assert front.router.refusal(request) is None


async def test_an_engine_not_yet_known_costs_the_others_nothing(tokenizer: Tokenizer) -> None:
    """It is no candidate, however ready it is said to be; those that are known serve."""
    unknown = await worker_at("grpc://127.0.0.1:1", Runtime.UNSPECIFIED, tokenizer)
    known = await worker_at("grpc://127.0.0.1:2", Runtime.VLLM, tokenizer)
    async with pipeline(unknown, known) as front:
        request = front.request(Endpoint.CHAT, HELLO)
        front.router.check(request)

        assert list(front.router.candidates(request)) == [known]


async def test_a_tool_call_is_not_promised(tokenizer: Tokenizer) -> None:
    """Tools reach the template, but a call that must come cannot be read out of the answer yet."""
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)) as front:
        free = front.request(Endpoint.CHAT, {**HELLO, "tools": tools, "tool_choice": "auto"})
        forced = front.request(Endpoint.CHAT, {**HELLO, "tools": tools, "tool_choice": "required"})
        front.router.check(free)
        front.router.check(forced)
        refusal = front.router.refusal(forced)

        assert list(front.router.candidates(free)) == front.workers
        assert isinstance(refusal, UnsupportedFieldError)
        assert refusal.param == "tool_choice"
