"""Engines that are started once, when the first test asks for them, and shared by all."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest_asyncio

from tests.engines.programs import engine


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engines():
    """Return a function that gives the URL of an engine by its kind."""
    urls: dict[str, str] = {}
    async with AsyncExitStack() as running:

        async def url(kind: str) -> str:
            if kind not in urls:
                urls[kind] = await running.enter_async_context(engine(kind))
            return urls[kind]

        yield url
