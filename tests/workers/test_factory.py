"""One factory: the kind of worker follows the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smg.core.errors import InvalidRequestError
from smg.workers.detection import UnprobedWorker
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from smg.workers.settings import PoolSettings
from tests.workers.support import build, with_defaults

if TYPE_CHECKING:
    from smg.workers.worker import Worker


@pytest.mark.parametrize(
    ("url", "mode", "kind"),
    [
        ("http://h:1", None, HttpWorker),
        ("https://h", None, HttpWorker),
        ("grpc://h:1", "grpc", GrpcWorker),
        ("grpcs://h:1", None, GrpcWorker),
        ("h:1", None, UnprobedWorker),
        ("h:1", "http", HttpWorker),
        ("h:1", "grpc", GrpcWorker),
    ],
)
def test_the_address_decides_the_kind(url: str, mode: str | None, kind: type[Worker]) -> None:
    """A bare address is probed, unless its mode is stated."""
    assert type(build(url, connection_mode=mode)) is kind


def test_a_stated_mode_must_fit_the_scheme() -> None:
    """A contradiction is refused, not resolved."""
    with pytest.raises(InvalidRequestError) as caught:
        build("http://h:1", connection_mode="grpc")

    assert caught.value.param == "connection_mode"


def test_every_worker_has_the_gateways_settings() -> None:
    """There is no worker with bare defaults."""
    defaults = with_defaults(pool=PoolSettings(max_connections=7), api_key="k")
    worker = build("http://h:1", defaults=defaults)

    assert worker.settings == defaults
