"""The socket that callers reach, and one timer for all that is late."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from smg.core.errors import ConfigError, GatewayError
from smg.server.http1.connection import Connection
from smg.server.http1.crowd import Crowd
from smg.server.http1.handshake import Handshake
from smg.server.http1.memory import BodyMemory
from smg.server.http1.service import Service

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from smg.core.clock import Clock
    from smg.core.request import Handler
    from smg.server.http1.service import Limits

BACKLOG = 4096
KERNEL_BYTES = 128 << 10
"""Of an answer the kernel takes only so much before it is sent: left to itself it takes over a megabyte for a caller
who takes nothing, in three megabytes of its memory, and what all connections of a machine may hold is soon reached."""
CLOSE_SECS = 1.0
LONGEST_SWEEP_SECS = 1.0
SWEEPS_PER_LIMIT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Where to listen; port 0 takes a free one.

    Attributes:
        shared: Other processes listen there too, and connections are dealt out among all.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    shared: bool = False


class Listener:
    """One listening socket and its connections."""

    def __init__(
        self, handler: Handler, fault: Callable[[GatewayError], Handler], limits: Limits, clock: Clock
    ) -> None:
        self._crowd = Crowd(limits.connections)
        memory = BodyMemory(limits.body_memory_bytes)
        self._service = Service(
            handler=handler, fault=fault, limits=limits, clock=clock, crowd=self._crowd, memory=memory
        )
        self._sweep_secs = min(LONGEST_SWEEP_SECS, limits.shortest_secs / SWEEPS_PER_LIMIT)
        self._server: asyncio.Server | None = None
        self._port: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port callers reach, once started."""
        if self._port is None:
            raise RuntimeError("the listener has not been started")
        return self._port

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        return len(self._crowd)

    @property
    def body_bytes(self) -> int:
        """Bytes of request bodies that are held."""
        return self._service.memory.held

    @property
    def closing(self) -> bool:
        """Once true, every answer is the last on its connection."""
        return self._service.closing

    @closing.setter
    def closing(self, closing: bool) -> None:
        self._service.closing = closing

    async def start(self, bind: Bind) -> None:
        """Accept callers from now on.

        Raises:
            ConfigError: The address cannot be bound.
        """
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._first(bind.tls), bind.host, bind.port, backlog=BACKLOG, reuse_port=bind.shared
            )
        except OSError as error:
            raise ConfigError(f"cannot listen on {bind.host}:{bind.port}: {error.strerror}") from error
        for listening in self._server.sockets:  # its connections inherit what is set
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BYTES)
        self._port = self._server.sockets[0].getsockname()[1]
        self._sweep()

    def _first(self, tls: ssl.SSLContext | None) -> Callable[[], asyncio.Protocol]:
        """Return what makes the protocol that a new connection begins with."""
        return partial(Connection, self._service) if tls is None else partial(Handshake, self._service, tls)

    async def stop_accepting(self) -> None:
        """Close the listening socket and the idle connections; running requests go on. Safe to call twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._crowd.dismiss()

    async def aclose(self) -> None:
        """Close every connection, cancelling what still runs; safe to call twice."""
        await self.stop_accepting()
        if tasks := self._crowd.abort():
            await asyncio.wait(tasks, timeout=CLOSE_SECS)
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        self._crowd.sweep(self._service.clock.now())
        self._timer = asyncio.get_running_loop().call_later(self._sweep_secs, self._sweep)
