"""Faults, ranks and hang-ups at the HTTP engines."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import openai
import pytest

from smg.core.words import Runtime
from smg.sim.settings import EngineSettings
from tests.sim.support import INSTANT, MESSAGES, http_engine

CHAT = "/v1/chat/completions"
BODY = {"messages": MESSAGES}
STREAM = {"messages": MESSAGES, "stream": True}


def faulty(fault: str) -> dict[str, str]:
    """Return the header that asks for a fault."""
    return {"x-sim-fault": fault}


async def _read(response: aiohttp.ClientResponse, seen: list[bytes]) -> None:
    async for data in response.content.iter_any():
        seen.append(data)  # noqa: PERF401 - what came before the break is wanted


async def test_status_fault_is_an_error_of_the_engine() -> None:
    """The asked status comes back in the runtime's shape."""
    async with http_engine(Runtime.VLLM) as (engine, session):
        response = await session.post(CHAT, json=BODY, headers=faulty("status:429"))

        assert (response.status, (await response.json())["error"]["code"]) == (429, 429)
        assert engine.ledger.last.ended == "failed"


@pytest.mark.parametrize(("fault", "body"), [("reset", BODY), ("cut:0", BODY), ("reset", STREAM)])
async def test_broken_connections(fault, body) -> None:
    """The connection breaks before any answer."""
    async with http_engine(Runtime.SGLANG) as (engine, session):
        with pytest.raises(aiohttp.ClientError):
            await session.post(CHAT, json=body, headers=faulty(fault))

        assert engine.ledger.last.ended == "failed"


async def test_cut_breaks_a_stream_after_its_tokens() -> None:
    """So many tokens arrive, then the connection breaks without a proper end."""
    async with http_engine(Runtime.VLLM) as (engine, session):
        seen: list[bytes] = []
        async with session.raw.post(CHAT, json=STREAM, headers=faulty("cut:3")) as response:
            with pytest.raises(aiohttp.ClientError):
                await _read(response, seen)

    assert b"data: " in b"".join(seen)
    assert b"[DONE]" not in b"".join(seen)
    assert (engine.ledger.last.tokens, engine.ledger.last.ended) == (3, "failed")


@pytest.mark.parametrize("fault", ["stall", "hang_head"])
async def test_hanging_request_ends_with_its_caller(fault) -> None:
    """Nothing is answered, and when the caller leaves the record says so."""
    async with http_engine(Runtime.VLLM) as (engine, session):
        with pytest.raises(TimeoutError):
            await session.post(CHAT, json=BODY, headers=faulty(fault), timeout=aiohttp.ClientTimeout(total=0.05))
        await engine.ledger.until(lambda ledger: ledger.totals.aborted == 1)


@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_leaving_caller_frees_the_place(body) -> None:
    """A caller who hangs up, streaming or not, gives its place and room back at once."""
    async with http_engine(Runtime.VLLM) as (engine, session):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.post(CHAT, json=body, headers=faulty("stall_after:2"))
        await engine.ledger.until(lambda ledger: ledger.totals.aborted == 1)
        assert engine.machine.load(0) == 0

    assert engine.machine.schedulers[0].cache.used_tokens == 0


async def test_delay_only_delays() -> None:
    """A delayed request is answered like any other."""
    async with http_engine(Runtime.VLLM) as (_, session):
        assert (await session.post(CHAT, json=BODY, headers=faulty("delay:0.01"))).status == 200


async def test_ranks_are_asked_for_in_the_runtimes_way() -> None:
    """VLLM reads the rank from a header, SGLang from the body; one that is not there is refused."""
    two = EngineSettings(speed=0, ranks=2)
    async with http_engine(Runtime.VLLM, two) as (vllm, session):
        await session.post(CHAT, json=BODY, headers={"X-data-parallel-rank": "1"})
        assert vllm.ledger.last.rank == 1
    async with http_engine(Runtime.SGLANG, two) as (sglang, session):
        await session.post(CHAT, json=BODY | {"data_parallel_rank": 1})
        refused = await session.post(CHAT, json=BODY | {"data_parallel_rank": 2})
        assert [one.rank for one in sglang.ledger.records] == [1, 0]
        assert refused.status == 400


async def test_stalled_rank_does_not_hold_the_other() -> None:
    """A fault of one rank leaves the other as it is."""
    async with http_engine(Runtime.VLLM, EngineSettings(speed=0, ranks=2)) as (engine, session):
        engine.faults.set("stall", rank=0)

        assert (await session.post(CHAT, json=BODY, headers={"X-data-parallel-rank": "1"})).status == 200


async def test_the_official_sdk_is_content() -> None:
    """OpenAI's own client reads every kind of answer."""
    messages: Any = MESSAGES
    async with http_engine(Runtime.VLLM) as (engine, _):
        sdk = openai.AsyncOpenAI(base_url=f"{engine.url}/v1", api_key="none", max_retries=0)
        async with sdk:
            chat = await sdk.chat.completions.create(
                model="sim", messages=messages, n=2, logprobs=True, top_logprobs=2, seed=5
            )
            stream = await sdk.chat.completions.create(
                model="sim", messages=messages, stream=True, stream_options={"include_usage": True}, seed=5
            )
            chunks = [chunk async for chunk in stream]
            plain = await sdk.completions.create(model="sim", prompt="a river", max_tokens=5, logprobs=1)
            vectors = await sdk.embeddings.create(model="sim", input=["a river"])
            models = [model.id async for model in sdk.models.list()]
            with pytest.raises(openai.NotFoundError):
                await sdk.chat.completions.create(model="none", messages=messages)

    assert len(chat.choices) == 2
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == chat.choices[0].message.content
    assert chunks[-1].usage is not None
    assert plain.usage is not None
    assert plain.usage.completion_tokens == 5
    assert len(vectors.data[0].embedding) == INSTANT.embedding_dim
    assert models == ["sim"]
