"""Callers who leave at once: the engine is told of all of them, in as few calls as its protocol allows."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from smg.core.generation import Generation, Sampling
from smg.core.words import Runtime
from tests.routers.grpc.scripted import DEADLINE_SECS, Script, ScriptedEngine, worker_at

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer

CALLERS = 20


class CountingEngine(ScriptedEngine):
    """Counts the calls of Abort beside the ids in them."""

    calls = 0

    async def _abort(self, request: Any, context: Any) -> Any:
        self.calls += 1
        return await super()._abort(request, context)


@pytest.mark.parametrize(("runtime", "calls"), [(Runtime.VLLM, 1), (Runtime.MLX, 1), (Runtime.SGLANG, CALLERS)])
async def test_all_are_told_of_together(tokenizer: Tokenizer, runtime: Runtime, calls: int) -> None:
    """One call names all who left in one turn of the loop where the protocol can, else there is one for each."""
    script = Script()
    script.hold = asyncio.Event()
    engine = CountingEngine(runtime, script)
    script.messages = (engine.chunk(5),)
    names = [f"r{number}" for number in range(CALLERS)]
    async with asyncio.timeout(DEADLINE_SECS), engine.serving() as address:
        worker = await worker_at(f"grpc://{address}", runtime, tokenizer)
        async with AsyncExitStack() as callers:
            for name in names:
                asked = Generation(request_id=name, prompt_ids=[1], prompt_text="", sampling=Sampling(), stream=True)
                await callers.enter_async_context(worker.generate(asked))
        await engine.until_aborted(CALLERS)
        await worker.aclose()
        script.hold.set()

    assert sorted(engine.aborted) == sorted(names)
    assert engine.calls == calls
