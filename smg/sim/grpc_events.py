"""KV events as both engine protocols send them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from smg.sim.kv_events import KvEvent, Removed, Stored
from smg.stubs import common_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.sim.machine import Machine


async def kv_event_batches(machine: Machine, start: int) -> AsyncIterator[pb.KvEventBatch]:
    """Yield the events of rank 0 from number ``start`` on, one per batch, without end."""
    async for number, event in machine.schedulers[0].cache.events.follow(start):
        told = _event(number, event, machine.settings.block_tokens)
        yield pb.KvEventBatch(sequence_number=number, timestamp=time.time(), events=[told], dp_rank=0)


def _event(number: int, event: KvEvent, block_tokens: int) -> pb.KvCacheEvent:
    match event:
        case Stored(parent, blocks):
            stored = [pb.KvBlock(block_hash=one, token_ids=tokens, block_size=block_tokens) for one, tokens in blocks]
            return pb.KvCacheEvent(event_id=number, stored=pb.KvBlocksStored(blocks=stored, parent_block_hash=parent))
        case Removed(hashes):
            return pb.KvCacheEvent(event_id=number, removed=pb.KvBlocksRemoved(block_hashes=hashes))
        case _:
            return pb.KvCacheEvent(event_id=number, cleared=pb.KvCacheCleared())
