"""One HTTP/2 connection of a scripted gRPC engine.

``h2`` keeps the state of the connection (settings, header tables, windows); what it would refuse to send, since no
honest server sends it, is put on the wire beside it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    PingReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from tests.faults.back.grpc_call import Call

if TYPE_CHECKING:
    import asyncio

    from h2.events import Event

    from tests.faults.back.grpc_backend import GrpcBackend

CANCEL = 8


class Connection:
    """One HTTP/2 connection and the calls on it."""

    def __init__(
        self, backend: GrpcBackend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.backend, self.reader, self.writer, self.number = backend, reader, writer, number
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.calls: dict[int, Call] = {}
        self.blocked: set[Call] = set()
        self._highest = 0

    async def serve(self) -> None:
        """Read until the gateway leaves."""
        if self.backend.opening is not None:
            self.writer.write(self.backend.opening)
            await self.writer.drain()
            return
        told = {SettingCodes.MAX_CONCURRENT_STREAMS: self.backend.max_streams}
        self.h2.local_settings = Settings(client=False, initial_values=told)
        self.h2.initiate_connection()
        self.flush()
        while data := await self.reader.read(1 << 16):
            await self.backend.thawed.wait()
            for event in self.h2.receive_data(data):
                self._take(event)
            self.flush()

    def flush(self) -> None:
        """Send what h2 has to say; a frozen engine says nothing."""
        if not self.writer.is_closing():
            self.writer.write(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        """Send bytes h2 knows nothing of."""
        self.flush()
        if not self.writer.is_closing():
            self.writer.write(data)

    def goaway(self, code: int, last: int | None, debug: bytes) -> None:
        """Send GOAWAY and go on as if nothing was."""
        highest = self._highest if last is None else last
        self.raw(GoAwayFrame(0, last_stream_id=highest, error_code=code, additional_data=debug).serialize())

    def end(self) -> None:
        """End every call: the connection has gone."""
        for call in self.calls.values():
            call.leave("left")

    def _widen(self) -> None:
        for call in tuple(self.blocked):
            call.widen()

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=number, headers=headers):
                self._highest = max(self._highest, number or 0)
                fields = {str(name): str(value) for name, value in headers or ()}
                self.calls[number or 0] = Call(self, number or 0, fields)
            case DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                self.calls[number or 0].received += data or b""
                self.h2.acknowledge_received_data(length or 0, number or 0)
            case StreamEnded(stream_id=number):
                self.calls[number or 0].start()
            case StreamReset(stream_id=number, error_code=code):
                if (call := self.calls.get(number or 0)) is not None:
                    call.leave("cancelled" if code == CANCEL else "left")
            case PingReceived():
                self.backend.pings.append((self.number, time.monotonic()))
            case WindowUpdated() | SettingsAcknowledged():
                self._widen()
            case _:
                pass
