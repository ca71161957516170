"""The inside of one engine."""

from __future__ import annotations

import pytest

from smg.core.words import Runtime
from smg.sim.asks import RefusedError
from smg.sim.settings import EngineSettings
from tests.sim.support import MESSAGES, http_engine


async def test_ledger_tells_of_tokens_as_they_come() -> None:
    """Who waits for a number of tokens is woken while the request still runs."""
    async with http_engine(Runtime.VLLM, EngineSettings(speed=50)) as (engine, session):
        body = {"messages": MESSAGES, "stream": True}
        async with session.raw.post("/v1/chat/completions", json=body, headers={"x-sim-fault": "stall_after:3"}):
            await engine.ledger.until(lambda ledger: ledger.last.tokens == 3)
            assert engine.ledger.last.first_token_at is not None
            assert engine.ledger.last.ended is None


async def test_least_loaded_rank_is_taken() -> None:
    """A request that asks for no rank goes where the fewest are; a rank that is not there is refused."""
    async with http_engine(Runtime.VLLM, EngineSettings(speed=0, ranks=2)) as (engine, session):
        body = {"messages": MESSAGES, "stream": True}
        engine.faults.arm("stall_after:1")
        async with session.raw.post("/v1/chat/completions", json=body):
            await engine.ledger.until(lambda ledger: ledger.last.tokens == 1)
            assert engine.machine.rank(None) == 1
            assert engine.machine.rank(0) == 0
        with pytest.raises(RefusedError, match="out of range"):
            engine.machine.rank(2)
