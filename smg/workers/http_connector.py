"""A connector that tells whether an exchange made its connection or found it in the pool.

Engines close idle connections when they like, so a kept one may break under the first request over it. That says
nothing of the engine, and the request may go again over a fresh one.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp
from typing_extensions import override

from smg.core.errors import Retry, StaleConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.client import ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

    from smg.core.words import WorkerId

_made: ContextVar[list[bool] | None] = ContextVar("made", default=None)


class TellingConnector(aiohttp.TCPConnector):
    """Notes each connection it makes for the exchange that runs."""

    @override
    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        if (made := _made.get()) is not None:
            made.append(True)
        return await super()._create_connection(req, traces, timeout)


@contextmanager
def stale_errors(worker_id: WorkerId) -> Iterator[None]:
    """Raise a ``StaleConnectionError`` where a kept connection breaks in the block before the answer began."""
    made: list[bool] = []
    token = _made.set(made)
    try:
        yield
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if made:
            raise
        message = "the worker had closed the connection"
        raise StaleConnectionError(worker_id, message, retry=Retry.IF_IDEMPOTENT) from error
    finally:
        _made.reset(token)
