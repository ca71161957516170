"""Tests of smg.core.observers."""

from __future__ import annotations

from smg.core.events import WorkerRemoved
from smg.core.observers import Observers
from smg.core.words import WorkerId
from tests.workers.support import Recorder


def test_each_hears_of_each_event():
    """In the order in which they stand."""
    first, second = Recorder(), Recorder()
    told = [WorkerRemoved(WorkerId("w"), "http://a"), WorkerRemoved(WorkerId("x"), "http://b")]
    observers = Observers(first, second)
    for event in told:
        observers.notify(event)

    assert first.events == second.events == told
