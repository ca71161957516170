"""A worker that speaks gRPC: its own channels and one dialect, and its calls over nothing else."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from smg.core.errors import (
    Retry,
    UnsupportedEndpointError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamUnavailableError,
)
from smg.core.tasks import Tasks
from smg.core.words import ConnectionMode, Runtime
from smg.wire.engines.standard_health import CHECK, check_request, serving
from smg.wire.engines.table import DIALECTS, by_service_order
from smg.wire.engines.telling import as_dict
from smg.workers.grpc_calls import stream, unary
from smg.workers.grpc_channel import ChannelTransport, open_channel
from smg.workers.grpc_generation import GrpcGeneration, OutgoingCall
from smg.workers.grpc_verdicts import UnknownCallError
from smg.workers.spec import ModelCard
from smg.workers.tls import channel_credentials
from smg.workers.watch import Watch
from smg.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc.aio
    from google.protobuf.message import Message

    from smg.core.generation import Embedding, Generation, RankLoad
    from smg.wire.engines.dialect import Dialect, Method
    from smg.workers.birth import Birth
    from smg.workers.transport import Line

ABORT_SECS: Final = 5.0
CLOSE_SECS: Final = 1.0  # for aborts still under way when the worker closes
BUNDLE_SECS: Final = 120.0
FLUSH_SECS: Final = 45.0
MAX_BUNDLE_BYTES: Final = 256 * 1024 * 1024


class GrpcWorker(Worker):
    """An engine behind gRPC.

    Attributes:
        dialect: Its protocol; None until the runtime is specified or detected.
    """

    connection_mode: ClassVar[ConnectionMode | None] = ConnectionMode.GRPC
    _data: ChannelTransport | None = None
    _control: ChannelTransport | None = None

    def __init__(self, birth: Birth) -> None:
        super().__init__(birth)
        self._aborts = Tasks(birth.observer)
        self._pending: set[asyncio.Task[None]] = set()
        self._leaving: list[str] = []

    @property
    def dialect(self) -> Dialect:
        """Its protocol; raises UpstreamConnectError while that is unknown."""
        dialect = DIALECTS.get(self.runtime)
        if dialect is None:
            raise UpstreamConnectError(self.id, "the worker's protocol is not yet known", retry=Retry.SAFE)
        return dialect

    @property
    def understood(self) -> bool:
        """Whether its protocol is known."""
        return self.runtime in DIALECTS

    @override
    def adopt(self, old: Worker) -> None:
        """As any worker; a runtime that is no longer specified counts as detected, and none leaves it pending."""
        pending = self.life
        super().adopt(old)
        if self.detected is Runtime.UNSPECIFIED and isinstance(old, GrpcWorker) and old.understood:
            self.detected = old.runtime
        if not self.understood:
            self.life = pending

    @override
    async def start(self) -> None:
        if self._data is not None:
            return
        tls = self.settings.tls
        credentials = await asyncio.to_thread(channel_credentials, tls) if self.address.secure else None
        make = partial(open_channel, self.address, self.settings, credentials)
        self._data, self._control = self._transport(make), self._transport(make)

    def _transport(self, make: Callable[[], grpc.aio.Channel]) -> ChannelTransport:
        drain_secs = self.settings.health.drain_secs
        return ChannelTransport(make, clock=self._clock, drain_secs=drain_secs, observer=self._observer)

    @override
    def renew(self) -> None:
        if self._data is not None:
            self._data.renew()

    @override
    async def aclose(self) -> None:
        self.alarms.close()
        if self._data is not None:
            await self._data.aclose()
        if self._pending:
            await asyncio.wait(self._pending, timeout=CLOSE_SECS)
        await self._aborts.aclose()
        if self._control is not None:
            await self._control.aclose()
        self._data = self._control = None  # only now: a closer that is cancelled leaves the rest to the next one

    def generate(self, generation: Generation, watch: Watch | None = None) -> GrpcGeneration:
        """Return the exchange of one generation.

        ``watch`` ends it when a clock runs out; without one the worker's own clocks hold.

        Raises:
            UpstreamConnectError: The worker is not started, or is closed.
            DownstreamError: The engine's protocol cannot say what is asked for.
        """
        dialect = self.dialect
        request = dialect.generate_request(generation)
        outgoing = OutgoingCall(generation, dialect, request, self._metadata(generation.request_id))
        watch = watch or Watch(self.id, self.settings.timeouts, self.alarms, stream=generation.stream)
        return GrpcGeneration(self.id, self._line(self._data), outgoing, watch, self._abort_later)

    async def embed(
        self, request_id: str, prompt_ids: list[int], prompt_text: str, watch: Watch | None = None
    ) -> Embedding:
        """Return the vector of one input; watched and raising as ``generate``, or UnsupportedEndpointError."""
        dialect = self.dialect
        request = dialect.embed_request(request_id, prompt_ids, prompt_text, self.rank)
        if dialect.embed is None:
            raise UnsupportedEndpointError(f"the {self.runtime.value} engine serves no embeddings")
        metadata = self._metadata(request_id)
        with (
            self._line(self._data) as channel,
            watch or Watch(self.id, self.settings.timeouts, self.alarms, stream=False) as clocks,
        ):
            clocks.sent()
            answer = await unary(self.id, channel, dialect.embed, request, metadata=metadata, dialect=dialect)
        return dialect.embedding(answer)

    async def tokenizer_bundle(self) -> tuple[bytes, str]:
        """Return the engine's tokenizer files as an archive, and their SHA-256 as the engine tells it (may be empty).

        Raises:
            UpstreamError: The engine has none, breaks off, or sends more than 256 MiB.
        """
        data, digest = bytearray(), ""
        with self._line(self._control) as channel:
            method, metadata = self.dialect.tokenizer, self._metadata()
            chunks = stream(self.id, channel, method, metadata=metadata, deadline_secs=BUNDLE_SECS)
            async with aclosing(chunks):
                async for chunk in chunks:
                    data += chunk.data
                    digest = chunk.sha256 or digest
                    if len(data) > MAX_BUNDLE_BYTES:
                        raise UpstreamError(self.id, "the worker's tokenizer is too large", retry=Retry.NEVER)
        return bytes(data), digest

    @override
    async def check_health(self) -> None:
        if not await self._well(await self._known()):
            raise UpstreamUnavailableError(self.id, "the engine says it is not well", retry=Retry.SAFE)

    async def _well(self, dialect: Dialect) -> bool:
        """Ask by the engine's own call, or by gRPC's where the server does not have that one.

        One that is well by neither may have become another kind of engine, which is detected anew.
        """
        secs = self.settings.health.timeout_secs
        try:
            return dialect.healthy(await self._ask(dialect.health, dialect.health.request(), secs))
        except UnknownCallError:
            well = False
            try:
                well = serving(await self._ask(CHECK, check_request(dialect), secs))
            finally:
                self.detected = self.detected if well else Runtime.UNSPECIFIED
            return well

    @override
    async def discover(self) -> None:
        dialect = await self._known()
        if self.rank is not None and not dialect.reach.ranks:
            reason = f"the {self.runtime.value} engine takes no rank: register it without @{self.rank}"
            raise UpstreamError(self.id, reason, retry=Retry.NEVER)
        secs = self.settings.health.timeout_secs
        model = await self._ask(dialect.model_info, dialect.model_info.request(), secs)
        server = await self._ask(dialect.server_info, dialect.server_info.request(), secs)
        self.facts = dialect.facts(model, server)
        self.models = self.spec.models or tuple(
            ModelCard(id=name, context_length=self.facts.context_length) for name in self.facts.served_names if name
        )

    @override
    async def abort(self, request_id: str) -> None:
        for request in self.dialect.abort_requests([request_id]):
            await self._ask(self.dialect.abort, request, ABORT_SECS)

    @override
    async def flush_cache(self) -> None:
        method = self._offered(self.dialect.flush_cache)
        await self._ask(method, method.request(), FLUSH_SECS)

    @override
    async def loads(self) -> list[RankLoad]:
        method = self._offered(self.dialect.loads)
        answer = await self._ask(method, self.dialect.loads_request(), self.settings.health.timeout_secs)
        return self.dialect.ranks(answer)

    @override
    async def server_info(self) -> dict[str, Any]:
        return await self._told(self.dialect.server_info)

    @override
    async def model_info(self) -> dict[str, Any]:
        return await self._told(self.dialect.model_info)

    @override
    async def health_generate(self) -> None:
        await self.check_health()

    async def _known(self) -> Dialect:
        """Return its protocol; found, where nobody has said it, as the first whose health call the engine knows."""
        if self.runtime is not Runtime.UNSPECIFIED:
            return self.dialect
        for dialect in by_service_order():
            try:
                await self._ask(dialect.health, dialect.health.request(), self.settings.health.timeout_secs)
            except UnknownCallError:
                continue
            self.detected = dialect.runtime
            return dialect
        raise UpstreamError(self.id, "the worker speaks none of the known protocols", retry=Retry.SAFE)

    async def _told(self, method: Method) -> dict[str, Any]:
        return as_dict(await self._ask(method, method.request(), self.settings.health.timeout_secs))

    def _abort_later(self, request_id: str) -> None:
        """Tell the engine in the background, of all who leave in one turn of the loop together.

        Whoever leaves must not wait for it.
        """
        self._leaving.append(request_id)
        if len(self._leaving) > 1:
            return
        task = self._aborts.spawn("abort", self._abort_leaving())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _abort_leaving(self) -> None:
        leaving, self._leaving = self._leaving, []
        with suppress(UpstreamConnectError):  # whoever began them is gone, and who is there now is not yet known
            await asyncio.gather(*map(self._abort_quietly, self.dialect.abort_requests(leaving)))

    async def _abort_quietly(self, request: Message) -> None:
        with suppress(UpstreamError):  # an engine that cannot be told has most likely nothing left to stop
            await self._ask(self.dialect.abort, request, ABORT_SECS)

    async def _ask(self, method: Method, request: Message, deadline_secs: float) -> Any:
        with self._line(self._control) as channel:
            return await unary(
                self.id, channel, method, request, metadata=self._metadata(), deadline_secs=deadline_secs
            )

    def _offered(self, method: Method | None) -> Method:
        if method is None:
            raise UpstreamError(self.id, f"the {self.runtime.value} engine does not offer this", retry=Retry.NEVER)
        return method

    def _metadata(self, request_id: str | None = None) -> tuple[tuple[str, str], ...]:
        key = self.settings.api_key
        pairs = (("authorization", None if key is None else f"Bearer {key}"), ("x-request-id", request_id))
        return tuple((name, value) for name, value in pairs if value is not None)

    def _line(self, transport: ChannelTransport | None) -> Line[grpc.aio.Channel]:
        if transport is None:
            raise UpstreamConnectError(self.id, "the worker is not started", retry=Retry.SAFE)
        return transport.line
