"""One fleet in several processes; here each is a registry with a line of its own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from smg.core.errors import (
    ConflictError,
    DrainingError,
    InvalidRequestError,
    LeaseRefusedError,
    NotFoundError,
    OverloadedError,
)
from smg.core.words import ConnectionMode, LifeState, WorkerId
from smg.server.processes import fleet as module
from smg.server.processes.board import Board, Table
from smg.server.processes.broadcast import Broadcast
from smg.server.processes.fleet import SharedFleet
from smg.server.processes.messages import Change, Member, Turn
from smg.server.processes.roster import Roster
from smg.server.schema import Settings
from smg.server.settings import ServerSettings
from smg.workers.registry import Registry
from smg.workers.spec import read_spec
from tests.server.processes.lines import line
from tests.workers.engines import HttpEngine, http_engine
from tests.workers.support import factory, until, with_defaults

if TYPE_CHECKING:
    from smg.server.processes.peer import Peer


@dataclass
class Shared:
    """Two fleets, their registries, and the ends of their lines at the supervisor."""

    fleets: list[SharedFleet]
    registries: list[Registry]
    ends: dict[int, Peer]

    def ids(self):
        """Return the ids that each process has."""
        return [[*registry.fleet.workers] for registry in self.registries]


@asynccontextmanager
async def shared(**changes):
    """Yield two processes' fleets under one roster."""
    defaults = with_defaults(**changes)
    made = Shared([], [], {})
    broadcast = Broadcast(Roster(defaults, 64), lambda: made.ends)
    tree = Settings(server=ServerSettings(processes=2))
    async with AsyncExitStack() as stack:
        table = Table(tree)
        stack.callback(table.close)
        for number in (1, 2):

            async def apply(message, at=number - 1):
                await made.fleets[at].apply(message)

            async def write(message):
                return await broadcast.write(message)

            end, peer = await stack.enter_async_context(line(apply, write))
            board = Board(table, number - 1)
            registry = Registry(replace(factory(defaults), shares=board))
            stack.push_async_callback(registry.aclose)
            made.ends[number] = end
            made.fleets.append(SharedFleet(defaults, peer, board))
            made.registries.append(registry)
            await made.fleets[-1].fill(registry, ())
        yield made


def spec(url="http://127.0.0.1:9", **fields):
    """Return a spec."""
    return read_spec({"url": url, **fields})


async def test_a_write_is_done_everywhere_before_it_is_answered():
    """Whoever is told of success finds it so wherever it asks next."""
    async with shared() as made:
        one, two = made.registries
        worker = await made.fleets[0].add(spec(api_key="k", priority=1), "api")
        assert worker is one.get(worker.id)
        assert two.get(worker.id).spec == spec(api_key="k", priority=1)
        await made.fleets[1].patch(worker.id, {"priority": 5})
        assert [registry.get(worker.id).priority for registry in made.registries] == [5, 5]
        await made.fleets[0].replace(worker.id, spec(priority=9))
        assert [registry.get(worker.id).priority for registry in made.registries] == [9, 9]
        one.get(worker.id).occupy(1)
        two.get(worker.id).occupy(1)
        await made.fleets[1].remove(worker.id)
        assert [registry.get(worker.id).life.state for registry in made.registries] == [LifeState.DRAINING] * 2


async def test_a_workers_limit_is_of_all_processes():
    """What one process has in flight, the other counts; a rebuilt worker goes on counting with it."""
    async with shared() as made:
        worker = await made.fleets[0].add(spec(http_pool={"max_in_flight": 2}), "api")
        one, two = (registry.get(worker.id) for registry in made.registries)
        one.occupy(1)
        two.occupy(1)
        for each in (one, two):
            with pytest.raises(LeaseRefusedError):
                each.occupy(1)
        assert (one.in_flight, one.places.everywhere, two.places.everywhere) == (1, 2, 2)
        await made.fleets[1].replace(worker.id, one.spec)
        one_anew = made.registries[0].get(worker.id)
        with pytest.raises(LeaseRefusedError):
            one_anew.occupy(1)
        two.vacate(1)
        one_anew.occupy(1)
        assert one_anew.places.everywhere == 2
        one.vacate(1)
        one_anew.vacate(1)
        assert one_anew.places.everywhere == 0


async def test_writes_from_all_sides_end_in_one_fleet():
    """Many at once, of one URL and of many: each process has the same workers."""
    async with shared() as made:
        adds = [made.fleets[at % 2].add(spec(f"http://127.0.0.1:{at % 5 + 1}"), "api") for at in range(20)]
        told = await asyncio.gather(*adds, return_exceptions=True)
        assert sum(isinstance(each, ConflictError) for each in told) == 15
        assert len(made.ids()[0]) == 5
        assert made.ids()[0] == made.ids()[1]


async def test_a_full_fleet_takes_a_worker_in_everywhere_for_one_that_leaves():
    """Also where the one that leaves has a request left; what one process takes in, the other does."""
    async with shared(max_workers=1) as made:
        old = await made.fleets[0].add(spec(), "api")
        busy = made.registries[1].get(old.id)
        busy.occupy(1)
        await made.fleets[0].remove(old.id)
        new = await made.fleets[0].add(spec("http://127.0.0.1:10"), "api")
        assert [registry.get(new.id).url for registry in made.registries] == [new.url] * 2
        busy.vacate(1)


async def test_refusals_are_the_registrys():
    """An unknown worker, one that leaves, and a change that cannot be used."""
    async with shared() as made:
        fleet = made.fleets[0]
        with pytest.raises(NotFoundError):
            await fleet.patch(WorkerId("nobody"), {})
        worker = await fleet.add(spec(), "api")
        with pytest.raises(InvalidRequestError) as raised:
            await fleet.patch(worker.id, {"health": {"unheard": 1}})
        assert raised.value.param == "health.unheard"
        worker.occupy(1)
        await fleet.remove(worker.id)
        await fleet.remove(worker.id)
        with pytest.raises(ConflictError):
            await fleet.replace(worker.id, spec())


async def test_a_mode_is_found_for_all():
    """Both processes probe a bare address; one id, one spec, and both serve."""
    async with shared() as made, http_engine() as (_, url):
        worker = await made.fleets[0].add(spec(url.removeprefix("http://")), "api")
        await until(lambda: all(registry.get(worker.id).available for registry in made.registries))
        assert [registry.get(worker.id).connection_mode for registry in made.registries] == [ConnectionMode.HTTP] * 2


async def test_ranks_have_the_same_ids_everywhere():
    """Whoever finds them first has them made for all."""
    told = HttpEngine(models=[{"id": "m", "owned_by": "sglang"}], server_info={"dp_size": 3})
    async with shared(expand_ranks=True) as made, http_engine(told) as (_, url):
        worker = await made.fleets[1].add(spec(url), "api")
        await until(lambda: all(len(ids) == 3 for ids in made.ids()))
        await until(lambda: all(registry.get(worker.id).available for registry in made.registries))
        assert sorted(made.ids()[0]) == sorted(made.ids()[1])
        assert [registry.get(worker.id).rank for registry in made.registries] == [0, 0]


async def test_changes_wait_for_the_beginning():
    """What comes while a process begins is done after it, in its order; a member that cannot be used is left out."""
    async with line() as (_, peer):
        table = Table(Settings())
        registry = Registry(factory())
        fleet = SharedFleet(factory().defaults, peer, Board(table, 0))
        member = Member(id=WorkerId("w1"), spec=spec(), source="api", seat=0)
        changed = Member(id=WorkerId("w1"), spec=spec(priority=2), source="api", seat=0)
        bad = Member(id=WorkerId("w2"), spec=spec("https://a:1", tls={"ca_path": "/not/there"}), source="api", seat=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(fleet.apply(Change(turn=Turn.CHANGE, member=changed)))
            group.create_task(fleet.apply(Change(turn=Turn.REMOVE, member=changed)))
            await asyncio.sleep(0)
            assert not fleet.filled
            await fleet.fill(registry, (member, bad))
        assert fleet.filled
        assert registry.get(member.id).spec == changed.spec
        assert registry.get(member.id).life.state is LifeState.DRAINING
        with pytest.raises(NotFoundError):
            registry.get(bad.id)
        await registry.aclose()
        table.close()


async def test_without_a_supervisor_nothing_changes():
    """A process whose supervisor is gone says that it ends."""
    async with shared() as made:
        await made.ends[1].aclose()
        with pytest.raises(DrainingError):
            await made.fleets[0].add(spec(), "api")


async def test_a_supervisor_that_does_not_answer_is_waited_for_only_so_long(monkeypatch):
    """The administrator is told to come back."""
    monkeypatch.setattr(module, "WRITE_SECS", 0.01)
    never = asyncio.Event()

    async def hang(_message):
        await never.wait()

    async with line(back=hang) as (_, peer):
        table = Table(Settings())
        fleet = SharedFleet(factory().defaults, peer, Board(table, 0))
        with pytest.raises(OverloadedError):
            await fleet.add(spec(), "api")
        never.set()
        table.close()
