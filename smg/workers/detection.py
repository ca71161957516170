"""A worker whose mode is not yet known: a bare ``host:port`` that is probed until it answers as one or the other."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from smg.core.errors import Retry, UpstreamConnectError, UpstreamError
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from smg.workers.worker import Worker

if TYPE_CHECKING:
    from smg.core.generation import RankLoad
    from smg.core.words import ConnectionMode
    from smg.workers.address import Address
    from smg.workers.birth import Birth


class UnprobedWorker(Worker):
    """Stands for an engine until it is known how to reach it; never ready, so never given a request.

    Attributes:
        resolved: Its address with the scheme it answered to; None until then.
    """

    connection_mode: ClassVar[ConnectionMode | None] = None

    def __init__(self, birth: Birth) -> None:
        super().__init__(birth)
        self._birth = birth
        self._closed = True
        self.resolved: Address | None = None

    @override
    async def start(self) -> None:
        self._closed = False

    @override
    def renew(self) -> None:
        """Do nothing: there is no transport yet."""

    @override
    async def aclose(self) -> None:
        self._closed = True

    @override
    async def check_health(self) -> None:
        """Try HTTP, then gRPC."""
        if self._closed:
            raise self._not_yet()
        if not await self._answers(HttpWorker, "http") and not await self._answers(GrpcWorker, "grpc"):
            raise UpstreamConnectError(self.id, "answers neither as HTTP nor as gRPC engine", retry=Retry.SAFE)

    async def _answers(self, kind: type[HttpWorker | GrpcWorker], scheme: str) -> bool:
        address = replace(self.address, scheme=scheme)
        worker = kind(replace(self._birth, address=address))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(worker.aclose)
            await worker.start()
            try:
                await worker.check_health()
            except UpstreamError:
                if not isinstance(worker, HttpWorker) or not await _speaks_http(worker):
                    return False
        self.resolved = address
        return True

    @override
    async def discover(self) -> None:
        raise self._not_yet()

    @override
    async def abort(self, request_id: str) -> None:
        raise self._not_yet()

    @override
    async def flush_cache(self) -> None:
        raise self._not_yet()

    @override
    async def loads(self) -> list[RankLoad]:
        raise self._not_yet()

    @override
    async def server_info(self) -> dict[str, Any]:
        raise self._not_yet()

    @override
    async def model_info(self) -> dict[str, Any]:
        raise self._not_yet()

    @override
    async def health_generate(self) -> None:
        raise self._not_yet()

    def _not_yet(self) -> UpstreamConnectError:
        return UpstreamConnectError(self.id, "the worker's connection mode is not yet known", retry=Retry.SAFE)


async def _speaks_http(worker: HttpWorker) -> bool:
    """Whether an engine without a health endpoint lists models over HTTP all the same."""
    try:
        return await worker.ask("/v1/models") is not None
    except UpstreamError:
        return False
