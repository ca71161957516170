"""Who exists, as the supervisor decides."""

from __future__ import annotations

import asyncio

import pytest

from smg.core.errors import ConflictError, FleetFullError, InvalidRequestError, NotFoundError
from smg.core.words import WorkerId
from smg.server.processes.messages import (
    AddWorker,
    ExpandWorker,
    PatchWorker,
    RemoveWorker,
    ReplaceWorker,
    ResolveWorker,
    Turn,
)
from smg.server.processes.roster import Roster
from smg.workers.settings import WorkerDefaults
from smg.workers.spec import read_spec

NOBODY = WorkerId("nobody")


@pytest.fixture
async def roster():
    """An empty roster with room for three."""
    return Roster(WorkerDefaults(max_workers=3), seats=4)


def spec(url="http://a:1", **fields):
    """Return a spec."""
    return read_spec({"url": url, **fields})


async def added(roster, url="http://a:1", **fields):
    """Register a worker and return its id."""
    [change] = await roster.decide(AddWorker(spec=spec(url, **fields), source="api"))
    assert change.turn is Turn.ADD
    return change.member.id


async def test_a_new_worker_is_a_member_with_an_id_of_its_own(roster):
    """Everybody is told the same id, and its whole spec with the key."""
    first = await added(roster, api_key="k")
    second = await added(roster, "http://b:1")

    assert [*roster.members] == [first, second]
    assert (roster.members[first].spec, roster.members[first].source) == (spec(api_key="k"), "api")
    assert [*roster.urls] == ["http://a:1", "http://b:1"]


async def test_a_seat_is_nobody_elses_and_not_soon_again(roster):
    """Who comes next does not get the seat of one that may still be leaving; a change keeps its own."""
    ids = [await added(roster, f"http://a:{port}") for port in (1, 2, 3)]
    seats = [roster.members[worker_id].seat for worker_id in ids]
    await roster.decide(RemoveWorker(id=ids[0]))
    next_id = await added(roster, "http://a:4")
    await roster.decide(PatchWorker(id=ids[1], changes={"priority": 1}))

    assert (seats, roster.members[next_id].seat, roster.members[ids[1]].seat) == ([0, 1, 2], 3, 1)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"health": {"unheard": 1}}, "health.unheard"),
        ({"url": "https://a:1", "tls": {"ca_path": "/not/there.pem"}}, "tls"),
        ({"url": "https://a:1", "tls": {"ca_path": "/not\0there.pem"}}, "tls"),
        ({"connection_mode": "grpc"}, "connection_mode"),
    ],
)
async def test_what_no_process_could_use_is_refused(roster, fields, param):
    """Before anybody is told of it."""
    with pytest.raises(InvalidRequestError) as raised:
        await roster.decide(AddWorker(spec=spec(**fields), source="api"))

    assert raised.value.param == param
    assert roster.members == {}


async def test_one_url_is_one_worker(roster):
    """Whichever process asks, and even where both ask at once."""
    asks = [roster.decide(AddWorker(spec=spec(), source="api")) for _ in range(5)]
    told = await asyncio.gather(*asks, return_exceptions=True)

    assert sum(isinstance(each, ConflictError) for each in told) == 4
    assert len(roster.members) == 1


async def test_there_are_only_so_many(roster):
    """Beyond the cap nobody is added, and whoever leaves makes room."""
    ids = [await added(roster, f"http://a:{port}") for port in (1, 2, 3)]
    with pytest.raises(FleetFullError):
        await added(roster, "http://a:4")
    await roster.decide(RemoveWorker(id=ids[0]))
    await added(roster, "http://a:4")
    await added_conflict(roster, "http://a:2")


async def added_conflict(roster, url):
    """Find a URL taken or the roster full."""
    with pytest.raises((ConflictError, FleetFullError)):
        await added(roster, url)


async def test_a_patch_is_decided_on_what_is_there(roster):
    """Fields merge into the spec that all have, and all are told the whole of it."""
    worker_id = await added(roster, labels={"a": "1"}, priority=7)
    [change] = await roster.decide(PatchWorker(id=worker_id, changes={"labels": {"b": "2"}, "priority": None}))

    assert change.turn is Turn.CHANGE
    assert change.member == roster.members[worker_id]
    assert change.member.spec == spec(labels={"a": "1", "b": "2"})


async def test_replacing_keeps_the_url(roster):
    """A worker's identity is for life."""
    worker_id = await added(roster)
    [change] = await roster.decide(ReplaceWorker(id=worker_id, spec=spec(priority=3)))
    assert (change.turn, change.member.spec.priority) == (Turn.REBUILD, 3)
    with pytest.raises(InvalidRequestError):
        await roster.decide(ReplaceWorker(id=worker_id, spec=spec("http://b:1")))


async def test_who_is_gone_is_gone(roster):
    """A second removal and every later change find nobody; the URL is free."""
    worker_id = await added(roster)
    [change] = await roster.decide(RemoveWorker(id=worker_id))
    assert change.turn is Turn.REMOVE
    writes = (RemoveWorker(id=worker_id), PatchWorker(id=worker_id, changes={}), ReplaceWorker(id=NOBODY, spec=spec()))
    for write in writes:
        with pytest.raises(NotFoundError):
            await roster.decide(write)
    await added(roster)


async def test_the_first_to_find_a_mode_decides(roster):
    """The worker is rebuilt with what answered; the others who find out change nothing."""
    worker_id = await added(roster, "a:1")
    [change] = await roster.decide(ResolveWorker(id=worker_id, url="grpc://a:1"))
    again = await roster.decide(ResolveWorker(id=worker_id, url="http://a:1"))

    assert (change.turn, change.member.spec.url, again) == (Turn.REBUILD, "grpc://a:1", ())
    assert [*roster.urls] == ["grpc://a:1"]


async def test_a_mode_that_makes_it_another_worker_is_refused(roster):
    """Two entries of one engine stay two; the nameless one never becomes the other."""
    worker_id = await added(roster, "a:1")
    await added(roster, "http://a:1")
    with pytest.raises(ConflictError):
        await roster.decide(ResolveWorker(id=worker_id, url="http://a:1"))

    assert roster.members[worker_id].spec.url == "a:1"


async def test_the_first_to_find_ranks_decides(roster):
    """The first rank has the id that was registered; ranks that are there already are left alone."""
    worker_id = await added(roster)
    await added(roster, "http://a:1@1")
    ranks = tuple(spec(f"http://a:1@{rank}") for rank in range(3))
    changes = await roster.decide(ExpandWorker(id=worker_id, specs=ranks))
    again = await roster.decide(ExpandWorker(id=worker_id, specs=ranks))

    assert [(change.turn, change.member.spec.url) for change in changes] == [
        (Turn.ADD, "http://a:1@2"),
        (Turn.REBUILD, "http://a:1@0"),
    ]
    assert (changes[-1].member.id, again) == (worker_id, ())


async def test_ranks_that_find_no_room_are_not_half_made(roster):
    """All or none."""
    worker_id = await added(roster)
    ranks = tuple(spec(f"http://a:1@{rank}") for rank in range(4))
    with pytest.raises(FleetFullError):
        await roster.decide(ExpandWorker(id=worker_id, specs=ranks))

    assert [member.spec.url for member in roster.members.values()] == ["http://a:1"]
