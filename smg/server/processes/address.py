"""The address that all processes listen on: found and held by the supervisor, which never listens there itself.

Theory: sockets that ask for it (SO_REUSEPORT) may be bound to one address, and the kernel deals connections out among
those of them that listen. One that is only bound gets none, but keeps the port from everybody else while processes
come and go.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from smg.core.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(slots=True)
class Hold:
    """Keeps an address from entering its context to leaving it.

    Attributes:
        port: As it was wanted; once entered, the one that is held.
    """

    host: str
    port: int
    _sockets: ExitStack

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._sockets = ExitStack()

    def __enter__(self) -> Self:
        """Hold it.

        Raises:
            ConfigError: The address cannot be bound, or somebody else has it.
        """
        with ExitStack() as sockets:
            try:
                for family, address in _resolved(self.host, self.port):
                    self._hold(sockets, family, address)
            except OSError as error:
                raise ConfigError(f"cannot listen on {self.host}:{self.port}: {error.strerror}") from error
            self._sockets = sockets.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sockets.close()

    def _hold(self, sockets: ExitStack, family: int, address: str) -> None:
        """Bind; a named port must be nobody's, else another gateway's callers would be dealt to both."""
        if self.port:
            with _socket(family) as trial:
                trial.bind((address, self.port))
        held = sockets.enter_context(_socket(family))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address, self.port))
        self.port = held.getsockname()[1]


def _socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _resolved(host: str, port: int) -> dict[tuple[int, str], None]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found)
