"""The watch over one worker, step by step."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from smg.core.clock import MonotonicClock
from smg.core.events import ProbeEnded, TaskFailed, WorkerLifeChanged
from smg.core.generation import EngineFacts
from smg.core.words import LifeState, Runtime, WorkerId
from smg.workers.factory import WorkerFactory
from smg.workers.health import HealthMonitor, restarted
from smg.workers.http_worker import HttpWorker
from smg.workers.settings import HealthSettings
from smg.workers.spec import read_spec
from smg.workers.tokenizers import TokenizerMissingError
from tests.workers.engines import HttpEngine, changing_engine, http_engine
from tests.workers.support import Recorder, SetClock, until, with_defaults

if TYPE_CHECKING:
    from smg.workers.detection import UnprobedWorker
    from smg.workers.grpc_worker import GrpcWorker
    from smg.workers.worker import Worker

HEALTH = HealthSettings(check_interval_secs=10.0, retry_interval_secs=1.0, startup_timeout_secs=60.0)


class Nobody:
    """A home that puts no other worker in a place."""

    async def resolve(self, worker: UnprobedWorker) -> None:
        """Do nothing."""

    async def expand(self, worker: Worker) -> bool:
        """Keep it."""
        del worker
        return False


def watched(url: str, clock: SetClock, heard: Recorder, **spec: object) -> tuple[Worker, HealthMonitor]:
    worker = WorkerFactory(with_defaults(health=HEALTH), clock, heard).build(
        read_spec({"url": url, **spec}), WorkerId("w"), "test"
    )
    monitor = HealthMonitor(worker, Nobody(), tokenizers=None, clock=clock, observer=heard, random=random.Random(1))
    return worker, monitor


class Clumsy(Nobody):
    """A home with a bug that shows once."""

    def __init__(self) -> None:
        self.times = 0

    async def expand(self, worker: Worker) -> bool:
        """Fail the first time."""
        self.times += 1
        if self.times == 1:
            raise ZeroDivisionError
        return await super().expand(worker)


async def test_a_bug_does_not_end_the_watch() -> None:
    """It is told of, and the next step brings the worker in."""
    heard = Recorder()
    async with http_engine(HttpEngine()) as (_, url):
        quick = HealthSettings(check_interval_secs=0.01, retry_interval_secs=0.01)
        worker = WorkerFactory(with_defaults(health=quick), MonotonicClock(), heard).build(
            read_spec({"url": url}), WorkerId("w"), "test"
        )
        monitor = HealthMonitor(
            worker, Clumsy(), tokenizers=None, clock=MonotonicClock(), observer=heard, random=random.Random(1)
        )
        await worker.start()
        watching = asyncio.get_running_loop().create_task(monitor.run())
        await until(lambda: worker.life.state is LifeState.READY)
        watching.cancel()
        await asyncio.wait([watching])
        await worker.aclose()

    assert [type(event.error) for event in heard.of(TaskFailed)] == [ZeroDivisionError]


async def test_intervals_thresholds_and_reasons() -> None:
    """One good probe brings a new worker in; three bad ones take it out; two good ones bring it back."""
    heard, engine = Recorder(), HttpEngine()
    async with http_engine(engine) as (_, url):
        worker, monitor = watched(url, SetClock(), heard)
        await worker.start()
        assert 8.0 <= (await monitor.step() or 0) <= 12.0
        assert worker.life.state is LifeState.READY

        engine.healthy = False
        for _ in range(2):
            assert 0.8 <= (await monitor.step() or 0) <= 1.2
            assert worker.life.state is LifeState.READY
        await monitor.step()
        assert (worker.life.state, worker.epoch) == (LifeState.UNHEALTHY, 0)

        engine.healthy = True
        await monitor.step()
        assert worker.life.state is LifeState.UNHEALTHY
        await monitor.step()
        assert (worker.life.state, worker.epoch) == (LifeState.READY, 1)
        await worker.aclose()

    assert [event.healthy for event in heard.of(ProbeEnded)] == [True, False, False, False, True, True]
    ready, away = LifeState.READY, LifeState.UNHEALTHY
    told = [(event.old, event.new) for event in heard.of(WorkerLifeChanged)]
    assert told == [(LifeState.PENDING, ready), (ready, away), (away, ready)]


async def test_a_worker_that_flips_below_the_threshold_is_not_told_of() -> None:
    """Two bad probes, one good one, over and over: it stays, nothing is told, and no two intervals are alike."""
    heard, engine = Recorder(), HttpEngine()
    async with http_engine(engine) as (_, url):
        worker, monitor = watched(url, SetClock(), heard)
        await worker.start()
        await monitor.step()
        heard.events.clear()
        pauses = []
        for number in range(12):
            engine.healthy = number % 3 == 2
            pauses.append(await monitor.step())
        await worker.aclose()

    assert heard.of(WorkerLifeChanged) == []
    assert len(set(pauses)) == 12


PASSIVE = [
    pytest.param({"runtime_type": "external"}, id="provider"),
    pytest.param({"health": {"disable_health_check": True}, "models": [{"id": "m"}]}, id="switched off"),
]


@pytest.mark.parametrize("spec", PASSIVE)
async def test_a_worker_that_is_not_to_be_probed_is_believed(spec: dict[str, object]) -> None:
    """It is ready once it is known, from wherever it stood, and the watch over it ends; no probe is told of."""
    heard = Recorder()
    async with http_engine() as (engine, url):
        worker, monitor = watched(url, SetClock(), heard, **spec)
        await worker.start()
        assert (await monitor.step(), worker.life.state) == (None, LifeState.READY)
        worker.move(LifeState.UNHEALTHY, "its probes failed while it was probed")
        assert (await monitor.step(), worker.life.state) == (None, LifeState.READY)
        assert (await monitor.step(), worker.life.state) == (None, LifeState.READY)
        await worker.aclose()

    assert heard.of(ProbeEnded) == []
    assert "/health" not in {path for _, path, _, _ in engine.seen}
    assert worker.runtime is not Runtime.EXTERNAL or engine.seen == []


async def test_a_new_watch_reads_anew_what_an_unprobed_worker_serves() -> None:
    """A change of a worker begins a new watch; it ends when the engine has told, however often that takes."""
    engine, spec = HttpEngine(), {"health": {"disable_health_check": True}}
    async with http_engine(engine) as (_, url):
        worker, first = watched(url, SetClock(), Recorder(), **spec)
        await worker.start()
        await first.step()
        engine.models = []
        again = HealthMonitor(
            worker, Nobody(), tokenizers=None, clock=SetClock(), observer=Recorder(), random=random.Random(1)
        )
        assert await again.step() is not None
        engine.models = [{"id": "new"}]
        assert await again.step() is None
        await worker.aclose()

    assert [card.id for card in worker.models] == ["new"]
    assert worker.life.state is LifeState.READY


async def test_a_restarted_engine_is_asked_over_fresh_connections() -> None:
    """A new epoch drops what led to the engine that was."""
    engine = HttpEngine()
    async with http_engine(engine) as (_, url):
        worker, monitor = watched(url, SetClock(), Recorder())
        assert isinstance(worker, HttpWorker)
        await worker.start()
        await monitor.step()
        probing = len(engine.peers)
        for healthy in (True, False, False, False, True, True):
            engine.healthy = healthy
            async with worker.exchange("POST", "/echo", (), b"{}") as answer:
                await answer.read(100)
            await monitor.step()
        before = len(engine.peers) - probing
        async with worker.exchange("POST", "/echo", (), b"{}") as answer:
            await answer.read(100)
        await worker.aclose()

    assert (worker.epoch, before, len(engine.peers) - probing) == (1, 1, 2)


class Fussy:
    """Lends tokenizers while it has some."""

    empty = False

    async def attach(self, worker: GrpcWorker) -> None:
        """Lend a word."""
        if self.empty:
            raise TokenizerMissingError("nowhere")
        worker.tokenizer = "tokenizer"

    async def detach(self, worker: GrpcWorker) -> None:
        """Ask for nothing back."""


async def test_a_restart_is_seen_though_learning_failed_on_the_way() -> None:
    """The engine told that it is a new one, but its tokenizer was not there: once it is, the restart counts, once."""
    source = Fussy()
    async with changing_engine(Runtime.VLLM) as (engine, url):
        engine.become(Runtime.VLLM, kv_engine_id="first")
        worker, _ = watched(url, SetClock(), Recorder(), runtime="vllm")
        monitor = HealthMonitor(
            worker, Nobody(), tokenizers=source, clock=SetClock(), observer=Recorder(), random=random.Random(1)
        )
        await worker.start()
        await monitor.step()
        engine.become(Runtime.MLX)
        await monitor.step()
        engine.become(Runtime.VLLM, kv_engine_id="second")
        epochs = []
        for source.empty in (True, True, False, False):
            monitor = HealthMonitor(  # as after a change of the worker
                worker, Nobody(), tokenizers=source, clock=SetClock(), observer=Recorder(), random=random.Random(1)
            )
            await monitor.step()
            epochs.append(worker.epoch)
        await worker.aclose()

    assert (worker.life.state, epochs) == (LifeState.READY, [0, 0, 1, 1])


async def test_discovery_that_fails_is_tried_ever_more_slowly() -> None:
    """From one second to thirty, for ever; meanwhile the reason says what is missing."""
    async with http_engine(HttpEngine(models=[])) as (_, url):
        worker, monitor = watched(url, SetClock(), Recorder())
        await worker.start()
        pauses = [await monitor.step() or 0.0 for _ in range(8)]
        await worker.aclose()

    assert worker.life.reason == "lists no models"
    assert [round(pause / wanted, 1) for pause, wanted in zip(pauses, (1, 2, 4, 8, 16, 30, 30, 30), strict=True)] == [
        pytest.approx(1, abs=0.2)
    ] * 8


async def test_a_start_that_takes_too_long_is_told(unused_port: int) -> None:
    """The reason says so, and nothing else changes."""
    clock = SetClock()
    worker, monitor = watched(f"http://127.0.0.1:{unused_port}", clock, Recorder())
    await worker.start()
    clock.secs = 61.0
    assert await monitor.step() is not None
    await worker.aclose()

    assert worker.life.reason.endswith("(for more than 60 s)")
    assert worker.life.state is LifeState.PENDING


async def test_a_leaving_worker_is_no_longer_watched() -> None:
    """The watch ends by itself."""
    worker, monitor = watched("http://h:1", SetClock(), Recorder())
    worker.move(LifeState.DRAINING, "test")

    assert await monitor.step() is None


@pytest.mark.parametrize(
    ("old", "new", "away", "expected"),
    [
        ("a", "a", True, False),
        ("a", "b", False, True),
        ("", "b", False, True),
        ("", "", False, False),
        ("", "", True, True),
    ],
)
def test_a_restart_is_seen_by_the_instance_or_supposed(old: str, new: str, away: bool, expected: bool) -> None:
    """An engine that cannot tell counts as restarted once it was away."""
    assert restarted(EngineFacts(instance=old), EngineFacts(instance=new), away=away) is expected
