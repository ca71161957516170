"""Shared fixtures."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from grpc.aio import init_grpc_aio, shutdown_grpc_aio

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _grpc_stays_up() -> Iterator[None]:
    """Keep grpc's poller for the whole run: it is torn down with the last channel, and leaves a socket behind."""
    init_grpc_aio()
    yield
    shutdown_grpc_aio()


@pytest.fixture
def unused_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
