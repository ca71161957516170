"""Decisions and who hears of them."""

from __future__ import annotations

import logging

import pytest

from smg.core.errors import InvalidRequestError, NotFoundError
from smg.core.words import WorkerId
from smg.server.observers.logs import FIELDS
from smg.server.processes.broadcast import Broadcast
from smg.server.processes.messages import AddWorker, Change, RemoveWorker, Turn
from smg.server.processes.roster import Roster
from smg.workers.settings import WorkerDefaults
from smg.workers.spec import read_spec
from tests.server.processes.lines import line

ADD = AddWorker(spec=read_spec({"url": "http://a:1"}), source="api")


async def test_all_hear_of_what_was_decided():
    """Those that have begun are told; the answer names the worker."""
    heard = []

    async def take(message):
        heard.append(message)

    async with line(take) as (one, _), line(take) as (two, _):
        accepted = await Broadcast(Roster(WorkerDefaults(), 4), lambda: {1: one, 2: two}).write(ADD)

    [first, second] = heard
    assert first == second
    assert isinstance(first, Change)
    assert (first.turn, first.member.id) == (Turn.ADD, accepted.ids[0])


async def test_nobody_hears_of_a_refusal():
    """What is not decided is not told."""

    async def take(_message):
        raise AssertionError

    async with line(take) as (one, _):
        with pytest.raises(NotFoundError):
            await Broadcast(Roster(WorkerDefaults(), 4), lambda: {1: one}).write(RemoveWorker(id=WorkerId("nobody")))


async def test_who_is_gone_or_refuses_holds_nobody_up(caplog):
    """The decision stands; a process that could not follow it is named in the log."""

    async def refuse(_message):
        raise InvalidRequestError("a file is gone", param="tls")

    async with line(refuse) as (one, _), line() as (two, _):
        await two.aclose()
        with caplog.at_level(logging.ERROR, "smg.server"):
            accepted = await Broadcast(Roster(WorkerDefaults(), 4), lambda: {1: one, 2: two}).write(ADD)

    [record] = caplog.records
    assert getattr(record, FIELDS) == {"number": 1, "worker": accepted.ids[0], "reason": "a file is gone"}
