"""The line between supervisor and process: questions, answers, refusals, and its end."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smg.core.errors import ConflictError, FleetFullError, GatewayError, InvalidRequestError, NotFoundError
from smg.core.words import WorkerId
from smg.server.processes import peer as module
from smg.server.processes.messages import Accepted, AddWorker, Done, Drain, Look, RemoveWorker
from smg.server.processes.peer import LostPeerError, Peer
from smg.workers.spec import read_spec
from tests.server.processes.lines import line
from tests.workers.support import Recorder

SPEC = read_spec({"url": "https://a:1@2", "api_key": "k", "tls": {"ca_path": "ca.pem"}, "models": [{"id": "m"}]})


async def test_a_spec_arrives_whole():
    """Key, TLS and models come out as they went in, and the answer goes to who asked."""
    heard = []

    async def take(message):
        heard.append(message)
        return Accepted(ids=(WorkerId("w1"),))

    async with line(take) as (asker, _):
        asked = AddWorker(spec=SPEC, source="api")
        answer = await asker.ask(asked, 5)

    assert heard == [asked]
    assert answer == Accepted(ids=(WorkerId("w1"),))


async def test_answers_find_their_questions_in_any_order():
    """A question that takes long holds up none that comes after it, either way."""
    gate = asyncio.Event()

    async def take(message):
        if message.id == "slow":
            await gate.wait()
        return Accepted(ids=(message.id,))

    async with line(take, take) as (one, other), asyncio.TaskGroup() as group:
        slow = group.create_task(one.ask(RemoveWorker(id=WorkerId("slow")), 5))
        quick = await one.ask(RemoveWorker(id=WorkerId("quick")), 5)
        back = await other.ask(RemoveWorker(id=WorkerId("back")), 5)
        assert not slow.done()
        gate.set()

    assert (quick, back, slow.result()) == tuple(Accepted(ids=(WorkerId(name),)) for name in ("quick", "back", "slow"))


@pytest.mark.parametrize("kind", [InvalidRequestError, NotFoundError, ConflictError, FleetFullError, GatewayError])
async def test_a_refusal_keeps_its_kind(kind):
    """The caller is told what was wrong as if the decision had been made in the process that was asked."""

    async def take(_message):
        raise kind("not so", param="url")

    async with line(take) as (asker, _):
        with pytest.raises(kind) as raised:
            await asker.ask(Look(), 5)

    assert (type(raised.value), raised.value.message, raised.value.param) == (kind, "not so", "url")


async def test_what_is_told_is_heard_in_order_and_not_answered():
    """Telling waits for nobody."""
    heard = []

    async def take(message):
        heard.append(message)

    async with line(take) as (teller, _):
        teller.tell(Drain())
        teller.tell(Look())
        assert await teller.ask(RemoveWorker(id=WorkerId("w")), 5) == Done()

    assert heard == [Drain(), Look(), RemoveWorker(id=WorkerId("w"))]


async def test_the_end_of_the_line_ends_who_waits():
    """A question to an end that goes away fails at once, as does one to an end that is gone."""
    asked = asyncio.Event()

    async def take(_message):
        asked.set()
        await asyncio.Event().wait()

    async with line(take) as (asker, other), asyncio.TaskGroup() as group:
        waiting = group.create_task(_lost(asker))
        await asked.wait()
        await other.aclose()
        await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(_lost(asker), 5)


async def _lost(asker):
    with pytest.raises(LostPeerError):
        await asker.ask(Look(), 60)


async def test_an_answer_has_a_deadline():
    """An end that is busy for good holds nobody up for good; its late answer is nobody's."""
    late = asyncio.Event()

    async def take(message):
        if message == Look():
            await late.wait()

    async with line(take) as (asker, _):
        with pytest.raises(TimeoutError):
            await asker.ask(Look(), 0.01)
        late.set()
        assert await asker.ask(Drain(), 5) == Done()


async def test_the_last_words_are_heard():
    """What was said before the line ended is taken up, even where the end comes with it."""
    heard = []

    async def take(message):
        await asyncio.sleep(0)
        heard.append(message)

    ours, theirs = socket.socketpair()
    one, other = await Peer.over(ours, Recorder()), await Peer.over(theirs, Recorder())
    one.tell(Drain())
    await one.aclose()
    await other.run(take)

    assert heard == [Drain()]


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\0\0\0\1\xc1", b"\0\0\0\2\x91\x01", b"\0\0"])
async def test_what_makes_no_sense_is_the_end(garbage):
    """A frame without end or meaning is not waited for and not guessed at."""
    ours, theirs = socket.socketpair()
    with theirs:
        end = await Peer.over(ours, Recorder())
        theirs.sendall(garbage)
        theirs.shutdown(socket.SHUT_WR)
        await asyncio.wait_for(end.run(_never), 5)


async def _never(_message):
    raise AssertionError


async def test_an_end_that_takes_nothing_is_cut_off(monkeypatch):
    """What waits to be sent has a cap."""
    monkeypatch.setattr(module, "MAX_UNSENT_BYTES", 1 << 16)
    ours, theirs = socket.socketpair()
    with theirs:
        end = await Peer.over(ours, Recorder())
        big = AddWorker(spec=read_spec({"url": "http://a:1", "labels": {"a": "b" * 100_000}}), source="api")
        for _ in range(20):
            end.tell(big)
        await asyncio.wait_for(end.run(_never), 5)


async def test_the_first_message_can_be_awaited():
    """A process waits for what it is to be before it hears anything else; None where nobody says."""
    ours, theirs = socket.socketpair()
    one, other = await Peer.over(ours, Recorder()), await Peer.over(theirs, Recorder())
    one.tell(Drain())
    assert await other.receive() == Drain()
    await one.aclose()
    assert await other.receive() is None
    await other.aclose()
