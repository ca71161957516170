from __future__ import annotations

from typing import Any

import pytest

from smg.core.request import Request, Sink, reply
from smg.core.words import WorkerId
from smg.middleware.stamp import DRAWN_IDS, FreshIds, stamp
from tests.middleware.recording import RecordingSink, StepClock, request

NAMES = ("x-request-id", "x-trace-id")


async def _echo(request: Request, sink: Sink) -> None:
    reply(sink, 200, request.id.encode(), ((b"x-other", b"kept"),))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(((b"X-Request-ID", b"abc.1:2_3-4"),), "abc.1:2_3-4", id="usable"),
        pytest.param(((b"x-trace-id", b"t"), (b"x-request-id", b"r")), "r", id="first of the list"),
        pytest.param(((b"x-request-id", b"a b"), (b"x-trace-id", b"t")), "t", id="next where unusable"),
    ],
)
async def test_id_is_adopted_from_the_first_usable_field(headers: Any, expected: Any) -> None:
    """The caller's id names the request everywhere, in the list's order of fields."""
    sink = RecordingSink()

    await stamp(_echo, id_headers=NAMES, clock=StepClock())(request(headers=headers), sink)

    assert expected.encode() == sink.body
    assert [expected.encode()] == sink.header(b"x-request-id")
    assert sink.header(b"x-other") == [b"kept"]


@pytest.mark.parametrize("value", [b"", b"a" * 129, b"a\tb", b"caf\xc3\xa9", b"<script>"])
async def test_unusable_id_is_replaced_by_a_fresh_one(value: Any) -> None:
    """What could break a header, a log line or a key never becomes an id."""
    sinks = [RecordingSink(), RecordingSink()]
    for sink in sinks:
        await stamp(_echo, id_headers=NAMES, clock=StepClock())(request(headers=((b"x-request-id", value),)), sink)

    assert all(len(sink.body) == 32 for sink in sinks)
    assert sinks[0].body != sinks[1].body


def test_every_fresh_id_is_another() -> None:
    """Across those that are drawn together, each is 32 hexadecimal digits, and another draws others."""
    ids, others = FreshIds(), FreshIds()
    drawn = [made.next() for made in (ids, others) for _ in range(3 * DRAWN_IDS)]

    assert len(set(drawn)) == 6 * DRAWN_IDS
    assert {len(one) for one in drawn} == {32}
    assert set("".join(drawn)) == set("0123456789abcdef")


async def test_head_names_the_worker_and_is_timed() -> None:
    """The routed worker's id stands on the answer, and the trail says when it began and with what status."""
    asked, sink, clock = request(), RecordingSink(), StepClock()

    async def handler(request: Request, sink: Sink) -> None:
        request.trail.worker_id = WorkerId("w7")
        clock.time = 103.5
        reply(sink, 201, b"")

    await stamp(handler, id_headers=NAMES, clock=clock)(asked, sink)

    assert sink.header(b"x-smg-routed-worker-id") == [b"w7"]
    assert (asked.trail.status, asked.trail.first_byte_at) == (201, 103.5)
