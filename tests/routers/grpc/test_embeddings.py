"""Embeddings over gRPC."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from smg.core.errors import (
    ContextLengthError,
    FirstByteTimeoutError,
    TotalTimeoutError,
    UnsupportedEndpointError,
    UnsupportedFieldError,
)
from smg.core.words import Endpoint, Runtime
from tests.routers.grpc.scripted import DEADLINE_SECS, Script, pipeline, scripted, worker_at

if TYPE_CHECKING:
    from smg.core.errors import UpstreamTimeoutError
    from smg.text.tokenizer import Tokenizer


async def test_embeddings_come_in_the_order_of_the_inputs(tokenizer: Tokenizer) -> None:
    """One call per input; usage is their sum."""
    async with scripted(Runtime.SGLANG, tokenizer, Script()) as (front, engine):
        request = await front.ask(Endpoint.EMBEDDINGS, {"model": "m", "input": [[1, 2, 3], [4], [5, 6]]})
        names = {one.request_id for one in engine.asked}

    assert [item["embedding"] for item in front.json["data"]] == [[3.0], [1.0], [2.0]]
    assert front.json["usage"]["prompt_tokens"] == 6
    assert request.trail.prompt_tokens == 6
    assert len(names) == 3


@pytest.mark.parametrize("runtime", [Runtime.SGLANG, Runtime.VLLM])
async def test_a_rank_embeds(tokenizer: Tokenizer, runtime: Runtime) -> None:
    """Whether the engine can be told which rank or not: the caller knows of none."""
    async with scripted(runtime, tokenizer, Script(), rank=1) as (front, _):
        await front.ask(Endpoint.EMBEDDINGS, {"model": "m", "input": [[1, 2]]})

    assert [item["embedding"] for item in front.json["data"]] == [[2.0]]


async def test_an_input_beyond_the_context_is_refused(tokenizer: Tokenizer) -> None:
    """The engine is not bothered."""
    async with scripted(Runtime.SGLANG, tokenizer, Script()) as (front, engine):
        with pytest.raises(ContextLengthError):
            await front.ask(Endpoint.EMBEDDINGS, {"model": "m", "input": [1] * 65})

        assert engine.asked == []


@pytest.mark.parametrize(("clock", "kind"), [(b"first-byte", FirstByteTimeoutError), (b"total", TotalTimeoutError)])
async def test_a_silent_engine_is_waited_for_as_long_as_the_caller_wants(
    tokenizer: Tokenizer, clock: bytes, kind: type[UpstreamTimeoutError]
) -> None:
    """The error names the clock that ran out, and the engine sees the caller leave."""
    script = Script()
    script.hold = asyncio.Event()
    async with scripted(Runtime.SGLANG, tokenizer, script) as (front, engine):
        with pytest.raises(kind, match=clock.decode().replace("-", " ")):
            await front.ask(
                Endpoint.EMBEDDINGS, {"model": "m", "input": "a"}, headers=((b"x-smg-timeout-" + clock, b"0.1"),)
            )
        await asyncio.wait_for(engine.left.wait(), DEADLINE_SECS)

    assert front.sink.head is None


async def test_an_engine_without_embeddings_is_no_candidate(tokenizer: Tokenizer) -> None:
    """MLX serves none; a length of vectors can be asked of nobody."""
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.MLX, tokenizer)) as front:
        request = front.request(Endpoint.EMBEDDINGS, {"model": "m", "input": "a"})
        front.router.check(request)

        assert isinstance(front.router.refusal(request), UnsupportedEndpointError)
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)) as front:
        request = front.request(Endpoint.EMBEDDINGS, {"model": "m", "input": "a", "dimensions": 3})
        front.router.check(request)

        assert isinstance(front.router.refusal(request), UnsupportedFieldError)
