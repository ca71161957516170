"""P01-P14: requests whose framing or head has more than one reading, or none."""

from __future__ import annotations

import pytest

from tests.faults.front.caller import exchange
from tests.faults.front.cases_framing import all_framing, good_variants
from tests.faults.front.cases_head import all_heads
from tests.faults.front.refusals import LISTENER, cases, check_refused
from tests.faults.front.requests import GOOD_REQUEST

NEEDS = dict.fromkeys(
    [
        "P01-length-first-behind-a-good-one",
        "P01-chunked-first-behind-a-good-one",
        "P01-length-zero-behind-a-good-one",
        "P01-upper-case-behind-a-good-one",
        "P01-length-four-behind-a-good-one",
        "P06-two-spaces-in-request-line",
        "P10-9k-extension",
        "P10-9k-extension-before-a-good-one",
        "P12-protocol-RTSP-1.0",
        "P12-http-0.9-line",
        "P14-connect",
    ],
    LISTENER,
)


@cases([*all_framing(), *all_heads()], NEEDS)
def test_bad_head_is_refused(front, case):
    """One error of the right form, the connection ends, and no worker sees a byte."""
    check_refused(front, case)


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
