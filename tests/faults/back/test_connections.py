"""G01, G02, G08, G10-G12: what happens to a gRPC worker's connection, and to the calls on it."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import pytest
from h2.errors import ErrorCodes

from tests.faults import profile
from tests.faults.back.asking import Answer, request
from tests.faults.back.book import until
from tests.faults.back.facing import at_once, facing, good
from tests.faults.back.grpc_words import THREE, last
from tests.faults.back.http_words import head
from tests.faults.back.steps import Close, Gate, GoAway, ResetStream, Send, Silence, Status, Wait
from tests.faults.back.verdicts import refused, whole
from tests.faults.report import figure

TONGUES = {
    "G01-random": bytes(range(256)),
    "G01-http1": head("Content-Length: 0", status=400),
    "G01-tls": b"\x15\x03\x01\x00\x02\x02\x46",
}
STREAMS = 50
PATIENT = dict.fromkeys(("first_byte_secs", "first_token_secs", "between_chunks_secs", "total_secs"), 60)


def gated(event: asyncio.Event):
    """Return the script of a stream that stops after its first word."""
    return (THREE[0], Gate(event), *THREE[1:], last(stream=True), Status(0, ""))


@pytest.mark.parametrize("opening", TONGUES.values(), ids=TONGUES)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_another_tongue(opening, stream):
    """What is no gRPC is told as a broken worker within 1.5 s; once it is gRPC again it serves within 2 s."""
    async with facing("grpc", good("grpc", stream=stream), workers=1) as scene:
        backend = scene.backends[0]
        backend.opening = opening
        backend.cut()
        answer = await scene.ask("first", stream=stream)
        refused(answer, 502)
        assert answer.json["error"]["code"] == "upstream_failed"
        assert answer.secs <= 1.5
        backend.opening = None
        begun = time.monotonic()
        while (answer := await scene.ask("again", stream=stream)).status != 200:
            assert time.monotonic() - begun < 2 + profile.SLACK_SECS
            await asyncio.sleep(0.1)
        whole(answer, stream=stream)


@pytest.mark.parametrize(("code", "debug"), [(0, b""), (11, b"too_many_pings")], ids=["G02-no-error", "G08-pings"])
async def test_going_away(code, debug):
    """A worker that says it goes away finishes what runs; what comes meanwhile goes over a new connection."""
    go_on = asyncio.Event()
    async with facing("grpc", gated(go_on), workers=1) as scene:
        backend = scene.backends[0]
        running = asyncio.gather(*[scene.ask(f"old{number}", stream=True) for number in range(STREAMS)])
        await until(lambda: len(scene.book.attempts) == STREAMS)
        backend.script = good("grpc", stream=True)
        backend.goaway(code, debug=debug)
        for answer in await at_once(scene, 10, stream=True, prefix="new"):
            whole(answer, stream=True)
        go_on.set()
        for answer in await running:
            whole(answer, stream=True)
        old = {attempt.connection for attempt in scene.book.attempts[:STREAMS]}
        served = {attempt.request_id: attempt.connection for attempt in scene.book.attempts[STREAMS:]}
        assert (len(served), old & {*served.values()}) == (10, set())  # one that crossed the GOAWAY was asked before
        await scene.clean()


PING_SECS = 1.2
"""Silence until a ping; grpc itself sends none within a second of another."""

SEVERE = re.compile("[EWF][0-9]{4} ")
"""How a line begins that grpc writes of something worse than information."""


async def pinged_twice(scene, name: str) -> tuple[int, float]:
    """Ask, be told nothing, leave at the second ping; return the connection's number and the time between both.

    The connection is the last that was asked on: one that is going away may be asked once more, and leaves that out.
    """

    def pings() -> list[float]:
        asked = scene.book.of(name)
        return [at for number, at in scene.backends[0].pings if asked and number == asked[-1].connection]

    scene.backends[0].pings.clear()
    running = asyncio.get_running_loop().create_task(scene.ask(name, stream=True))
    await until(lambda: len(pings()) > 1, 20)
    running.cancel()
    await asyncio.wait([running])
    await scene.clean()
    first, second = pings()[:2]
    return scene.book.of(name)[-1].connection, second - first


async def test_g08_fewer_pings_are_sent(caplog, capfd):
    """A worker that is pinged too often is pinged half as often from then on and serves on; one line tells of it."""
    often = {"pool": {"keepalive_secs": PING_SECS}, "timeouts": PATIENT}
    async with facing("grpc", (Silence(),), workers=1, worker_defaults=often) as scene:
        connection, before_secs = await pinged_twice(scene, "before")
        scene.backends[0].goaway(ErrorCodes.ENHANCE_YOUR_CALM, debug=b"too_many_pings", only=connection)
        another, after_secs = await pinged_twice(scene, "after")
        scene.backends[0].script = good("grpc", stream=True)
        whole(await scene.ask("last", stream=True), stream=True)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    warnings += [line for line in capfd.readouterr().err.splitlines() if SEVERE.match(line)]
    assert another != connection
    between = 1.5 * PING_SECS  # as far from a ping each time as from one every other time: a machine may pause
    assert PING_SECS * 0.9 <= before_secs <= profile.at_most(between)
    assert after_secs >= between
    assert len(warnings) <= 1


@pytest.mark.parametrize(
    "act",
    [
        (ResetStream(ErrorCodes.REFUSED_STREAM),),
        (GoAway(0, last=0), Wait(0.02), Close()),
        (GoAway(ErrorCodes.ENHANCE_YOUR_CALM, last=0), Wait(0.02), Close()),
    ],
    ids=["G03-refused-stream", "G03-goaway-below", "G08-pings-below"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_left_out(act, stream):
    """What the only worker left out it gets again at once; this costs neither budget nor trust."""
    strict: dict[str, Any] = {
        "retry_budget": {"ratio": 0.0, "floor": 0},
        "worker_defaults": {"breaker": {"failure_threshold": 1}},
    }
    async with facing("grpc", act, good("grpc", stream=stream), workers=1, **strict) as scene:
        whole(await scene.ask(stream=stream), stream=stream)
        assert len(scene.book.attempts) == 2


async def test_g10_frozen_and_thawed(record_property):
    """A frozen worker's calls end by their clocks; once it thaws it serves within 5 s."""
    async with facing("grpc", (THREE[0], Silence()), workers=1) as scene:
        backend = scene.backends[0]
        running = asyncio.gather(*[scene.ask(f"old{number}", stream=True) for number in range(5)])
        await until(lambda: len(scene.book.attempts) == 5)
        backend.thawed.clear()
        assert all(len(answer.errors) == 1 for answer in await asyncio.wait_for(running, profile.secs(20)))
        backend.script = good("grpc", stream=True)
        backend.thawed.set()
        begun = time.monotonic()
        while (answer := await scene.ask("again", stream=True)).status != 200:
            assert time.monotonic() - begun < 5
            await asyncio.sleep(0.05)
        figure(record_property, "F10", "worker back to serving, secs", time.monotonic() - begun, 5)
        whole(answer, stream=True)


async def still(attempt, secs: float = 0.5) -> int:
    """Return what was sent of an answer once no more of it is for so long."""
    sent = -1
    async with asyncio.timeout(40):
        while sent != attempt.sent:
            sent = attempt.sent
            await asyncio.sleep(secs)
    return sent


async def test_g11_stalled_caller_holds_the_worker():
    """A caller that reads nothing holds its worker back at 1 MiB; others on the connection go on."""
    endless = (Send(b""), *THREE[:1] * 200_000)
    async with facing("grpc", endless, workers=1, server={"write_stall_timeout_secs": 60}) as scene:
        backend = scene.backends[0]
        _, writer = await asyncio.open_connection("127.0.0.1", scene.port, limit=1024)
        writer.write(request("stalled", stream=True, max_tokens=4000))
        await until(lambda: scene.book.attempts)
        stalled = scene.book.attempts[0]
        backend.script = good("grpc", stream=True)
        try:
            for number in range(20):
                whole(await scene.ask(f"r{number}", stream=True), stream=True)
            held = await still(stalled)
        finally:
            writer.transport.abort()
        await until(lambda: stalled.ended)
        assert held <= profile.MIB


RATED = (*THREE[:1] * {"short": 500, "scaled": 3000, "full": 3000}[profile.SIZE], last(stream=True), Status(0, ""))
ENDLESS = THREE[:1] * 200_000
TURNS = 9 if profile.ALONE else 1


async def rated_secs(scene, name: str) -> float:
    """Return how long a stream of many messages takes."""
    answer: Answer = await scene.ask(name, stream=True, max_tokens=4000)
    assert (answer.status, answer.whole, answer.done) == (200, True, 1)
    return answer.secs


@asynccontextmanager
async def stalled_caller(scene, name: str):
    """Have a caller on the same connection that reads nothing of an endless answer."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or megabytes would have to flow first
    narrow.connect(("127.0.0.1", scene.port))
    _, writer = await asyncio.open_connection(sock=narrow, limit=1024)
    scene.play.acts = (ENDLESS,)
    writer.write(request(name, stream=True, max_tokens=4000))
    await until(lambda: scene.book.of(name))
    scene.play.acts = (RATED,)
    await still(scene.book.of(name)[0], 4.0)
    yield
    assert scene.book.of(name)[0].ended is None
    assert scene.book.of(name)[0].sent <= profile.MIB
    writer.transport.abort()
    await scene.clean()


@pytest.mark.usefixtures("unburdened")
async def test_g11_others_keep_their_rate():
    """Beside a caller that is stalled another on the same connection gets at least 90 % of its rate without.

    What it gets without is what another connection gives at the same time: a shared machine's own pace changes by more
    than that from one second to the next.
    """
    patient: dict[str, Any] = {"server": {"write_stall_timeout_secs": 60}, "worker_defaults": {"timeouts": PATIENT}}
    async with facing("grpc", RATED, workers=2, **patient) as scene, stalled_caller(scene, "stalled"):
        shared = scene.book.of("stalled")[0].backend
        kept = [await rate_kept(scene, str(turn), shared) for turn in range(TURNS)]
        assert len({(attempt.backend, attempt.connection) for attempt in scene.book.attempts}) == 2
    assert not profile.ALONE or median(kept) >= 0.9


async def rate_kept(scene, name: str, shared: str) -> float:
    """Return what a stream over the worker with the stalled one has of the rate of another."""
    names = f"one{name}", f"other{name}"
    took = await asyncio.gather(*[rated_secs(scene, each) for each in names])
    secs = {scene.book.of(each)[0].backend: one for each, one in zip(names, took, strict=True)}
    (alone,) = [one for backend, one in secs.items() if backend != shared]
    return alone / secs[shared]


async def test_g12_few_streams_allowed():
    """Calls beyond the worker's limit of streams wait their turn, and health calls do not wait behind them."""
    go_on, many = asyncio.Event(), profile.count(200, least=40)
    patient: dict[str, Any] = {"worker_defaults": {"timeouts": PATIENT}}
    async with facing("grpc", gated(go_on), workers=1, setup={"max_streams": 10}, **patient) as scene:
        worker = scene.workers[0]
        crowd = asyncio.gather(*[scene.ask(f"r{number}", stream=True) for number in range(many)])
        await until(lambda: (scene.book.running, worker.in_flight) == (10, many))
        begun = time.monotonic()
        assert await worker.probe()
        assert time.monotonic() - begun < 0.25 + profile.SLACK_SECS
        assert (scene.book.running, worker.in_flight) == (10, many)  # held all the while
        go_on.set()
        for answer in await crowd:
            whole(answer, stream=True)
        await scene.clean()
