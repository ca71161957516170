"""One simulated engine that listens."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import grpc
from aiohttp import web
from typing_extensions import override

from smg.core.clock import MonotonicClock
from smg.core.observers import Observer
from smg.core.tasks import Tasks
from smg.core.words import ConnectionMode, Runtime
from smg.sim.grpc_mlx import MlxServicer
from smg.sim.grpc_sglang import SglangServicer
from smg.sim.grpc_vllm import VllmServicer
from smg.sim.http_engine import application
from smg.sim.machine import Machine
from smg.sim.settings import EngineSettings
from smg.stubs.mlx_engine_pb2_grpc import add_MlxEngineServicer_to_server
from smg.stubs.sglang_scheduler_pb2_grpc import add_SglangSchedulerServicer_to_server
from smg.stubs.vllm_engine_pb2_grpc import add_VllmEngineServicer_to_server

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from smg.core.events import Event
    from smg.sim.faults import Faults
    from smg.sim.ledger import Ledger

KEEP_ALIVE_SECS = 5.0
"""How long an idle HTTP connection is kept, as uvicorn does."""

MESSAGE_BYTES = 512 * 1024 * 1024
PENDING_CALLS = 100_000


class BrokenEngine(Observer):
    """Remembers the exception that ended an engine's loop, a bug of the simulation."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @override
    def notify(self, event: Event) -> None:
        """Take note."""
        self.events.append(event)


class SimEngine:
    """An engine for the length of an ``async with`` block.

    Attributes:
        port: The port it listens on; settled on entering.
        ssl_context: Of an HTTP engine that speaks TLS.
        credentials: Of a gRPC engine that speaks TLS.
        url: ``http(s)://`` or ``grpc(s)://`` with host and port.
    """

    def __init__(  # noqa: PLR0913 - each is one independent thing to set up
        self,
        mode: ConnectionMode = ConnectionMode.HTTP,
        runtime: Runtime = Runtime.SGLANG,
        settings: EngineSettings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.mode = mode
        self.runtime = runtime
        self.settings = settings or EngineSettings()
        self.host = host
        self.port = port
        self.machine = Machine(self.settings, runtime, MonotonicClock())
        self._ssl_context = ssl_context
        self._credentials = credentials
        self._open = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where it listens."""
        secure = (self._ssl_context if self.mode is ConnectionMode.HTTP else self._credentials) is not None
        return f"{self.mode.value}{'s' if secure else ''}://{self.host}:{self.port}"

    @property
    def ledger(self) -> Ledger:
        """What it saw."""
        return self.machine.ledger

    @property
    def faults(self) -> Faults:
        """What goes wrong in it."""
        return self.machine.faults

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            loops = Tasks(BrokenEngine())
            opening.push_async_callback(loops.aclose)
            for rank, scheduler in enumerate(self.machine.schedulers):
                _ = loops.spawn(f"sim-engine-rank-{rank}", scheduler.run())
            await (self._listen_http if self.mode is ConnectionMode.HTTP else self._listen_grpc)(opening)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def kill(self) -> None:
        """Stop at once: connections break, nothing is finished; safe to call twice."""
        await self._open.aclose()

    async def _listen_http(self, opening: AsyncExitStack) -> None:
        runner = web.AppRunner(
            application(self.machine),
            handler_cancellation=True,
            keepalive_timeout=KEEP_ALIVE_SECS,
            access_log=None,
            shutdown_timeout=0,
        )
        await runner.setup()
        opening.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._ssl_context, backlog=4096)
        await site.start()
        self.port = runner.addresses[0][1]

    async def _listen_grpc(self, opening: AsyncExitStack) -> None:
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MESSAGE_BYTES),
                ("grpc.max_send_message_length", MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                # the default drops calls that come in a burst of more than a thousand
                ("grpc.server.max_pending_requests", PENDING_CALLS),
                ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS),
            ]
        )
        _add_servicer(self.machine, server)
        address = f"{self.host}:{self.port}"
        if self._credentials is None:
            self.port = server.add_insecure_port(address)
        else:
            self.port = server.add_secure_port(address, self._credentials)
        await server.start()
        opening.push_async_callback(server.stop, None)


def _add_servicer(machine: Machine, server: grpc.aio.Server) -> None:
    match machine.runtime:
        case Runtime.SGLANG:
            add_SglangSchedulerServicer_to_server(SglangServicer(machine), server)
        case Runtime.VLLM:
            add_VllmEngineServicer_to_server(VllmServicer(machine), server)
        case Runtime.MLX:
            add_MlxEngineServicer_to_server(MlxServicer(machine), server)
        case other:
            raise ValueError(f"no simulated gRPC engine for runtime {other.value}")
