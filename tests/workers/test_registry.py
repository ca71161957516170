"""The registry: who exists, who may be asked, and how workers come, change and go."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from smg.core.errors import ConflictError, FleetFullError, InvalidRequestError, NotFoundError
from smg.core.events import PanicChanged, WorkerAdded, WorkerLifeChanged, WorkerRemoved
from smg.core.words import ConnectionMode, LifeState, Outcome, Runtime, WorkerId, WorkerType
from smg.resilience.breaker import BreakerState
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from smg.workers.registry import Registry
from smg.workers.spec import read_spec
from smg.workers.tokenizers import TokenizerMissingError
from tests.workers.engines import GrpcEngine, HttpEngine, changing_engine, grpc_engine, http_engine
from tests.workers.support import Recorder, factory, until, with_defaults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from smg.workers.worker import Worker


@pytest.fixture
def heard() -> Recorder:
    return Recorder()


@pytest.fixture
async def registry(heard: Recorder) -> AsyncIterator[Registry]:
    registry = Registry(factory(observer=heard))
    yield registry
    await registry.aclose()


@pytest.fixture
async def engine() -> AsyncIterator[tuple[HttpEngine, str]]:
    async with http_engine() as served:
        yield served


async def add(registry: Registry, url: str, **spec: Any) -> Worker:
    return await registry.add(read_spec({"url": url, **spec}), "test")


async def ready(registry: Registry, url: str, **spec: Any) -> Worker:
    worker = await add(registry, url, **spec)
    await until(lambda: registry.get(worker.id).life.state is LifeState.READY)
    return registry.get(worker.id)


async def test_a_new_worker_is_pending_until_it_answers(
    registry: Registry, engine: tuple[HttpEngine, str], heard: Recorder
) -> None:
    """Registration waits for nobody; once the engine is known it serves."""
    worker = await add(registry, engine[1])
    assert worker.life.state is LifeState.PENDING
    assert registry.fleet.select(HttpWorker) == ()

    await until(lambda: worker.available)
    assert registry.fleet.select(HttpWorker, model="m") == (worker,)
    assert registry.fleet.select(HttpWorker, model="m", runtime=Runtime.VLLM) == (worker,)
    assert registry.fleet.select(GrpcWorker, model="m") == ()
    assert registry.fleet.select(HttpWorker, WorkerType.DECODE, model="m") == ()
    assert registry.fleet.select(HttpWorker, model="other") == ()
    assert [event.source for event in heard.of(WorkerAdded)] == ["test"]


async def test_a_worker_that_is_not_there_says_so(registry: Registry, unused_port: int) -> None:
    """It stays visible, with its reason."""
    worker = await add(registry, f"http://127.0.0.1:{unused_port}", models=[{"id": "m"}])
    await until(lambda: "connected" in worker.life.reason)

    assert worker.life.state is LifeState.PENDING
    assert registry.fleet.known("m")
    assert not registry.fleet.known("n")


async def test_the_fleet_is_one_object_until_something_changes(
    registry: Registry, engine: tuple[HttpEngine, str]
) -> None:
    """A kept snapshot never changes; a new one is made for a change."""
    before = registry.fleet
    assert registry.fleet is before
    await ready(registry, engine[1])

    assert registry.fleet is not before
    assert before.workers == {}


async def test_a_url_is_registered_once(registry: Registry, unused_port: int) -> None:
    """Two spellings of one address are one; another rank is another worker."""
    await add(registry, f"http://localhost:{unused_port}")
    with pytest.raises(ConflictError):
        await add(registry, f"HTTP://LOCALHOST:{unused_port}/")
    await add(registry, f"http://localhost:{unused_port}@0")

    assert len(registry.fleet.workers) == 2


async def test_the_number_of_workers_is_bounded() -> None:
    """Every table has a cap."""
    registry = Registry(factory(with_defaults(max_workers=1)))
    await add(registry, "http://127.0.0.1:1")
    with pytest.raises(FleetFullError):
        await add(registry, "http://127.0.0.1:2")
    await registry.aclose()


async def test_a_worker_that_leaves_makes_room_at_once() -> None:
    """Else what one process of the gateway takes in, another would refuse, whose worker still has a request."""
    registry = Registry(factory(with_defaults(max_workers=1)))
    old = await add(registry, "http://127.0.0.1:1")
    old.occupy(1)
    await registry.remove(old.id)
    new = await add(registry, "http://127.0.0.1:2")
    with pytest.raises(FleetFullError):
        await add(registry, "http://127.0.0.1:3")

    assert [*registry.fleet.workers] == [old.id, new.id]
    old.vacate(1)
    await registry.aclose()


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
@pytest.mark.parametrize("path", ["/nonexistent.pem", "/zero\0byte.pem"])
async def test_a_certificate_that_cannot_be_read_stores_nothing(registry: Registry, scheme: str, path: str) -> None:
    """The spec is refused, and its URL is free again."""
    for _ in range(2):
        with pytest.raises(InvalidRequestError) as caught:
            await add(registry, f"{scheme}://localhost:1", tls={"ca_path": path})
        assert caught.value.param == "tls"
    assert registry.fleet.workers == {}


async def test_a_registration_nobody_waits_for_stores_nothing(registry: Registry, tmp_path: Path) -> None:
    """Its asker leaves while a certificate is read, from a pipe that says nothing; its URL is free again."""
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    adding = asyncio.get_running_loop().create_task(add(registry, "https://localhost:1", tls={"ca_path": str(pipe)}))
    await until(lambda: registry._urls != {})
    writer = await asyncio.to_thread(pipe.open, "wb")  # returns once it is read from
    adding.cancel()
    await asyncio.wait([adding])
    writer.close()

    assert adding.cancelled()
    assert (await add(registry, "https://localhost:1")).url == "https://localhost:1"


async def test_removal_drains_first(registry: Registry, engine: tuple[HttpEngine, str], heard: Recorder) -> None:
    """No new request at once; what runs finishes; then the worker is gone and closed."""
    worker = await ready(registry, engine[1])
    with worker.lease(3) as lease:
        await registry.remove(worker.id)
        assert registry.fleet.select(HttpWorker) == ()
        assert worker.life.state is LifeState.DRAINING
        assert await worker.probe()
        lease.settle(Outcome.SUCCEEDED)
    await registry.gone(worker.id)

    assert worker.life.state is LifeState.GONE
    assert not await worker.probe()
    assert [event.worker_id for event in heard.of(WorkerRemoved)] == [worker.id]
    with pytest.raises(NotFoundError):
        registry.get(worker.id)


async def test_a_stuck_request_is_cut_at_the_drain_limit(engine: tuple[HttpEngine, str]) -> None:
    """A worker leaves even if a request does not."""
    registry = Registry(factory())
    worker = await ready(registry, engine[1], health={"drain_secs": 0.02, "retry_interval_secs": 0.01})
    with worker.lease(1):
        await registry.remove(worker.id)
        await asyncio.wait_for(registry.gone(worker.id), 2)
        assert worker.life.state is LifeState.GONE
    assert worker.in_flight == 0
    await registry.aclose()


async def test_an_address_comes_back_while_its_old_worker_drains(
    registry: Registry, engine: tuple[HttpEngine, str]
) -> None:
    """The new worker is another one; the old one's requests never count against it."""
    old = await ready(registry, engine[1])
    with old.lease(1):
        await registry.remove(old.id)
        new = await ready(registry, engine[1])
        assert new.id != old.id
        assert (old.in_flight, new.in_flight) == (1, 0)
    assert (old.in_flight, new.in_flight) == (0, 0)


async def test_a_patch_of_words_keeps_the_transport(registry: Registry, engine: tuple[HttpEngine, str]) -> None:
    """Priority, labels, key and health change in place."""
    worker = await ready(registry, engine[1])
    same = await registry.patch(worker.id, {"priority": 9, "labels": {"zone": "a"}, "health": {"timeout_secs": 1.5}})

    assert same is worker
    assert (worker.priority, worker.labels["zone"], worker.settings.health.timeout_secs) == (9, "a", 1.5)
    assert worker.available


async def test_a_patch_of_the_breaker_holds_from_then_on(registry: Registry, engine: tuple[HttpEngine, str]) -> None:
    """One failure trips a breaker that may fail once, though the worker began with another."""
    old = await ready(registry, engine[1])
    new = await registry.patch(old.id, {"breaker": {"failure_threshold": 1}})
    with new.lease(1) as lease:
        lease.settle(Outcome.FAILED)

    assert new.breaker.state is BreakerState.OPEN
    assert registry.fleet.select(HttpWorker, model="m") == ()


async def test_a_patch_of_the_transport_swaps_it_without_a_gap(
    registry: Registry, engine: tuple[HttpEngine, str]
) -> None:
    """The new worker has the old one's id and facts at once; the old one ends its own requests."""
    old = await ready(registry, engine[1], priority=3)
    with old.lease(1):
        new = await registry.patch(old.id, {"http_pool": {"max_connections": 5}})
        assert registry.fleet.select(HttpWorker, model="m") == (new,)
        assert (new.id, new.priority, new.settings.pool.max_connections) == (old.id, 3, 5)
        assert (new.in_flight, old.in_flight) == (0, 1)
        assert await old.probe()
    await until(lambda: old.probe_error == "" and old.in_flight == 0)
    await until(lambda: len(registry._retired) == 0)

    assert not await old.probe()
    assert await new.probe()


async def test_a_replacement_is_learnt_anew(registry: Registry, engine: tuple[HttpEngine, str]) -> None:
    """PUT keeps id and URL and nothing else."""
    old = await ready(registry, engine[1], priority=3)
    new = await registry.replace(old.id, read_spec({"url": engine[1], "models": [{"id": "mine"}]}))
    await until(lambda: new.available)

    assert (new.id, new.priority, new.serves("mine")) == (old.id, 50, True)
    with pytest.raises(InvalidRequestError):
        await registry.replace(old.id, read_spec({"url": "http://elsewhere:1"}))


async def test_a_worker_that_leaves_cannot_be_changed(registry: Registry, engine: tuple[HttpEngine, str]) -> None:
    """It is a conflict, not a revival."""
    worker = await ready(registry, engine[1])
    with worker.lease(1):
        await registry.remove(worker.id)
        with pytest.raises(ConflictError):
            await registry.patch(worker.id, {"priority": 1})


async def test_an_unknown_id_is_not_found(registry: Registry) -> None:
    """Ids are never reused and never guessed."""
    with pytest.raises(NotFoundError):
        await registry.remove(WorkerId("nobody"))


async def test_a_bare_address_is_probed_until_it_answers(registry: Registry, engine: tuple[HttpEngine, str]) -> None:
    """HTTP or gRPC is found out; the worker keeps its id."""
    async with grpc_engine() as (_, grpc_url):
        http = await ready(registry, engine[1].removeprefix("http://"))
        grpc_ = await ready(registry, grpc_url.removeprefix("grpc://"))
        assert (http.connection_mode, http.url) == (ConnectionMode.HTTP, engine[1])
        assert (grpc_.connection_mode, grpc_.runtime) == (ConnectionMode.GRPC, Runtime.MLX)
        assert registry.fleet.select(HttpWorker, model="m") == (http,)
        assert registry.fleet.select(GrpcWorker, model="m") == (grpc_,)
        await registry.remove(grpc_.id)
        await registry.gone(grpc_.id)


async def test_a_worker_whose_mode_is_no_longer_stated_is_probed_for_it(registry: Registry) -> None:
    """It is not believed to be ready before it is known again how it is reached."""
    async with grpc_engine() as (_, url):
        old = await ready(registry, url.removeprefix("grpc://"), connection_mode="grpc")
        new = await registry.patch(old.id, {"connection_mode": None})
        assert (new.connection_mode, new.life.state) == (None, LifeState.PENDING)

        await until(lambda: registry.get(old.id).available)
        assert registry.fleet.select(GrpcWorker, model="m") == (registry.get(old.id),)
        await registry.aclose()


async def test_a_worker_whose_mode_is_stated_anew_must_answer_in_it(
    registry: Registry, engine: tuple[HttpEngine, str]
) -> None:
    """That it was ready over HTTP says nothing of gRPC."""
    old = await ready(registry, engine[1].removeprefix("http://"), connection_mode="http")
    new = await registry.patch(old.id, {"connection_mode": "grpc"})

    assert (new.connection_mode, new.life.state) == (ConnectionMode.GRPC, LifeState.PENDING)


async def test_a_runtime_that_is_no_longer_stated_is_still_known(registry: Registry) -> None:
    """The worker serves on by the protocol it has served by; one that is none takes it out."""
    async with grpc_engine() as (_, url):
        old = await ready(registry, url, runtime="mlx")
        new = await registry.patch(old.id, {"runtime_type": None})
        assert (new.available, new.runtime) == (True, Runtime.MLX)

        none = await registry.patch(old.id, {"runtime_type": "external"})
        assert none.life.state is LifeState.PENDING
        assert registry.fleet.select(GrpcWorker, model="m") == ()
        await registry.aclose()


async def test_an_engine_of_another_kind_in_its_place_is_detected_anew(registry: Registry) -> None:
    """It is spoken to in its own protocol, and what it serves is learnt, without a word of the operator."""
    async with changing_engine(Runtime.MLX) as (engine, url):
        worker = await ready(registry, url)
        for runtime in (Runtime.VLLM, Runtime.MLX):
            engine.become(runtime)
            await until(lambda: worker.serves(runtime.value))  # noqa: B023 - called within the loop
            assert (worker.available, worker.runtime) == (True, runtime)
        stated = await registry.patch(worker.id, {"runtime_type": "mlx"})
        engine.become(Runtime.VLLM)
        await until(lambda: stated.life.state is LifeState.UNHEALTHY)
        assert "does not know" in stated.life.reason
        await registry.aclose()


async def test_an_unprobed_worker_that_is_not_there_is_visible(registry: Registry, unused_port: int) -> None:
    """It has no mode and a reason."""
    worker = await add(registry, f"127.0.0.1:{unused_port}")
    await until(lambda: "neither" in worker.life.reason)

    assert worker.connection_mode is None


async def test_ranks_become_workers_where_wanted() -> None:
    """One worker per rank, the first with the id that was registered."""
    told = HttpEngine(models=[{"id": "m", "owned_by": "sglang"}], server_info={"dp_size": 3})
    async with http_engine(told) as (_, url):
        registry = Registry(factory(with_defaults(expand_ranks=True)))
        worker = await add(registry, url)
        await until(lambda: len(registry.fleet.select(HttpWorker, model="m")) == 3)
        ranks = {worker.rank: worker.base_url for worker in registry.fleet.select(HttpWorker)}
        assert ranks == {0: url, 1: url, 2: url}
        assert registry.get(worker.id).rank == 0
        await registry.aclose()


async def test_more_ranks_than_workers_are_allowed_are_not_made() -> None:
    """An engine that tells of billions costs one line of text; it stays pending and says why."""
    told = HttpEngine(models=[{"id": "m", "owned_by": "sglang"}], server_info={"dp_size": 2_000_000_000})
    async with http_engine(told) as (_, url):
        registry = Registry(factory(with_defaults(expand_ranks=True)))
        worker = await add(registry, url)
        await until(lambda: "more ranks" in worker.life.reason)
        assert worker.life.state is LifeState.PENDING
        assert len(registry.fleet.workers) == 1
        await registry.aclose()


async def test_a_failing_worker_leaves_the_candidates_and_comes_back(
    registry: Registry, engine: tuple[HttpEngine, str], heard: Recorder
) -> None:
    """Three bad probes take it out with a reason, two good ones bring it back as a new epoch."""
    worker = await ready(registry, engine[1])
    engine[0].healthy = False
    await until(lambda: worker.life.state is LifeState.UNHEALTHY)
    assert registry.fleet.select(HttpWorker) == ()
    assert registry.fleet.known("m")
    assert "503" in worker.life.reason

    engine[0].models[0]["id"] = "n"
    engine[0].healthy = True
    await until(lambda: worker.available)
    assert registry.fleet.select(HttpWorker, model="n") == (worker,)
    assert not registry.fleet.known("m")
    assert worker.epoch == 1
    moves = [(event.old, event.new) for event in heard.of(WorkerLifeChanged)]
    assert moves == [
        (LifeState.PENDING, LifeState.READY),
        (LifeState.READY, LifeState.UNHEALTHY),
        (LifeState.UNHEALTHY, LifeState.READY),
    ]


async def test_a_worker_without_models_stays_pending(registry: Registry) -> None:
    """It serves nothing, and says why, until it lists a model."""
    empty = HttpEngine(models=[])
    async with http_engine(empty) as (_, url):
        worker = await add(registry, url)
        await until(lambda: worker.life.reason == "lists no models")
        empty.models.append({"id": "late"})
        await until(lambda: worker.available)
        assert registry.fleet.known("late")


async def test_an_external_worker_takes_any_model(registry: Registry, engine: tuple[HttpEngine, str]) -> None:
    """Nobody listed its models, so every name may be one of its; it is ready without being asked anything."""
    worker = await ready(registry, engine[1], runtime="external")

    assert engine[0].seen == []
    assert registry.fleet.known("anything")
    assert registry.fleet.select(HttpWorker, model="anything") == (worker,)


async def test_without_health_checks_a_worker_is_ready_once_known(
    registry: Registry, engine: tuple[HttpEngine, str]
) -> None:
    """No probe is sent."""
    await ready(registry, engine[1], health={"disable_health_check": True})

    assert "/health" not in {path for _, path, _, _ in engine[0].seen}


async def test_a_panic_is_told_once_when_it_begins_and_once_when_it_ends(heard: Recorder) -> None:
    """However often the fleet is looked at meanwhile, and changes otherwise."""
    registry = Registry(factory(with_defaults(panic_ratio=0.5), heard))
    async with http_engine() as (_, url):
        worker = await ready(registry, url)
        registry.fleet.select(HttpWorker)
        for state in (LifeState.UNHEALTHY, LifeState.READY):
            worker.move(state, "test")
            for _ in range(3):
                registry.fleet.select(HttpWorker)
                worker.changed()
        await registry.aclose()

    told = [(event.model, event.worker_type, event.panicking) for event in heard.of(PanicChanged)]
    assert told == [("m", WorkerType.REGULAR, True), ("m", WorkerType.REGULAR, False)]


class Tokenizers:
    """Lends a word to whoever comes the second time."""

    def __init__(self) -> None:
        self.asked = 0
        self.lent: set[Worker] = set()

    async def attach(self, worker: GrpcWorker) -> None:
        """Refuse once."""
        self.asked += 1
        if self.asked == 1:
            raise TokenizerMissingError("nowhere")
        self.lent.add(worker)
        worker.tokenizer = "tokenizer"

    async def detach(self, worker: GrpcWorker) -> None:
        """Take it back."""
        self.lent.discard(worker)


async def test_a_grpc_worker_waits_for_its_tokenizer() -> None:
    """Without one it is pending with that reason; when it leaves, the tokenizer is given back."""
    async with grpc_engine(GrpcEngine()) as (_, url):
        source = Tokenizers()
        registry = Registry(factory(), tokenizers=source)
        worker = await add(registry, url)
        await until(lambda: worker.life.reason == "no tokenizer: nowhere")
        assert worker.life.state is LifeState.PENDING
        await until(lambda: worker.available)
        assert worker.tokenizer == "tokenizer"
        await registry.aclose()
        await registry.aclose()

    assert source.lent == set()
