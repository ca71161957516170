"""What a request has held goes with it: in circles it would wait for the collector of cycles, megabytes and all."""

from __future__ import annotations

import gc

import pytest

from smg.core.request import InferenceRequest
from tests.faults.back import grpc_words
from tests.faults.back.book import until
from tests.faults.back.facing import facing, good
from tests.faults.back.steps import Reset, Status

LONG = {"http": 200, "grpc": 400}
"""How long a prompt may be an HTTP worker judges itself, and this one takes any."""
FAILS = {"http": (Reset(),), "grpc": (Status(grpc_words.INTERNAL),)}


@pytest.fixture
def uncollected():
    """Leave cycles as they are."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> list[InferenceRequest]:
    """Return the requests that something still knows of."""
    return [each for each in gc.get_objects() if isinstance(each, InferenceRequest)]


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("mode", ["http", "grpc"])
@pytest.mark.parametrize(
    ("fails", "more", "status"),
    [
        pytest.param(False, {}, 200, id="served"),
        pytest.param(False, {"max_tokens": -1}, 400, id="refused"),
        pytest.param(False, {"messages": [{"role": "user", "content": "word " * 20_000}]}, None, id="long"),
        pytest.param(True, {}, 502, id="failed"),
    ],
)
async def test_nothing_of_a_request_stays(mode, stream, fails, more, status):
    """Neither where it is served, nor refused, at once or by its length, nor where every worker has failed it."""
    script = FAILS[mode] if fails else good(mode, stream=stream)
    async with facing(mode, script) as scene:
        answer = await scene.ask(stream=stream, **more)
        assert answer.status == (status or LONG[mode])
        await until(lambda: not held())
