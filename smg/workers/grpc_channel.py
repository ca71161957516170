"""How the channels of one gRPC worker are made; nothing else in the gateway makes one.

Why these options: without a local subchannel pool, channels to one target share one connection, which ties ranks,
health and isolation together. ``min_reconnect_backoff_ms`` is, in spite of its name, the time one connection attempt
may take. Pings find a frozen engine while calls run on the connection, within 10 s by
default; without calls none are sent, and grpc's own limit of pings without data (two, then one a minute) stays
in force, since a server answers too many of them with GOAWAY. Engines of this field allow a ping per 10 s and forgive
two, which that limit never exceeds; a server with grpc's own defaults gives up a connection that was silent in both
directions for 70 s, after which grpc pings half as often. For such an engine ``keepalive_secs`` can be raised to 300.
A stream's window is fixed: left to itself grpc measures how fast the connection is and opens windows of megabytes, all
of which the engine may fill for a caller who takes nothing (docs/adr/0009-grpc-connections.md has what that costs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from typing_extensions import override

from smg.workers.grpc_errors import status_of
from smg.workers.grpc_threads import unhurried_threads
from smg.workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.clock import Clock
    from smg.core.observers import Observer
    from smg.workers.address import Address
    from smg.workers.settings import WorkerDefaults
    from smg.workers.transport import Line

MAX_SENT_BYTES: Final = 64 * 1024 * 1024
STREAM_WINDOW_BYTES: Final = 256 * 1024
NEVER_MS: Final = 2**31 - 1
KEEPALIVE_TIMEOUT_MS: Final = 4_000
MAX_BACKOFF_MS: Final = 2_000
INITIAL_BACKOFF_MS: Final = 500
RENEW_AFTER: Final = 3
"""Calls in a row: one may be of a connection that broke, a second of the try to make it again."""
RENEW_EVERY_SECS: Final = 5.0
"""As soon as a worker that is back has to serve; until then the channel may well get over it by itself."""


def open_channel(
    address: Address, settings: WorkerDefaults, credentials: grpc.ChannelCredentials | None
) -> grpc.aio.Channel:
    """Return a channel to ``address`` that connects with its first call; needs a running loop."""
    options = channel_options(settings)
    with unhurried_threads():  # the first channel makes grpc's threads
        if credentials is None:
            return grpc.aio.insecure_channel(address.target, options=options)
        return grpc.aio.secure_channel(address.target, credentials, options=options)


class ChannelTransport(Transport["grpc.aio.Channel"]):
    """A gRPC worker's channel, made anew when it seems stuck.

    A channel that finds nobody goes on trying by itself, but what it was told of the address, and how long it waits,
    it keeps. So a few calls in a row that end as UNAVAILABLE, whoever says so, have it replaced; one that ends in any
    other way shows that the channel leads to an engine, and one that runs, that it is connected: pings see to that.
    """

    def __init__(
        self, make: Callable[[], grpc.aio.Channel], *, clock: Clock, drain_secs: float, observer: Observer
    ) -> None:
        super().__init__(make, drain_secs=drain_secs, observer=observer)
        self._clock = clock
        self._unavailable = 0
        self._renewed_at = clock.now()

    @override
    def ended(self, line: Line[grpc.aio.Channel], error: BaseException | None) -> None:
        status = status_of(error)
        if line is not self.line or status is None:
            return
        self._unavailable = self._unavailable + 1 if status is grpc.StatusCode.UNAVAILABLE else 0
        if self._unavailable >= RENEW_AFTER and not line.used and self._due():
            self.renew()

    def _due(self) -> bool:
        return self._clock.now() - self._renewed_at >= RENEW_EVERY_SECS

    @override
    def renew(self) -> None:
        self._unavailable, self._renewed_at = 0, self._clock.now()
        super().renew()


def channel_options(settings: WorkerDefaults) -> Sequence[tuple[str, str | int]]:
    """Return the options of every channel of a worker."""
    options: list[tuple[str, str | int]] = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", MAX_SENT_BYTES),
        ("grpc.max_receive_message_length", settings.pool.max_message_bytes),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", STREAM_WINDOW_BYTES),
        ("grpc.http2.max_frame_size", STREAM_WINDOW_BYTES),  # 16 KiB otherwise, which makes large messages slow
        ("grpc.keepalive_time_ms", round(settings.pool.keepalive_secs * 1000) or NEVER_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # else a ping of grpc's own hides ours for 60 s
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.initial_reconnect_backoff_ms", INITIAL_BACKOFF_MS),
        ("grpc.max_reconnect_backoff_ms", MAX_BACKOFF_MS),
        ("grpc.min_reconnect_backoff_ms", round(settings.timeouts.connect_secs * 1000)),
        ("grpc.enable_retries", 0),  # a retry is ours to decide
        ("grpc.enable_http_proxy", int(settings.proxy.trust_env or settings.proxy.url is not None)),
    ]
    if settings.proxy.url is not None:
        options.append(("grpc.http_proxy", settings.proxy.url))
    if settings.tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", settings.tls.server_name))
    return options
