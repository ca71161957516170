"""The fleet answers by name, alias, class, type and runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.words import LifeState, Runtime, WorkerId, WorkerType
from smg.workers.fleet import Fleet, assemble
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from smg.workers.spec import read_spec
from tests.workers.support import factory

if TYPE_CHECKING:
    from smg.workers.worker import Worker


def worker(name: str, url: str, *, ready: bool = True, **spec: object) -> Worker:
    made = factory().build(read_spec({"url": url, **spec}), WorkerId(name), "test")
    if ready:
        made.move(LifeState.READY, "test")
    return made


def fleet(*workers: Worker) -> Fleet:
    return assemble({worker.id: worker for worker in workers})


def card(name: str, *aliases: str) -> dict[str, object]:
    return {"id": name, "aliases": list(aliases)}


def test_a_mixed_fleet_is_split_by_class_and_type() -> None:
    """Each router finds its own, and only those that are ready."""
    http = worker("a", "http://h:1", models=[card("m")])
    grpc_ = worker("b", "grpc://h:2", models=[card("m")], runtime="vllm")
    prefill = worker("c", "http://h:3", models=[card("m")], worker_type="prefill")
    away = worker("d", "http://h:4", models=[card("m")], ready=False)
    all_four = fleet(http, grpc_, prefill, away)

    assert all_four.select(HttpWorker, model="m") == (http,)
    assert all_four.select(GrpcWorker, model="m") == (grpc_,)
    assert all_four.select(GrpcWorker, model="m", runtime=Runtime.SGLANG) == ()
    assert all_four.select(HttpWorker, WorkerType.PREFILL) == (prefill,)
    assert list(all_four.workers) == ["a", "b", "c", "d"]


def test_an_alias_finds_its_model() -> None:
    """Callers may use either name; the engine is told its own."""
    one = worker("a", "http://h:1", models=[card("m", "gpt")])

    assert fleet(one).select(HttpWorker, model="gpt") == (one,)
    assert one.canonical("gpt") == "m"
    assert [model.id for model in fleet(one).models()] == ["m"]


def test_a_models_own_name_goes_before_anothers_alias() -> None:
    """A worker cannot take another model's requests by an alias; the first to claim an alias has it."""
    own = worker("a", "http://h:1", models=[card("m", "x")])
    thief = worker("b", "http://h:2", models=[card("n", "m", "x")])
    both = fleet(thief, own)

    assert both.select(HttpWorker, model="m") == (own,)
    assert both.select(HttpWorker, model="x") == (thief,)


def test_an_external_worker_joins_every_model() -> None:
    """Listed names and unlisted ones."""
    listed = worker("a", "http://h:1", models=[card("m")])
    anything = worker("b", "https://api.test", runtime="external")
    both = fleet(listed, anything)

    assert both.select(HttpWorker, model="m") == (listed, anything)
    assert both.select(HttpWorker, model="n") == (anything,)
    assert both.known("n")


def test_a_worker_that_is_away_keeps_its_models_known() -> None:
    """Known but not available is another answer than unknown."""
    away = fleet(worker("a", "http://h:1", models=[card("m")], ready=False))

    assert away.known("m")
    assert away.select(HttpWorker, model="m") == ()
    assert not away.known("n")


def test_a_fleet_knows_that_it_does_not_yet_know_all() -> None:
    """Until a new worker has told its models, one that is not known may yet be; told or listed, it is not."""
    new = worker("a", "http://h:1", ready=False)
    listed = worker("b", "http://h:2", ready=False, models=[card("m")])
    provider = worker("c", "https://h:3", ready=False, runtime="external")

    assert fleet(new, listed).undiscovered
    assert not fleet(listed, provider).undiscovered
    new.move(LifeState.DRAINING, "test")
    assert not fleet(new).undiscovered
