"""What holds in every test: it tries what is written, blocks no event loop, and sees no secrets of the environment."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from grpc.aio import init_grpc_aio, shutdown_grpc_aio
from hypothesis import settings

from scripts.compile import stale

if TYPE_CHECKING:
    from collections.abc import Iterator

if edited := stale():
    pytest.exit(f"edited since it was compiled: {', '.join(edited)}; run `make setup` or `make plain`", returncode=2)

settings.register_profile("local", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("local")


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Fail a test in which code of the gateway blocks the event loop."""
    with blockbuster_ctx("smg", excluded_modules=["smg.stubs"]):
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own proxy and gateway settings out of the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("SMG_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heeded() -> Iterator[None]:
    """Let processes that tests start heed Ctrl-C: a run in the background ignores it, and would hand that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _grpc_stays_up() -> Iterator[None]:
    """Keep grpc's poller for the whole run: it is torn down with the last channel, and leaves a socket behind."""
    init_grpc_aio()
    yield
    shutdown_grpc_aio()
