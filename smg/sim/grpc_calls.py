"""What the gRPC servers of all runtimes have in common."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from smg.sim import vocabulary
from smg.sim.asks import RefusedError
from smg.sim.faults import HEADER, FaultHangHeadError, FaultResetError, FaultStatusError
from smg.sim.generations import CutError
from smg.stubs import common_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from smg.sim.asks import Ask
    from smg.sim.faults import Fault
    from smg.sim.generations import Generation
    from smg.sim.ledger import RawHeaders, Record
    from smg.sim.machine import Machine

Context = grpc.aio.ServicerContext[Any, Any]

CHUNK_BYTES = 4096
"""Bytes per message of a tokenizer bundle; small, so that there are several."""

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(slots=True)
class Call:
    """One inference call with its record opened."""

    machine: Machine
    record: Record
    fault: Fault | None = None

    def generating(self, ask: Ask) -> Any:
        """Run a request for as long as the block lasts; see ``Machine.generating``."""
        return self.machine.generating(ask, self.record, self.fault)


def _metadata(context: Context) -> RawHeaders:
    pairs = context.invocation_metadata() or ()
    return tuple((key.encode(), value if isinstance(value, bytes) else value.encode()) for key, value in pairs)


@asynccontextmanager
async def calling(
    machine: Machine, method: str, request: Message, context: Context, *, rank: int | None = None
) -> AsyncIterator[Call]:
    """Keep a record of a call, do its fault, and turn what goes wrong in the block into a gRPC status."""
    metadata = _metadata(context)
    asked = next((value.decode() for key, value in metadata if key.decode() == HEADER), None)
    request_id = getattr(request, "request_id", "")
    try:
        with machine.ledger.track(request_id, method, metadata, request.SerializeToString(), message=request) as record:
            record.rank = machine.rank(rank)
            call = Call(machine, record)
            try:
                call.fault = await machine.meet_fault(asked, record)
            except FaultHangHeadError:
                await context.send_initial_metadata(())
                await asyncio.Event().wait()
            yield call
    except (RefusedError, FaultStatusError, FaultResetError, CutError) as error:
        await _fail(context, error)


async def _fail(context: Context, error: Exception) -> NoReturn:
    match error:
        case RefusedError():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        case FaultStatusError():
            await context.abort(CODES.get(error.status, grpc.StatusCode.INTERNAL), "fault on request")
        case FaultResetError():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset by peer")
        case _:
            await context.abort(grpc.StatusCode.INTERNAL, "the engine broke off")
    raise AssertionError  # abort always raises


async def tokenizer_chunks(machine: Machine) -> AsyncIterator[common_pb2.GetTokenizerChunk]:
    """Yield the tokenizer bundle; the last message carries the SHA-256 of the whole."""
    data, sha256 = vocabulary.bundle(machine.settings.context_length)
    starts = range(0, len(data), CHUNK_BYTES)
    for start in starts:
        last = start == starts[-1]
        yield common_pb2.GetTokenizerChunk(data=data[start : start + CHUNK_BYTES], sha256=sha256 if last else "")


async def finished(generation: Generation) -> None:
    """Wait until every choice has ended."""
    async for _ in generation.pieces():
        pass
