"""B03: however the probe of a half-open breaker ends, its slot is given back; never stuck."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any

import pytest

from smg.routers import http_router
from smg.wire.openai import chat_answers
from tests.faults import profile
from tests.faults.back.book import until
from tests.faults.back.facing import facing, good, ready
from tests.faults.back.g_cells import refused_by
from tests.faults.back.http_words import BEGUN, error_body, plain
from tests.faults.back.steps import Reset, Send, Silence, Status, Wait
from tests.faults.back.test_breaker import FAILING, MODES, OPEN_SECS, SPREAD, TRIES, leave_early, trip
from tests.faults.back.test_lifecycle import PATIENT, begun, gated
from tests.faults.back.verdicts import broken, refused, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.back.asking import Answer
    from tests.faults.back.steps import Script

pytestmark = pytest.mark.beside

PROBES: dict[str, tuple[str, Script, str]] = {
    "B03-2xx": ("http", good("http", stream=True), "closed"),
    "B03-4xx": ("http", (Send(plain(error_body(), status=400)),), "closed"),
    "B03-429": ("http", (Send(plain(error_body(), status=429)),), "not_closed"),
    "B03-5xx": ("http", (Send(plain(error_body(), status=500)),), "not_closed"),
    "B03-timeout": ("http", (Silence(),), "not_closed"),
    "B03-cut": ("http", (Send(BEGUN), Wait(0.01), Reset()), "not_closed"),
    "B03-leaves": ("http", (Silence(),), "given_back"),
    "B03-grpc-ok": ("grpc", good("grpc", stream=True), "closed"),
    "B03-grpc-exhausted": ("grpc", (Status(8),), "not_closed"),
    "B03-grpc-leaves": ("grpc", (Silence(),), "given_back"),
}


async def half_open(scene, mode: str, script: Script) -> int:
    """Have a worker fail until it is left alone, and wait until it would be tried; return how often it was asked."""
    await trip(scene, scene.backends[0], FAILING[mode])
    scene.backends[0].script = script
    await asyncio.sleep(OPEN_SECS * SPREAD + 0.05)
    return len(scene.book.attempts)


async def served_again(scene) -> None:
    """The worker serves as soon as it may be tried again."""
    since = time.monotonic()
    while (await scene.ask(f"end{since}", stream=True)).status != 200:
        assert time.monotonic() - since < 2 * OPEN_SECS * SPREAD + profile.SLACK_SECS
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("mode", "script", "then"), PROBES.values(), ids=PROBES)
async def test_probe_slot_comes_back(mode, script, then):
    """However a probe ends, its slot is given back, and the worker is believed accordingly; never stuck."""
    async with facing(mode, (), workers=1) as scene:
        for turn in range(TRIES):
            seen = await half_open(scene, mode, script)
            if then == "given_back":
                await leave_early(scene, f"probe{turn}")
            else:
                await scene.ask(f"probe{turn}", stream=True)
            assert len(scene.book.attempts) == seen + 1
            await scene.clean()
            scene.backends[0].script = good(mode, stream=True)
            answer = await scene.ask(f"next{turn}", stream=True)
            assert answer.status == (503 if then == "not_closed" else 200)
            await served_again(scene)


OURS: dict[str, tuple[object, str, object, Callable[[Answer], None]]] = {
    "http": (http_router, "STREAMED", None, functools.partial(refused_by, (500,))),
    "grpc": (chat_answers, "PLAIN_END", None, functools.partial(broken, said="")),
}
"""What the gateway handles an answer with, what is there in its stead, and what a caller gets then."""


@pytest.mark.parametrize("mode", OURS, ids=[f"B03-{mode}-our-bug" for mode in OURS])
async def test_our_own_bug_gives_the_slot_back(mode, monkeypatch):
    """A probe that an exception in our own code ends counts as failed: the worker is left alone, then tried again."""
    holder, name, instead, want = OURS[mode]
    async with facing(mode, (), workers=1) as scene:
        for turn in range(TRIES):
            seen = await half_open(scene, mode, good(mode, stream=True))
            with monkeypatch.context() as patched:
                patched.setattr(holder, name, instead)
                want(await scene.ask(f"probe{turn}", stream=True))
            await scene.clean()
            assert len(scene.book.attempts) == seen + 1
            assert scene.workers[0].breaker.state.value == "open"
            refused(await scene.ask(f"next{turn}", stream=True), 503)
            await served_again(scene)


DRAINS = {"finished": (60.0, "closed"), "cut": (0.2, "open")}
"""How long a worker may drain, and what is thought of it when its probe has ended so."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ends", DRAINS, ids=[f"B03-drain-{name}" for name in DRAINS])
async def test_a_drain_gives_the_slot_back(mode, ends):
    """A probe that runs while its worker drains ends with its answer, or with the drain; registered anew it serves."""
    drain_secs, state = DRAINS[ends]
    held: dict[str, Any] = {"health": {"drain_secs": drain_secs}, "breaker": {"probe_secs": 60, "max_open_secs": 60}}
    async with facing(mode, (), workers=1, **profile.merged(PATIENT, {"worker_defaults": held})) as scene:
        registry = scene.gateway.registry
        for turn in range(TRIES):
            go_on, (worker,) = asyncio.Event(), scene.workers
            seen = await half_open(scene, mode, gated(mode, go_on))
            probe = asyncio.get_running_loop().create_task(scene.ask(f"probe{turn}", stream=True))
            await until(functools.partial(begun, scene, seen + 1))
            assert (worker.in_flight, worker.breaker.allows()) == (1, False)
            await registry.remove(worker.id)
            if ends == "finished":
                go_on.set()
            assert len((await probe).errors) == (ends == "cut")
            await registry.gone(worker.id)
            assert (worker.in_flight, worker.breaker.state.value) == (0, state)
            scene.backends[0].script = good(mode, stream=True)
            await registry.add(worker.spec, "test")
            await ready(scene.gateway, 1)
            whole(await scene.ask(f"anew{turn}", stream=True), stream=True)
