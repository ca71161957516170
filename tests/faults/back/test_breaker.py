"""B01, B02, B05-B07, B12, B14-B18: who is trusted, who is asked again, and that nobody pays for another."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.faults import profile
from tests.faults.back.asking import request
from tests.faults.back.book import until
from tests.faults.back.facing import at_once, be_well, facing, good
from tests.faults.back.grpc_words import THREE
from tests.faults.back.http_backend import Door
from tests.faults.back.http_words import BEGUN, SSE_HEAD, chunk, error_body, event, plain
from tests.faults.back.steps import Close, Gate, Reset, Send, Silence, Status, Wait
from tests.faults.back.verdicts import broken, refused, whole
from tests.faults.report import figure

if TYPE_CHECKING:
    from tests.faults.back.steps import Script

pytestmark = pytest.mark.paired

OPEN_SECS = profile.secs(5)
SPREAD = 1.2
FAILING: dict[str, Script] = {"http": (Reset(),), "grpc": (Status(13),)}
MODES = ("http", "grpc")
TRIES = {"short": 1, "scaled": 5, "full": 200}[profile.SIZE]
ILL = {
    "http-reset": ("http", (Reset(),)),
    "http-500": ("http", (Send(plain(error_body(), status=500)),)),
    "http-cut-stream": ("http", (Send(BEGUN), Wait(0.01), Close())),
    "http-error-event": (
        "http",
        (Send(SSE_HEAD + chunk(event("one")) + chunk(b"data: " + error_body() + b"\n\n") + b"0\r\n\r\n"),),
    ),
    "grpc-internal": ("grpc", (Status(13),)),
    "grpc-unavailable": ("grpc", (Status(14),)),
    "grpc-later": ("grpc", (*THREE, Status(13))),
}


async def trip(scene, backend, script, *, stream: bool = True) -> None:
    """Have one worker fail until its breaker opens."""
    backend.script = script
    for number in range(5):
        await scene.ask(f"trip{number}", stream=stream)


@pytest.mark.parametrize(("mode", "script"), ILL.values(), ids=[f"B01-{name}" for name in ILL])
async def test_opens_on_the_fifth(mode, script):
    """Five failures in a row open the breaker: no sixth reaches the worker, and the caller is told at once."""
    async with facing(mode, (), workers=1) as scene:
        await trip(scene, scene.backends[0], script)
        assert len(scene.book.attempts) == 5
        answer = await scene.ask("sixth", stream=True)
        refused(answer, 503)
        assert answer.field("retry-after")
        assert answer.secs < profile.at_most(0.5)
        assert len(scene.book.attempts) == 5


async def test_b01_open_is_seen_in_metrics():
    """An open breaker, and that it opened once, show in the metrics within 1 s."""
    async with facing("http", (), workers=1) as scene:
        worker = scene.backends[0].url
        assert f'smg_worker_cb_state{{worker="{worker}"}} 0.0' in await metrics(scene)
        await trip(scene, scene.backends[0], (Reset(),))
        opened = time.monotonic()
        lines = await metrics(scene)
        assert time.monotonic() - opened <= 1
        assert f'smg_worker_cb_state{{worker="{worker}"}} 1.0' in lines
        assert f'smg_worker_cb_transitions_total{{from="closed",to="open",worker="{worker}"}} 1.0' in lines


async def metrics(scene) -> list[str]:
    """Return the lines that Prometheus reads now."""
    url = f"http://127.0.0.1:{scene.gateway.metrics_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as page:
        return (await page.text()).splitlines()


@pytest.mark.parametrize("mode", MODES)
async def test_b02_one_probe(mode, record_property):
    """Of a crowd that waits for a half-open breaker exactly one reaches the worker."""
    async with facing(mode, (), workers=1) as scene:
        backend, go_on = scene.backends[0], asyncio.Event()
        await trip(scene, backend, FAILING[mode])
        backend.script = (Gate(go_on), *good(mode, stream=True))
        await asyncio.sleep(OPEN_SECS * SPREAD + 0.05)
        crowd = asyncio.gather(*await_all(scene, profile.count(500, least=50)))
        await until(lambda: len(scene.book.attempts) == 6)
        await asyncio.sleep(0.1)
        go_on.set()
        statuses = [answer.status for answer in await crowd]
        probes = len(scene.book.attempts) - 5
        figure(
            record_property, "F09", "requests of a crowd that reach a half-open worker", probes, 1, over=len(statuses)
        )
        assert (statuses.count(200), len(scene.book.attempts)) == (1, 6)
        assert set(statuses) == {200, 503}
        whole(await scene.ask("after", stream=True), stream=True)


def await_all(scene, many: int):
    """Return so many questions."""
    return [scene.ask(f"crowd{number}", stream=True) for number in range(many)]


async def leave_early(scene, name: str) -> None:
    """Ask, and go once the worker has it."""
    seen = len(scene.book.attempts)
    _, writer = await asyncio.open_connection("127.0.0.1", scene.port)
    writer.write(request(name, stream=True))
    await until(lambda: len(scene.book.attempts) > seen)
    writer.transport.abort()


@pytest.mark.parametrize(
    ("every", "many", "reached"),
    [(2, 60, 20), (12, 120, 120), (1, 3, 3)],
    ids=["B05-half-bad", "B05-8-percent", "B05-three-bad"],
)
async def test_rate(every, many, reached):
    """Half of 20 bad opens it by rate, 8 % never does, and three requests say nothing."""
    window = {"worker_defaults": {"breaker": {"window_secs": 60.0, "open_secs": 60.0, "max_open_secs": 60.0}}}
    async with facing("http", (), workers=1, **window) as scene:
        for number in range(many):
            bad = number % every == every - 1
            scene.backends[0].script = ILL["http-500"][1] if bad else good("http", stream=False)
            await scene.ask(f"r{number}", stream=False)
        assert len(scene.book.attempts) == reached


CALLERS_FAULT = {f"B06-{status}": (Send(plain(error_body(), status=status)),) for status in (400, 404, 413, 422)}


@pytest.mark.parametrize("script", [*CALLERS_FAULT.values(), (Silence(),)], ids=[*CALLERS_FAULT, "B06-leaves"])
async def test_callers_faults_count_for_nothing(script):
    """What callers do wrong, leaving included, neither opens a breaker nor takes a worker out."""
    async with facing("http", script, workers=1) as scene:
        for number in range(profile.count(10_000, least=30)):
            if isinstance(script[0], Silence):
                await leave_early(scene, f"r{number}")
            else:
                await scene.ask(f"r{number}", stream=False)
        await scene.clean()
        scene.backends[0].script = good("http", stream=False)
        whole(await scene.ask("last", stream=False), stream=False)


@pytest.mark.parametrize("mode", MODES)
async def test_b07_no_retry_after_the_first_byte(mode):
    """A worker that dies after any number of events was asked once, and what was seen is the beginning of its text."""
    disabled: dict[str, Any] = {"worker_defaults": {"breaker": {"disabled": True}}}
    words = [f"w{number} " for number in range(50)]
    async with facing(mode, (), **disabled) as scene:
        for count in range(1, 51 if profile.SIZE == "full" else 12):
            pieces = THREE[:1] * count if mode == "grpc" else [Send(chunk(event(word))) for word in words[:count]]
            opening = () if mode == "grpc" else (Send(SSE_HEAD),)
            scene.play.acts = ((*opening, *pieces, Wait(0.02), Reset()), good(mode, stream=True))
            answer = await scene.ask(f"r{count}", stream=True)
            broken(answer, answer.text)
            assert mode == "grpc" or answer.text == "".join(words[:count])
            assert answer.text
            assert len(scene.book.of(f"r{count}")) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_b12_back_in_rotation(mode, record_property):
    """A worker that was dead serves within 5 s of answering again, without anybody's doing."""
    health = {"worker_defaults": {"health": {"check_interval_secs": 1.0}}}
    async with facing(mode, good(mode, stream=False), workers=2, **health) as scene:
        dead = scene.backends[0]
        await (dead.door(Door.REFUSED) if mode == "http" else dead.refuse())
        await until(lambda: scene.workers[0].life.state.value == "not_ready", 10)
        for number in range(10):
            whole(await scene.ask(f"r{number}", stream=False), stream=False)
        await (dead.door(Door.OPEN) if mode == "http" else dead.listen())
        back, seen = time.monotonic(), len(dead.attempts)
        while len(dead.attempts) == seen:
            assert time.monotonic() - back <= 5
            whole(await scene.ask(f"back{time.monotonic()}", stream=False), stream=False)
            await asyncio.sleep(0.02)
        figure(record_property, "F10", "worker back to serving, secs", time.monotonic() - back, 5)


@pytest.mark.parametrize("mode", MODES)
async def test_b12_back_without_probes_or_traffic(mode):
    """After any silence the first requests try a worker that only its breaker kept out; nothing is terminal."""
    async with facing(mode, good(mode, stream=False), workers=2) as scene:
        ill = scene.backends[0]
        ill.script = FAILING[mode]
        while scene.workers[0].available:
            await scene.ask(f"ill{time.monotonic()}", stream=False)
        ill.script, seen = None, len(ill.attempts)
        await asyncio.sleep(2 * OPEN_SECS * SPREAD)
        for number in range(2):
            whole(await scene.ask(f"quiet{number}", stream=False), stream=False)
        assert len(ill.attempts) == seen + 1
        assert scene.workers[0].breaker.state.value == "closed"


@pytest.mark.parametrize("mode", MODES)
async def test_b14_stuck_worker_harms_nobody(mode):
    """With a crowd stuck at one worker, the others answer as before over pools of their own."""
    pool = {"worker_defaults": {"pool": {"max_connections": 20}, "timeouts": {"first_byte_secs": 60}}}
    async with facing(mode, good(mode, stream=False), workers=4, **pool) as scene:
        scene.backends[0].script = (Silence(),)
        loop = asyncio.get_running_loop()
        crowd = [loop.create_task(scene.ask(f"crowd{n}", stream=False)) for n in range(profile.count(1000, least=80))]
        await until(lambda: sum(backend.book.running for backend in scene.backends[:1]) >= 20)
        await asyncio.sleep(0.2)
        stuck = scene.workers[0]
        assert stuck.in_flight >= 20
        served = [task for task in crowd if task.done()]
        assert len(served) == len(crowd) - stuck.in_flight
        assert max(task.result().secs for task in served) <= 0.5 + profile.SLACK_SECS
        for task in crowd:
            task.cancel()
        await asyncio.wait(crowd)
        await scene.clean()


RULES = {"B16-refuse": 0.0, "B16-panic": 0.5}
QUICK_PROBES = {"check_interval_secs": 0.2, "timeout_secs": 0.5}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ratio", RULES.values(), ids=RULES)
async def test_b16_all_say_they_are_ill(mode, ratio):
    """All are asked, which shows, or all callers are refused at once; never some. Once one is well, it serves."""
    rule = {"health": QUICK_PROBES, "timeouts": {"first_byte_secs": 10}, "panic_ratio": ratio}
    async with facing(mode, good(mode, stream=False), workers=2, worker_defaults=rule) as scene:
        for backend in scene.backends:
            be_well(backend, well=False)
        await until(lambda: all(worker.life.state.value == "not_ready" for worker in scene.workers), 10)
        answers = await at_once(scene, 10, stream=False)
        shown = 'smg_worker_panic{model="m",worker_type="regular"} 1.0'
        assert {answer.status for answer in answers} == {200 if ratio else 503}
        assert {attempt.backend for attempt in scene.book.attempts} == ({"b0", "b1"} if ratio else set())
        assert ratio or max(answer.secs for answer in answers) < profile.at_most(0.5)
        assert (shown in await metrics(scene)) is bool(ratio)
        be_well(scene.backends[0], well=True)
        await until(lambda: scene.workers[0].available, 3)
        seen = len(scene.backends[1].attempts)
        for answer in await at_once(scene, 10, stream=False, prefix="after"):
            whole(answer, stream=False)
        assert len(scene.backends[1].attempts) == seen
        assert shown not in await metrics(scene)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ratio", RULES.values(), ids=RULES)
async def test_b16_all_out(mode, ratio):
    """With every worker out the refusal comes at once by either rule; the first that is back serves within 3 s."""
    rule = {"worker_defaults": {"health": QUICK_PROBES, "panic_ratio": ratio}}
    async with facing(mode, good(mode, stream=False), workers=2, **rule) as scene:
        for backend in scene.backends:
            await (backend.door(Door.REFUSED) if mode == "http" else backend.refuse())
        await until(lambda: all(worker.life.state.value == "not_ready" for worker in scene.workers), 10)
        answers = await at_once(scene, 5, stream=False)
        assert {answer.status for answer in answers} == {503}
        assert max(answer.secs for answer in answers) < profile.at_most(0.5)
        first = scene.backends[0]
        await (first.door(Door.OPEN) if mode == "http" else first.listen())
        back = time.monotonic()
        while (await scene.ask(f"back{time.monotonic()}", stream=False)).status != 200:
            assert time.monotonic() - back <= 3
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("mode", MODES)
async def test_b17_well_but_generation_hangs(mode):
    """A worker whose probes are well and whose generations hang is taken out by its generations."""
    async with facing(mode, good(mode, stream=True), workers=2) as scene:
        scene.backends[0].script = (Silence(),)
        await asyncio.gather(*await_all(scene, 10))
        seen = len(scene.backends[0].attempts)
        for number in range(10):
            whole(await scene.ask(f"after{number}", stream=True), stream=True)
        assert len(scene.backends[0].attempts) == seen


async def test_b18_no_hedging():
    """A slow worker is waited for: nobody else is asked the same meanwhile."""
    slow = (Wait(profile.secs(2)), *good("http", stream=False))
    async with facing("http", slow) as scene:
        whole(await scene.ask(stream=False), stream=False)
        assert len(scene.book.attempts) == 1
