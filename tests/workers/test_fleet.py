"""The fleet answers by name, alias, class, type and runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.core.words import LifeState, Outcome, Runtime, WorkerId, WorkerType
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


def fleet(*workers: Worker, panic_ratio: float = 0.0) -> Fleet:
    return assemble({worker.id: worker for worker in workers}, panic_ratio)


def away(name: str, url: str, **spec: Any) -> Worker:
    """Return a worker that was ready and fails its probes now."""
    made = worker(name, url, **spec)
    made.move(LifeState.UNHEALTHY, "test")
    return made


def card(name: str, *aliases: str) -> dict[str, object]:
    return {"id": name, "aliases": list(aliases)}


def test_a_mixed_fleet_is_split_by_class_and_type() -> None:
    """Each router finds its own, and only those that are ready."""
    http = worker("a", "http://h:1", models=[card("m")])
    grpc_ = worker("b", "grpc://h:2", models=[card("m")], runtime="vllm")
    prefill = worker("c", "http://h:3", models=[card("m")], worker_type="prefill")
    new = worker("d", "http://h:4", models=[card("m")], ready=False)
    all_four = fleet(http, grpc_, prefill, new)

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
    lonely = fleet(worker("a", "http://h:1", models=[card("m")], ready=False))

    assert lonely.known("m")
    assert lonely.select(HttpWorker, model="m") == ()
    assert not lonely.known("n")


def test_a_fleet_knows_that_it_does_not_yet_know_all() -> None:
    """Until a new worker has told its models, one that is not known may yet be; told or listed, it is not."""
    new = worker("a", "http://h:1", ready=False)
    listed = worker("b", "http://h:2", ready=False, models=[card("m")])
    provider = worker("c", "https://h:3", ready=False, runtime="external")

    assert fleet(new, listed).undiscovered
    assert not fleet(listed, provider).undiscovered
    new.move(LifeState.DRAINING, "test")
    assert not fleet(new).undiscovered


REGULAR = WorkerType.REGULAR
M = [card("m", "x")]


def test_without_a_panic_ratio_health_always_counts() -> None:
    """The default: nobody is ready, nobody is offered."""
    one = fleet(away("a", "http://h:1", models=M))

    assert (one.select(HttpWorker, model="m"), one.panics) == ((), frozenset())


def test_below_the_panic_ratio_health_is_ignored() -> None:
    """One of three is ready and a half must be: all three are candidates, by name, by alias and for any model."""
    ready = worker("a", "http://h:1", models=M)
    out = [away("b", "http://h:2", models=M), away("c", "http://h:3", models=M)]
    three = fleet(ready, *out, panic_ratio=0.5)

    assert three.panics == {("m", REGULAR), ("x", REGULAR)}
    for model in ("m", "x", None):
        assert three.select(HttpWorker, model=model) == (ready, *out)


def test_at_the_panic_ratio_health_counts() -> None:
    """One of two is ready and a half must be: the other is left out."""
    ready = worker("a", "http://h:1", models=M)
    two = fleet(ready, away("b", "http://h:2", models=M), panic_ratio=0.5)

    assert two.select(HttpWorker, model="m") == (ready,)
    assert two.panics == frozenset()


def test_new_workers_and_those_that_leave_never_panic() -> None:
    """Neither are they candidates, nor do they count."""
    new, leaving = worker("a", "http://h:1", models=M, ready=False), worker("b", "http://h:2", models=M)
    leaving.move(LifeState.DRAINING, "test")
    out = away("c", "http://h:3", models=M)
    three = fleet(new, leaving, out, panic_ratio=1.0)

    assert three.select(HttpWorker, model="m") == (out,)
    assert fleet(new, leaving, panic_ratio=1.0).panics == frozenset()


def test_each_model_panics_for_itself() -> None:
    """A worker that is away serves the model without others, and not the one whose others are well."""
    both = away("a", "http://h:1", models=[card("m"), card("n")])
    well = [worker(name, f"http://h:{name}", models=[card("n")]) for name in ("2", "3")]
    three = fleet(both, *well, panic_ratio=0.5)

    assert three.select(HttpWorker, model="m") == (both,)
    assert three.select(HttpWorker, model="n") == tuple(well)
    assert three.panics == {("m", REGULAR)}


def test_both_modes_are_one_group() -> None:
    """Workers of one mode do not panic while those of the other can serve; parts of inference are apart."""
    well = worker("a", "http://h:1", models=M)
    out = away("b", "grpc://h:2", models=M, runtime="vllm")
    prefill = away("c", "http://h:3", models=M, worker_type="prefill")
    three = fleet(well, out, prefill, panic_ratio=0.5)

    assert three.select(GrpcWorker, model="m") == ()
    assert three.select(HttpWorker, WorkerType.PREFILL, model="m") == (prefill,)


async def test_breakers_count_even_in_panic() -> None:
    """A worker whose requests fail is left out, whatever its health is worth."""
    out = [away("a", "http://h:1", models=M), away("b", "http://h:2", models=M)]
    for _ in range(3):
        with out[0].lease(1) as lease:
            lease.settle(Outcome.FAILED)

    assert fleet(*out, panic_ratio=0.5).select(HttpWorker, model="m") == (out[1],)
    out[0].retire()  # ends its timer
