"""P28: what is passed on means one thing, whoever reads it."""

from __future__ import annotations

import random
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import h11
import httptools
import pytest
import trustme

from tests.faults.front.caller import sent
from tests.faults.front.conftest import fronted
from tests.faults.front.mutants import FUZZ, SEED, mutant
from tests.faults.front.readings import by_h11, by_httptools, ours
from tests.faults.front.strangers import PROGRAMS, differing, missing, reader
from tests.faults.report import figure

pytestmark = pytest.mark.beside

PARSERS = {"h11": by_h11, "httptools": by_httptools}
OPINIONS = pytest.mark.parametrize("name", [pytest.param(name, id=f"P28-{name}") for name in (*PARSERS, *PROGRAMS)])

GOOD = b"POST /a?b HTTP/1.1\r\nhost: c\r\ncontent-length: 2\r\n\r\n{}"
BAD = {
    "a byte too many": GOOD + b"x",
    "a byte too few": GOOD[:-1],
    "two requests": GOOD + GOOD,
    "two lengths": GOOD.replace(b"host", b"content-length: 3\r\nhost"),
    "a length and chunks": GOOD.replace(b"host", b"transfer-encoding: chunked\r\nhost"),
    "another line end": GOOD.replace(b"host", b"a: b\nhost: d\r\nhost"),
    "a space before the colon": GOOD.replace(b"content-length", b"content-length "),
}


@contextmanager
def opinion(name):
    """Give a function that returns those of some requests which one reader takes otherwise than the worker."""
    if name in PARSERS:
        yield partial(parsed_otherwise, PARSERS[name])
        return
    if why := missing(name):
        pytest.skip(why)
    with reader(name) as port:
        yield partial(differing, port)


def parsed_otherwise(parser, requests):
    """Return the requests that a parser refuses or reads otherwise, and what it makes of each."""
    readings = [(each, parsed(parser, each)) for each in requests]
    return [(each, read) for each, read in readings if read != ours(each)]


def parsed(parser, data):
    """Return what a parser reads, or why it refuses."""
    try:
        return parser(data)
    except (h11.RemoteProtocolError, httptools.HttpParserError) as exc:
        return repr(exc)


@dataclass
class Passed:
    """What of many requests made wrong at random reached a worker, as the gateway sent it there."""

    requests: list[bytes]
    host: str


@pytest.fixture(scope="module", params=["plain", "tls"])
def passed_on(request, shared_front, tmp_path_factory):
    """What is passed on by either way to a worker: the gateway writes to a plain one itself, aiohttp to others."""
    if request.param == "plain":
        return passed(shared_front)
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    with fronted(worker_tls=trusted(path), worker_defaults={"tls": {"ca_path": str(path)}}) as front:
        return passed(front)


def trusted(path):
    """Return what a worker serves with that is trusted by the authority at ``path``, which is made."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(path)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def passed(front):
    """Send the requests."""
    rng = random.Random(SEED)
    mark = len(front.worker.ledger.entries)
    for _ in range(max(min(600, FUZZ), FUZZ // 5)):
        sent(front.port, [mutant(rng)])
    received = [entry.received for entry in front.worker.ledger.since(mark)]
    return Passed(received, front.worker.url.partition("//")[2])


@OPINIONS
def test_what_is_passed_on_reads_the_same_to_everyone(name, passed_on, record_property):
    """Whatever is let through, other readers find the one request in it that the worker found, and no other host."""
    with opinion(name) as otherwise:
        disagree = otherwise(passed_on.requests)

    told = f"requests passed on and refused or read differently by {name}"
    figure(record_property, "F15", told, len(disagree), 0, over=len(passed_on.requests))
    assert len(passed_on.requests) > 20
    assert disagree == []
    assert {ours(each)[0].hosts for each in passed_on.requests} == {(passed_on.host,)}


@pytest.mark.parametrize("name", [*PARSERS, *PROGRAMS])
def test_other_readers_see_what_is_wrong(name):
    """Bytes that mean two things, or nothing, are found by every reader; what is good is not."""
    with opinion(name) as otherwise:
        found = [what for what, sent in BAD.items() if otherwise([GOOD, sent, GOOD])]
        good = otherwise([GOOD] * 3)

    assert found == [*BAD]
    assert good == []
