"""The targets can fail: each sees the code under it when it is broken."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from smg.wire import event_relay, guard, http_head
from smg.wire.engines.reading import StreamReader
from smg.workers import http_facts
from tests.fuzz import blind
from tests.fuzz.failures import Failures, target_of
from tests.fuzz.targets import TARGETS

SEED = 12


def twice(reader, sent, finish):
    """Take what repeats for new."""
    del finish
    reader._under_way.remove(sent.index)


BREAKS = {
    "front-doubled": (http_head, "SINGLE", frozenset()),
    "front-line": (http_head, "LINE", re.compile(rb"([A-Z]{1,24}) (.*?) HTTP/1\.([01])\r\n")),
    "streams": (event_relay, "LONGEST_EDGE", 0),
    "generations": (StreamReader, "_end", twice),
    "facts": (http_facts, "positive", lambda *values: next(iter(values), None)),
    "bodies": (guard, "BRACES_AS_BRACKETS", bytes(range(256))),
}
"""What is broken, and how; a row's name begins with its target's."""


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found(name, monkeypatch, tmp_path):
    """With one rule of the code broken, the short form of its target fails, and the input kept fails again."""
    target, failures = TARGETS[name.partition("-")[0]], Failures(tmp_path)
    monkeypatch.setattr(*BREAKS[name])
    runs = next(
        number
        for number, data in enumerate(islice(blind.inputs(target, SEED), target.runs), start=1)
        if failures.tried(target, data) is not None
    )
    print(f"{name}: found after {runs} runs")  # noqa: T201

    (kept,) = failures.found.values()
    assert target_of(kept) == target.name
    assert Failures(tmp_path).tried(target, kept.read_bytes()) is not None
    monkeypatch.undo()
    target.run(kept.read_bytes())
