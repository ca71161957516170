"""Tests of smg.wire.headers."""

from __future__ import annotations

import pytest

from smg.core.errors import InvalidRequestError
from smg.wire.headers import HOP_BY_HOP, downstream_headers, upstream_headers


def up(headers: list[tuple[bytes, bytes]], keyless: bool = False) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in upstream_headers(tuple(headers), keyless=keyless)]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | {b"host", b"content-length", b"expect", b"x-request-id"}))
def test_fields_of_one_hop_do_not_reach_the_worker(name: bytes) -> None:
    """In any case of letters."""
    assert up([(name, b"x"), (name.upper(), b"x"), (name.title(), b"x"), (b"Accept", b"a")]) == [("Accept", "a")]


@pytest.mark.parametrize(
    "name",
    [
        b"x-smg-worker-id", b"X-SMG-Target-Worker", b"x_smg_tenant", b"X-Smg_Anything", b"x-SMG-", b"x-smg-routing-key",
        b"X_SMG_ROUTING_KEY", b"X-Forwarded-For", b"x_forwarded_host", b"X-data-parallel-rank", b"x_data_parallel_rank",
    ],
)  # fmt: skip
def test_internal_fields_of_callers_do_not_reach_the_worker(name: bytes) -> None:
    """Only the gateway may speak in its own name, however the name is spelt."""
    assert up([(name, b"x")]) == []


def test_fields_named_by_connection_are_dropped() -> None:
    """Also when they are of our own concern, in several fields and any case."""
    headers = [
        (b"Connection", b"close, X-Tenant"),
        (b"connection", b" Authorization ,,"),
        (b"x-tenant", b"t"),
        (b"authorization", b"Bearer k"),
        (b"X-Other", b"o"),
    ]

    assert up(headers) == [("X-Other", "o")]


def test_every_value_of_tenant_fields_passes_in_order() -> None:
    """Engines and tools behind us read them; their spelling stays."""
    headers = [
        (b"OpenAI-Organization", b"o1"),
        (b"openai-organization", b"o2"),
        (b"OpenAI-Project", b"p"),
        (b"X-Tenant-Id", b"t"),
        (b"Accept-Encoding", b"gzip, zstd"),
        (b"traceparent", b"00-1-2-01"),
        (b"X-Request-Id-Old", b"q"),
    ]

    assert up(headers) == [(name.decode(), value.decode()) for name, value in headers]


@pytest.mark.parametrize(
    ("keyless", "expected"),
    [
        pytest.param(False, [("Authorization", "Bearer c"), ("X-API-Key", "c")], id="the caller's own"),
        pytest.param(True, [], id="not for this worker"),
    ],
)
def test_credentials_go_only_to_whom_they_are_for(keyless: bool, expected: object) -> None:
    """Never the gateway's key, nor a caller's to a worker that has one of its own."""
    headers = [(b"Authorization", b"Bearer c"), (b"X-API-Key", b"c")]

    assert up(headers, keyless) == expected


def test_utf8_values_pass_byte_for_byte() -> None:
    """The client's writer encodes text as UTF-8, so decoding as UTF-8 is exact."""
    assert up([(b"X-Name", "José 漢\t!".encode())]) == [("X-Name", "José 漢\t!")]


@pytest.mark.parametrize(
    "value", [b"Jos\xe9", b"\xed\xa0\x80", b"a\x00b", b"a\r\nX-Evil: 1", b"a\nb", b"a\x7f", b"a\x1b"]
)
def test_values_that_cannot_be_carried_are_refused(value: bytes) -> None:
    """A changed value could name another tenant; the message does not hold it."""
    with pytest.raises(InvalidRequestError, match="header field"):
        up([(b"X-Name", value)])


def test_answer_keeps_all_but_the_hop() -> None:
    """Every value of every other field comes back, spelt and ordered as the worker did."""
    kept = ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"Content-Encoding", b"gzip"), (b"X-L", b"\xff\xfe"))
    hop = (
        (b"Connection", b"X-Internal"),
        (b"X-INTERNAL", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Length", b"1"),
        (b"content-length", b"2"),
        (b"Server", b"uvicorn"),
        (b"Date", b"today"),
        (b"X-Request-Id", b"the worker's"),
        (b"X-SMG-Routed-Worker-Id", b"another gateway's"),
    )

    assert kept == downstream_headers(hop[:4] + kept + hop[4:])
