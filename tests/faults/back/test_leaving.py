"""R02-R06, G09, B15: callers who leave free their workers at once, in every phase and mode."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import profile
from tests.faults.back.asking import request
from tests.faults.back.book import until
from tests.faults.back.facing import at_once, facing, good
from tests.faults.back.grpc_words import THREE
from tests.faults.back.http_backend import Door
from tests.faults.back.http_words import BEGUN, SSE_HEAD, head, plain
from tests.faults.back.steps import Gate, Send, Silence, Wait
from tests.faults.back.verdicts import whole
from tests.faults.report import figure

if TYPE_CHECKING:
    from tests.faults.report import Record

FREED_SECS = 0.25 + profile.SLACK_SECS
SLOTS = 10
PHASES = {
    ("R03", "first-byte", "http", True): (Silence(),),
    ("R03", "first-token", "http", True): (Send(SSE_HEAD), Silence()),
    ("R03", "first-message", "grpc", True): (Silence(),),
    ("R04", "head", "http", False): (Silence(),),
    ("R04", "body", "http", False): (Send(plain()[:-9]), Silence()),
    ("R04", "large-body", "http", False): (
        Send(head("Content-Length: 9999999") + bytes(3 * profile.MIB)),
        Silence(),
    ),
    ("R04", "message", "grpc", False): (Silence(),),
    ("R04", "middle", "grpc", False): (THREE[0], Silence()),
    ("R05", "idle", "http", True): (Send(BEGUN), Silence()),
    ("R05", "idle", "grpc", True): (*THREE, Silence()),
    ("G09", "flowing", "grpc", True): (*THREE[:1], Wait(0.01)) * 10_000,
    ("R02", "flowing", "http", True): (
        Send(BEGUN),
        *(Send(b"a\r\n: pinging\n\r\n"), Wait(0.01)) * 10_000,
    ),
}
CELLS = [(*key, act) for key, act in PHASES.items()]


async def leave(port: int, name: str, *, stream: bool):
    """Ask, and return how to go."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(name, stream=stream, max_tokens=4000))
    return writer


async def gone(scene, writers: dict[str, Any], at_once: int) -> dict[str, float]:
    """Have the callers leave, so many at once; return when each left."""
    times, names = {}, list(writers)
    for start in range(0, len(names), at_once):
        for name in names[start : start + at_once]:
            times[name] = time.monotonic()
            writers[name].transport.abort()
        with suppress(TimeoutError):
            await until(lambda: scene.book.running <= len(names) - len(times))
    return times


def freed(scene, times: dict[str, float], mode: str) -> list[float]:
    """Return how long after its caller's leaving each worker saw the end, by the ledger, least first."""
    how = "cancelled" if mode == "grpc" else "left"
    return sorted(one.left_at - times[one.request_id] for one in scene.book.attempts if one.ended == how)


@pytest.mark.parametrize(
    ("case", "phase", "mode", "stream", "act"), CELLS, ids=[f"{one[0]}-{one[1]}-{one[2]}" for one in CELLS]
)
async def test_leaving_frees_the_worker(case, phase, mode, stream, act, record_property):
    """Each worker sees the end of each request within 250 ms of its caller's leaving; a gRPC engine also an Abort."""
    many = profile.count(4000 if case == "R05" else 2000, least=20)
    clocks: dict[str, Any] = {
        "worker_defaults": {"timeouts": {"first_byte_secs": 60, "first_token_secs": 60, "between_chunks_secs": 60}}
    }
    async with facing(mode, act, **clocks) as scene:
        writers = {f"r{number}": await leave(scene.port, f"r{number}", stream=stream) for number in range(many)}
        await until(lambda: len(scene.book.attempts) == many)
        await asyncio.sleep(0.05)
        took = freed(scene, await gone(scene, writers, many if case == "R05" else 10), mode)
        note(record_property, case, took, many)
        assert len(took) == len(scene.book.attempts) == many
        assert took[-1] <= (profile.at_most(2) if case == "R05" else FREED_SECS)
        if mode == "grpc":
            await until(lambda: all(attempt.aborted_at for attempt in scene.book.attempts))
        await scene.clean()
    assert phase


def note(record: Record, case: str, took: list[float], many: int) -> None:
    """Note what the ledger shows of callers who left: one by one, or (R05) all in the same instant."""
    figure(
        record,
        "F02",
        "aborts that workers saw, share of callers who left",
        len(took) / many,
        1,
        over=many,
        at_least=True,
    )
    if case == "R05":
        figure(record, "F02", "until the last of a whole crowd's aborts, secs", max(took, default=9), 2, over=many)
    else:
        p99 = took[int((len(took) - 1) * 0.99)] if took else 9
        figure(record, "F02", "from leaving to the worker's abort, p99 in secs", p99, 0.25, over=many)


def reached(scene, many: int) -> bool:
    """Whether so many attempts have begun."""
    return len(scene.book.attempts) == many


async def test_r03_leaving_while_connecting():
    """A caller who leaves while the worker is being connected to leaves nothing behind, and is never sent."""
    async with facing("http", good("http", stream=True), workers=1) as scene:
        await scene.backends[0].door(Door.BLACKHOLE)
        writers = [await leave(scene.port, f"r{number}", stream=True) for number in range(10)]
        await until(lambda: scene.workers[0].in_flight == 10)
        for writer in writers:
            writer.transport.abort()
        await until(lambda: scene.workers[0].in_flight == 0, FREED_SECS)
        await scene.backends[0].door(Door.OPEN)
        whole(await scene.ask("last", stream=True), stream=True)
        assert [attempt.request_id for attempt in scene.book.attempts] == ["last"]


async def test_r03_leaving_a_full_pool():
    """A caller who leaves while waiting for a connection is never sent, and hinders nobody behind it."""
    pool = {"worker_defaults": {"pool": {"max_connections": 2}}}
    async with facing("http", (Silence(),), workers=1, **pool) as scene:
        first = [await leave(scene.port, f"first{number}", stream=True) for number in range(2)]
        await until(lambda: len(scene.book.attempts) == 2)
        queued = [await leave(scene.port, f"queued{number}", stream=True) for number in range(5)]
        await until(lambda: scene.workers[0].in_flight == 7)
        for writer in queued:
            writer.transport.abort()
        await until(lambda: scene.workers[0].in_flight == 2, FREED_SECS)
        scene.backends[0].script = good("http", stream=True)
        for writer in first:
            writer.transport.abort()
        whole(await scene.ask("last", stream=True), stream=True)
        assert len(scene.book.attempts) == 3


@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_r06_no_slot_is_lost(mode):
    """After random cancels, resets and late answers against a pool of 10, ten run at once and nobody waits."""
    rng = random.Random(6)
    pool = {"worker_defaults": {"pool": {"max_connections": SLOTS}, "breaker": {"disabled": True}}}
    async with facing(mode, (Silence(),), workers=1, **pool) as scene:
        for number in range(profile.count(3000, least=60) // SLOTS):
            names = [f"r{number}.{slot}" for slot in range(SLOTS)]
            writers = [await leave(scene.port, name, stream=rng.random() < 0.5) for name in names]
            await until(functools.partial(reached, scene, (number + 1) * SLOTS))
            if rng.random() < 0.3:
                scene.backends[0].cut()
            for writer in writers:
                writer.transport.abort()
            await scene.clean()
        scene.backends[0].script = good(mode, stream=True)
        for answer in await at_once(scene, SLOTS, stream=True, prefix="last"):
            whole(answer, stream=True)


POOLS = {"http": {"max_connections": SLOTS}, "grpc": {"max_in_flight": SLOTS}}
LATE_SECS = 0.15 if profile.ALONE else 1.5
"""Of a silent worker; longer than a machine that others share may pause in the middle of a good answer."""


@pytest.mark.parametrize("mode", POOLS, ids=[f"B15-{mode}" for mode in POOLS])
async def test_a_pool_of_ten(mode):
    """After callers who left or were answered too late, at random, ten run at once and everybody who then comes passes.

    Twice as many come as there is room for: over HTTP they wait for a connection, over gRPC they are refused.
    """
    rng, many = random.Random(15), profile.count(1000, least=60)
    late = {"first_byte_secs": LATE_SECS, "first_token_secs": LATE_SECS, "between_chunks_secs": LATE_SECS}
    defaults = {"pool": POOLS[mode], "breaker": {"disabled": True}, "timeouts": late}
    begun = THREE if mode == "grpc" else (Send(BEGUN),)
    async with facing(mode, (), workers=1, worker_defaults=defaults) as scene:
        for number in range(0, many, 2 * SLOTS):
            scene.backends[0].script = (*rng.choice([(), begun]), Silence())
            await asyncio.gather(*[stay(scene.port, f"r{number + one}", rng) for one in range(2 * SLOTS)])
        await scene.clean()
        assert not [attempt for attempt in scene.book.attempts if attempt.ended == "answered"]
        go_on = asyncio.Event()
        scene.backends[0].script = (Gate(go_on), *good(mode, stream=True))
        crowd = asyncio.gather(*[scene.ask(f"ten{number}", stream=True) for number in range(SLOTS)])
        await until(lambda: scene.book.running == SLOTS, LATE_SECS)
        go_on.set()
        answers = await crowd
        for number in range(0, many, SLOTS):
            answers += await at_once(scene, SLOTS, stream=True, prefix=f"next{number}.")
        for answer in answers:
            whole(answer, stream=True)


async def stay(port: int, name: str, rng: random.Random) -> None:
    """Ask, and leave before or after the worker is too late."""
    writer = await leave(port, name, stream=rng.random() < 0.5)
    await asyncio.sleep(rng.uniform(0, 2 * LATE_SECS))
    writer.transport.abort()


@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_r02_cancelled_at_any_byte(mode):
    """Streams whose callers leave at a random byte all end at the worker, and nothing stays behind."""
    rng = random.Random(2)
    act = (*(THREE if mode == "grpc" else (Send(BEGUN),)), Silence())
    async with facing(mode, act) as scene:
        for number in range(profile.count(10_000, least=100)):
            reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
            writer.write(request(f"r{number}", stream=True))
            wanted = rng.randrange(1, 300)
            assert len(await reader.readexactly(wanted)) == wanted
            writer.transport.abort()
        await scene.clean()
        assert {attempt.ended for attempt in scene.book.attempts} == {"cancelled" if mode == "grpc" else "left"}
