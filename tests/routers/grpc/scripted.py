"""An engine over real gRPC that answers as the test says, and the gateway's pipeline in front of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import msgspec

from smg.core.clock import MonotonicClock
from smg.core.observers import Observers
from smg.core.request import InferenceRequest, Trail
from smg.core.words import Endpoint, LifeState, Runtime, WorkerId
from smg.routers.grpc.job import Kit
from smg.routers.grpc.router import GrpcRouter
from smg.testing.sink import CollectingSink
from smg.text.encoder import Encoder
from smg.wire.engines.table import DIALECTS
from smg.workers.factory import WorkerFactory
from smg.workers.fleet import assemble
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.settings import WorkerDefaults
from smg.workers.spec import ModelCard, WorkerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.core.request import RawHeaders
    from smg.text.tokenizer import Tokenizer

DEADLINE_SECS = 10
HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


class Script:
    """Sends given messages, then waits, ends or fails."""

    def __init__(self, *messages: Any, error: grpc.StatusCode | None = None, details: str = "") -> None:
        self.messages: tuple[Any, ...] = messages
        self.error = error
        self.details = details
        self.hold: asyncio.Event | None = None

    async def __call__(self, _: Any, context: Any) -> AsyncIterator[Any]:
        for message in self.messages:
            yield message
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            await context.abort(self.error, self.details)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def contents(events: list[Any], index: int = 0) -> str:
    choices = [choice for event in events for choice in event["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content", "") for choice in choices)


class ScriptedEngine:
    """Serves Generate by a script, Embed by counting, and notes every Abort.

    Attributes:
        left: Set once a caller left an Embed that the script held.
    """

    def __init__(self, runtime: Runtime, script: Any) -> None:
        self.dialect = DIALECTS[runtime]
        self.asked: list[Any] = []
        self.aborted: list[str] = []
        self.left = asyncio.Event()
        self._script = script
        self._heard = asyncio.Condition()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve on a free port; yields host and port."""
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self._handlers(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(0)

    def _handlers(self) -> grpc.GenericRpcHandler:
        generate, abort = self.dialect.generate, self.dialect.abort
        handlers = {
            "Generate": grpc.unary_stream_rpc_method_handler(
                self._generate,
                request_deserializer=generate.request.FromString,
                response_serializer=generate.response.SerializeToString,
            ),
            "Abort": grpc.unary_unary_rpc_method_handler(
                self._abort,
                request_deserializer=abort.request.FromString,
                response_serializer=abort.response.SerializeToString,
            ),
        }
        if (embed := self.dialect.embed) is not None:
            handlers["Embed"] = grpc.unary_unary_rpc_method_handler(
                self._embed,
                request_deserializer=embed.request.FromString,
                response_serializer=embed.response.SerializeToString,
            )
        return grpc.method_handlers_generic_handler(self.dialect.service, handlers)

    async def _generate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.asked.append(request)
        async for message in self._script(request, context):
            yield message

    async def _embed(self, request: Any, _: Any) -> Any:
        """Answer with the input's length as the only number of the vector."""
        self.asked.append(request)
        if (hold := getattr(self._script, "hold", None)) is not None:
            await self._held(hold)
        assert self.dialect.embed is not None
        count = len(request.tokenized.input_ids)
        message: Any = self.dialect.embed.response()
        message.embedding.append(count)
        message.prompt_tokens = count
        return message

    async def _held(self, hold: asyncio.Event) -> None:
        """Wait; whoever leaves meanwhile is noted."""
        try:
            await hold.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise

    async def _abort(self, request: Any, _: Any) -> Any:
        async with self._heard:
            self.aborted += list(getattr(request, "request_ids", None) or [request.request_id])
            self._heard.notify_all()
        return self.dialect.abort.response()

    async def until_aborted(self, count: int = 1) -> None:
        """Wait until so many generations were aborted."""
        async with asyncio.timeout(DEADLINE_SECS), self._heard:
            await self._heard.wait_for(lambda: len(self.aborted) >= count)

    def chunk(self, *ids: int, index: int = 0, **fields: Any) -> Any:
        """Return a message with new tokens."""
        message: Any = self.dialect.generate.response()
        part = message.chunk
        part.SetInParent()
        _fill(part, token_ids=ids, index=index, **fields)
        return message

    def complete(self, reason: str, *ids: int, index: int = 0, **fields: Any) -> Any:
        """Return the message that ends an answer."""
        message: Any = self.dialect.generate.response()
        _fill(message.complete, output_ids=ids, finish_reason=reason, index=index, **fields)
        return message


def _fill(part: Any, **fields: Any) -> None:
    known = part.DESCRIPTOR.fields_by_name
    part.MergeFrom(type(part)(**{name: value for name, value in fields.items() if name in known}))


@dataclass
class Pipeline:
    """The gRPC router over a fleet of workers."""

    router: GrpcRouter
    workers: list[GrpcWorker]
    sink: CollectingSink = field(default_factory=CollectingSink)

    def request(self, endpoint: Endpoint, body: dict[str, Any]) -> InferenceRequest:
        """Return a request as the front hands it in."""
        return InferenceRequest(
            id="req-1",
            endpoint=endpoint,
            path=endpoint.value,
            headers=(),
            body=msgspec.json.encode(body),
            model=body.get("model", "m"),
            stream=bool(body.get("stream")),
            tokens=1,
            began_at=time.monotonic(),
            trail=Trail(),
        )

    async def ask(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        worker: GrpcWorker | None = None,
        headers: RawHeaders = (),
    ) -> InferenceRequest:
        """Check and dispatch as the attempt loop does; the answer is in ``sink``."""
        request = self.request(endpoint, body)
        request.headers = headers
        self.router.check(request)
        chosen = worker or self.router.candidates(request)[0]
        async with asyncio.timeout(DEADLINE_SECS):
            with chosen.lease(1) as lease:
                await self.router.dispatch(chosen, request, self.sink, lease)
        return request

    @property
    def json(self) -> Any:
        """The whole answer."""
        return msgspec.json.decode(self.sink.body)

    @property
    def events(self) -> list[Any]:
        """The stream's events, the closing mark left out."""
        parts = self.sink.body.decode().split("\n\n")
        return [msgspec.json.decode(part.removeprefix("data: ")) for part in parts if part and "[DONE]" not in part]


async def worker_at(url: str, runtime: Runtime, tokenizer: Tokenizer | None) -> GrpcWorker:
    """Return a started, ready worker of model ``m``."""
    spec = WorkerSpec(url=url, runtime_type=runtime, models=(ModelCard(id="m", aliases=("alias",)),))
    built = WorkerFactory(WorkerDefaults(), MonotonicClock(), Observers()).build(spec, WorkerId(url), "test")
    assert isinstance(built, GrpcWorker)
    built.tokenizer = tokenizer
    await built.start()
    built.move(LifeState.READY, "test")
    return built


@asynccontextmanager
async def pipeline(*workers: GrpcWorker) -> AsyncIterator[Pipeline]:
    """Run a router over workers; closes them at the end."""
    fleet = assemble({worker.id: worker for worker in workers})
    encoder = Encoder(threads=1, cache_bytes=1 << 20)
    try:
        yield Pipeline(
            GrpcRouter(lambda: fleet, Kit(encoder, MonotonicClock(), lambda: 1_700_000_000.0)), list(workers)
        )
    finally:
        for worker in workers:
            await worker.aclose()
        await encoder.aclose()


@asynccontextmanager
async def scripted(
    runtime: Runtime, tokenizer: Tokenizer, script: Any, rank: int | None = None
) -> AsyncIterator[tuple[Pipeline, ScriptedEngine]]:
    """Run one scripted engine and the pipeline in front of it."""
    engine = ScriptedEngine(runtime, script)
    async with engine.serving() as address:
        at = "" if rank is None else f"@{rank}"
        worker = await worker_at(f"grpc://{address}{at}", runtime, tokenizer)
        async with pipeline(worker) as front:
            yield front, engine
