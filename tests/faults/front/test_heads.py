"""P01-P14: requests whose framing or head has more than one reading, or none."""

from __future__ import annotations

import pytest

from tests.cli.running import smg
from tests.faults.front.caller import exchange
from tests.faults.front.cases_framing import all_framing, good_variants
from tests.faults.front.cases_head import all_heads, strangers
from tests.faults.front.refusals import cases, check_refused
from tests.faults.front.requests import GOOD_REQUEST


@cases([*all_framing(), *all_heads()])
def test_bad_head_is_refused(front, case, record_property):
    """One error of the right form, the connection ends, and no worker sees a byte."""
    check_refused(front, case, record_property)


@pytest.mark.parametrize("name", good_variants())
def test_unusual_head_is_served(front, name):
    """Strictness refuses nothing that is right."""
    got = exchange(front.port, good_variants()[name], 3, answers=1)

    assert [answer.status for answer in got.answers] == [200]


def test_front_serves_on_after_all_that(front):
    """A good request gets its answer on a connection that stays."""
    got = exchange(front.port, GOOD_REQUEST * 2, 3, answers=2)

    assert [answer.status for answer in got.answers] == [200, 200]
    assert not got.closed


def test_p13_strangers_make_no_noise(front):
    """Other protocols on the port are nobody's error: nothing above a warning is logged."""
    for case in strangers():
        exchange(front.port, case.sent, 0.2)

    assert front.program.logged("error", "critical") == []


def test_p30_pure_python_parser_is_refused():
    """Without the C parser the gateway does not start: code 2, and it says why."""
    with smg("launch", "--port", "0", "--prometheus-port", "0", AIOHTTP_NO_EXTENSIONS="1") as process:
        _, told = process.communicate(timeout=20)

    assert process.returncode == 2
    assert "AIOHTTP_NO_EXTENSIONS" in told
    assert "Traceback" not in told
