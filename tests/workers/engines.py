"""Engines in this process: an HTTP one and a gRPC one whose every step a test can hold."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc.aio
from aiohttp import web
from aiohttp.test_utils import TestServer

from smg.stubs import common_pb2, mlx_engine_pb2, mlx_engine_pb2_grpc
from smg.wire.engines.table import DIALECTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDict

    from smg.core.words import Runtime


@dataclass
class HttpEngine:
    """A small OpenAI-like engine.

    Attributes:
        seen: Requests as they came.
        gone: Set when a caller left a held request.
        hold: Where ``/hold`` stops: ``head`` or ``body``.
    """

    healthy: bool = True
    models: list[dict[str, object]] = field(
        default_factory=lambda: [{"id": "m", "owned_by": "vllm", "max_model_len": 64}]
    )
    server_info: dict[str, object] | None = None
    hold: str = "head"
    seen: list[tuple[str, str, CIMultiDict[str], bytes]] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer everything."""
        body = await request.read()
        self.seen.append((request.method, request.path_qs, request.headers.copy(), body))
        self.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        if request.path == "/hold":
            return await self._hold(request)
        return self._answers(body).get(request.path) or web.Response(status=404)

    def _answers(self, body: bytes) -> dict[str, web.Response]:
        answers = {
            "/health": web.Response(status=200 if self.healthy else 503),
            "/v1/models": web.json_response({"object": "list", "data": self.models}),
            "/version": web.json_response({"version": "1.2.3"}),
            "/v1/loads": web.json_response({"loads": [{"dp_rank": 1, "num_running_reqs": 3, "extra": 1}]}),
            "/echo": web.Response(body=body, headers={"X-One": "1"}),
            "/deep": web.Response(body=b'{"a":' + b"[" * 2_000),
            "/redirect": web.Response(status=307, headers={"Location": "/echo"}),
        }
        if self.server_info is not None:
            answers["/server_info"] = web.json_response(self.server_info)
        return answers

    async def _hold(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            if self.hold == "body":
                await response.prepare(request)
                await response.write(b"data: 1\n\n")
            self.arrived.set()
            await self.release.wait()
        except asyncio.CancelledError:
            self.gone.set()
            raise
        if not response.prepared:
            await response.prepare(request)
        return response


@asynccontextmanager
async def http_engine(engine: HttpEngine | None = None) -> AsyncIterator[tuple[HttpEngine, str]]:
    """Serve an HTTP engine; yields it and its URL."""
    engine = engine or HttpEngine()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{tail:.*}", engine.serve)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield engine, f"http://{server.host}:{server.port}"
    finally:
        engine.release.set()
        await server.close()


@dataclass
class GrpcEngine(mlx_engine_pb2_grpc.MlxEngineServicer):
    """A small MLX engine.

    Attributes:
        mute: Messages that say nothing, sent before all others.
        hold: Where a generation stops until its caller leaves, or its release: ``first``, ``middle``, ``last`` or
            nowhere.
        index: How it numbers its one answer.
        fail: Status to answer a generation with, before the first message.
        fail_late: Status to end a generation with, after its last message.
    """

    healthy: bool = True
    names: str = "m"
    mute: int = 0
    hold: str = ""
    index: int = 0
    fail: grpc.StatusCode | None = None
    fail_late: grpc.StatusCode | None = None
    details: str = "told by the engine"
    aborted: list[str] = field(default_factory=list)
    requests: list[mlx_engine_pb2.GenerateRequest] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    peers: set[str] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    aborts: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def Generate(  # noqa: N802 - the service's name
        self, request: Any, context: Any
    ) -> AsyncIterator[mlx_engine_pb2.GenerateResponse]:
        """Send two tokens and the end, or stop on the way."""
        self.requests.append(request)
        self.peers.add(context.peer())
        self.metadata.append(dict(context.invocation_metadata()))
        if self.fail is not None:
            await context.abort(self.fail, self.details)
        try:
            async for message in self._messages():
                yield message
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.fail_late is not None:
            await context.abort(self.fail_late, self.details)

    async def _messages(self) -> AsyncIterator[mlx_engine_pb2.GenerateResponse]:
        for _ in range(self.mute):
            yield mlx_engine_pb2.GenerateResponse()
        await self._stop("first")
        yield _chunk(10, 1, self.index)
        await self._stop("middle")
        yield _chunk(11, 2)
        yield mlx_engine_pb2.GenerateResponse(
            complete=mlx_engine_pb2.GenerateComplete(finish_reason="stop", prompt_tokens=3, completion_tokens=2)
        )
        await self._stop("last")

    async def _stop(self, where: str) -> None:
        if self.hold == where:
            self.arrived.set()
            await self.release.wait()

    async def HealthCheck(self, request: Any, context: Any) -> mlx_engine_pb2.HealthCheckResponse:  # noqa: ARG002, N802
        """Answer as told."""
        self.peers.add(context.peer())
        return mlx_engine_pb2.HealthCheckResponse(healthy=self.healthy)

    async def Abort(self, request: Any, context: Any) -> mlx_engine_pb2.AbortResponse:  # noqa: ARG002, N802
        """Note the ids."""
        self.aborted.extend(request.request_ids)
        self.aborts.set()
        return mlx_engine_pb2.AbortResponse()

    async def GetModelInfo(self, request: Any, context: Any) -> mlx_engine_pb2.GetModelInfoResponse:  # noqa: ARG002, N802
        """Tell of the model."""
        return mlx_engine_pb2.GetModelInfoResponse(served_model_name=self.names, max_context_length=128)

    async def GetServerInfo(self, request: Any, context: Any) -> mlx_engine_pb2.GetServerInfoResponse:  # noqa: ARG002, N802
        """Tell of the server."""
        return mlx_engine_pb2.GetServerInfoResponse(server_type="mlx")

    async def GetTokenizer(self, request: Any, context: Any) -> AsyncIterator[common_pb2.GetTokenizerChunk]:  # noqa: ARG002, N802
        """Send a bundle in two parts."""
        yield common_pb2.GetTokenizerChunk(data=b"ab")
        yield common_pb2.GetTokenizerChunk(data=b"c", sha256="feed")


def _chunk(token: int, total: int, index: int = 0) -> mlx_engine_pb2.GenerateResponse:
    return mlx_engine_pb2.GenerateResponse(
        chunk=mlx_engine_pb2.GenerateStreamChunk(
            token_ids=[token], prompt_tokens=3, completion_tokens=total, index=index
        )
    )


@asynccontextmanager
async def grpc_engine(
    engine: GrpcEngine | None = None, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[tuple[GrpcEngine, str]]:
    """Serve a gRPC engine; yields it and its URL."""
    engine = engine or GrpcEngine()
    server = grpc.aio.server()
    mlx_engine_pb2_grpc.add_MlxEngineServicer_to_server(engine, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    try:
        yield engine, f"grpc://127.0.0.1:{port}" if credentials is None else f"grpcs://localhost:{port}"
    finally:
        await server.stop(None)


class ChangingEngine(grpc.GenericRpcHandler):
    """Is well and tells its runtime as the name of its model; may become an engine of another runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self.become(runtime)

    def become(self, runtime: Runtime, **server: str) -> None:
        """Answer in this engine's protocol and no other, telling so of the server."""
        dialect = DIALECTS[runtime]
        messages: dict[str, Any] = {
            dialect.health.path: dialect.health.response(healthy=True),
            dialect.model_info.path: dialect.model_info.response(served_model_name=runtime.value),
            dialect.server_info.path: dialect.server_info.response(**server),
        }
        self._answers: dict[str, bytes] = {path: message.SerializeToString() for path, message in messages.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Answer what it knows."""
        answer = self._answers.get(str(handler_call_details.method))
        if answer is None:
            return None

        async def tell(_: bytes, __: object) -> bytes:
            return answer

        return grpc.unary_unary_rpc_method_handler(tell)


@asynccontextmanager
async def changing_engine(runtime: Runtime) -> AsyncIterator[tuple[ChangingEngine, str]]:
    """Serve such an engine; yields it and its URL."""
    engine, server = ChangingEngine(runtime), grpc.aio.server()
    server.add_generic_rpc_handlers((engine,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield engine, f"grpc://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[SilentServer, str]]:
    """Serve a port that takes connections and bytes and says nothing; yields it and its host and port."""
    silent = SilentServer()
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    try:
        yield silent, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        async with asyncio.timeout(5):
            await silent.closed.wait()
        await server.wait_closed()


@dataclass
class SilentServer:
    """Counts who came and who left."""

    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read until the other side leaves."""
        self.open += 1
        self.accepted.set()
        try:
            while await reader.read(65536):
                pass
        finally:
            writer.close()
            self.open -= 1
            if not self.open:
                self.closed.set()


@asynccontextmanager
async def freezing_proxy(target: str) -> AsyncIterator[tuple[asyncio.Event, str]]:
    """Relay a port to ``target`` until the event yielded is set; from then on take bytes and pass on none."""
    frozen, host, port = asyncio.Event(), *target.split(":")
    silent = SilentServer()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not frozen.is_set():
                writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.open += 1
        there, back = await asyncio.open_connection(host, int(port))
        answers = asyncio.get_running_loop().create_task(pump(there, writer))
        with suppress(ConnectionError):
            await pump(reader, back)
        back.close()
        await asyncio.wait([answers])
        writer.close()
        silent.open -= 1
        if not silent.open:
            silent.closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield frozen, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        async with asyncio.timeout(5):
            await silent.closed.wait()
        await server.wait_closed()
