"""A worker that speaks HTTP: its own sessions, its own pool, and its requests over nothing else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from typing_extensions import override

from smg.core.errors import Retry, UpstreamConnectError, UpstreamError, UpstreamUnavailableError
from smg.core.words import ConnectionMode, Runtime
from smg.wire.splice import set_field
from smg.workers.exchange import Exchange
from smg.workers.http_answer import Outgoing, Reach
from smg.workers.http_facts import discover_facts, model_words, read_loads, read_object, server_words
from smg.workers.http_pool import control_pool, data_pool
from smg.workers.tls import ssl_context
from smg.workers.transport import Transport
from smg.workers.watch import Watch, within
from smg.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.generation import RankLoad
    from smg.core.request import RawHeaders
    from smg.workers.http_answer import HttpAnswer
    from smg.workers.http_pool import Pool

CONTROL_BODY_BYTES: Final = 4 * 1024 * 1024
FLUSH_SECS: Final = 45.0
SERVER_INFO: Final = ("/server_info", "/get_server_info")
MODEL_INFO: Final = ("/model_info", "/get_model_info")
MISSING: Final = frozenset({404, 405, 501})


class HttpWorker(Worker):
    """An engine behind HTTP or HTTPS."""

    connection_mode: ClassVar[ConnectionMode | None] = ConnectionMode.HTTP
    _data: Transport[Pool] | None = None
    _control: Transport[Pool] | None = None

    @override
    async def start(self) -> None:
        if self._data is not None:
            return
        context = await asyncio.to_thread(ssl_context, self.settings.tls) if self.address.secure else None
        reach = Reach(self.id, self.base_url, self.settings, context)
        self._data = self._transport(partial(data_pool, reach))
        self._control = self._transport(partial(control_pool, reach))

    def _transport(self, make: Callable[[], Pool]) -> Transport[Pool]:
        return Transport(make, drain_secs=self.settings.health.drain_secs, observer=self._observer)

    @override
    def renew(self) -> None:
        if self._data is not None:
            self._data.renew()

    @override
    async def aclose(self) -> None:
        self.alarms.close()
        for transport in (self._data, self._control):
            if transport is not None:
                await transport.aclose()
        self._data = self._control = None  # only now: a closer that is cancelled leaves the rest to the next one

    def exchange(
        self,
        method: str,
        path: str,
        headers: RawHeaders,
        body: bytes | None,
        *,
        own: RawHeaders = (),
        watch: Watch | None = None,
    ) -> Exchange:
        """Return the exchange of exactly one request to ``path`` (with its query).

        ``headers`` are remembered as they stand on the wire; ``own`` are those that no other request will have.
        ``watch`` ends it when a clock runs out; without one the worker's own clocks for a plain answer hold.

        Raises:
            UpstreamConnectError: The worker is not started, or is closed.
        """
        watch = watch or Watch(self.id, self.settings.timeouts, self.alarms, stream=False)
        return self._exchange(self._data, Outgoing(method, path, headers, body, own=own), watch)

    def prepare(self, own: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes]:
        """Put the data-parallel rank into a request the way this engine reads it; without a rank nothing changes."""
        if self.rank is None:
            return own, body
        if self.runtime is Runtime.VLLM:
            return (*own, (b"X-data-parallel-rank", b"%d" % self.rank)), body
        return own, set_field(body, "data_parallel_rank", b"%d" % self.rank)

    @override
    async def check_health(self) -> None:
        beyond = (
            500 if self.runtime is Runtime.EXTERNAL else 300
        )  # a provider has no health endpoint; it answers or not
        async with self._ask("GET", self.settings.health.endpoint) as answer:
            if not 200 <= answer.status < beyond:  # noqa: PLR2004
                raise UpstreamUnavailableError(
                    self.id, f"the health endpoint answered {answer.status}", retry=Retry.SAFE
                )

    @override
    async def discover(self) -> None:
        if self.runtime is Runtime.EXTERNAL:
            return
        found = await discover_facts(self)
        self.facts, self.detected = found.facts, found.runtime
        self.models = self.spec.models or found.models

    @override
    async def abort(self, request_id: str) -> None:
        """Do nothing: an HTTP engine stops when the connection closes."""

    @override
    async def flush_cache(self) -> None:
        path = "/reset_prefix_cache" if self.runtime is Runtime.VLLM else "/flush_cache"
        async with self._ask("POST", path, FLUSH_SECS) as answer:
            self._require_ok(answer)

    @override
    async def loads(self) -> list[RankLoad]:
        return await read_loads(self)

    @override
    async def server_info(self) -> dict[str, Any]:
        return await self._first(SERVER_INFO) or server_words(self.facts)

    @override
    async def model_info(self) -> dict[str, Any]:
        return await self._first(MODEL_INFO) or model_words(self.facts)

    @override
    async def health_generate(self) -> None:
        async with self._ask("GET", "/health_generate", FLUSH_SECS) as answer:
            if answer.status not in MISSING:
                self._require_ok(answer)
                return
        model = next((card.id for card in self.models), None)
        body = msgspec.json.encode({"model": model, "prompt": "a", "max_tokens": 1})
        async with self._ask("POST", "/v1/completions", FLUSH_SECS, body) as answer:
            self._require_ok(answer)

    async def ask(self, path: str) -> bytes | None:
        """GET ``path`` over the control session; None where the engine has no such path; raises UpstreamError."""
        async with self._ask("GET", path) as answer:
            if answer.status in MISSING:
                return None
            self._require_ok(answer)
            return await answer.read(CONTROL_BODY_BYTES)

    async def ask_object(self, path: str) -> dict[str, Any] | None:
        """GET ``path`` as one JSON object; None where there is no such path; raises UpstreamError."""
        body = await self.ask(path)
        return None if body is None else read_object(self.id, body)

    async def _first(self, paths: Sequence[str]) -> dict[str, Any]:
        """Return the first object there is; an empty one if the engine has none of these paths."""
        for path in paths:
            if (found := await self.ask_object(path)) is not None:
                return found
        return {}

    def _ask(self, method: str, path: str, secs: float | None = None, body: bytes | None = None) -> Exchange:
        key = self.settings.api_key
        headers: RawHeaders = () if key is None else ((b"Authorization", b"Bearer " + key.encode()),)
        headers += () if body is None else ((b"Content-Type", b"application/json"),)
        total = self.settings.health.timeout_secs if secs is None else secs
        watch = Watch(self.id, within(self.settings.timeouts, total), self.alarms, stream=False)
        return self._exchange(self._control, Outgoing(method, path, headers, body), watch)

    def _exchange(self, transport: Transport[Pool] | None, outgoing: Outgoing, watch: Watch) -> Exchange:
        if transport is None:
            raise UpstreamConnectError(self.id, "the worker is not started", retry=Retry.SAFE)
        return Exchange(transport.line, outgoing, watch)

    def _require_ok(self, answer: HttpAnswer) -> None:
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            raise UpstreamError(self.id, f"the worker answered {answer.status}", retry=Retry.NEVER)
