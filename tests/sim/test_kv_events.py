"""The log of KV events."""

from __future__ import annotations

import asyncio

from smg.sim.kv_events import Cleared, KvEventLog, Removed


async def test_follower_gets_kept_and_coming_events_once() -> None:
    """Numbers rise by one, what is kept comes first, and news wake the follower."""
    log = KvEventLog()
    log.append(Cleared())
    log.append(Removed((1,)))
    follower = log.follow(2)
    first = await anext(follower)

    async with asyncio.TaskGroup() as group:
        coming = group.create_task(anext(follower))
        await asyncio.sleep(0)
        log.append(Removed((2,)))

    assert first == (2, Removed((1,)))
    assert coming.result() == (3, Removed((2,)))
    await follower.aclose()
