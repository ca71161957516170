"""Shared fixtures."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def unused_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
