"""Worker URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import InvalidRequestError
from smg.core.words import ConnectionMode
from smg.workers.address import parse_url


@pytest.mark.parametrize(
    ("url", "base_url", "identity", "mode"),
    [
        ("http://host:8000", "http://host:8000", "http://host:8000", ConnectionMode.HTTP),
        ("HTTP://Host:80/", "http://host", "http://host", ConnectionMode.HTTP),
        ("https://host", "https://host", "https://host", ConnectionMode.HTTP),
        ("http://host:1@0", "http://host:1", "http://host:1@0", ConnectionMode.HTTP),
        ("grpc://10.0.0.1:5@12", "grpc://10.0.0.1:5", "grpc://10.0.0.1:5@12", ConnectionMode.GRPC),
        ("grpcs://host:443", "grpcs://host:443", "grpcs://host:443", ConnectionMode.GRPC),
        ("http://[::0001]:8000@2", "http://[::1]:8000", "http://[::1]:8000@2", ConnectionMode.HTTP),
        ("host_a:8000", "host_a:8000", "host_a:8000", None),
    ],
)
def test_a_good_url_is_what_is_dialled_and_a_name(
    url: str, base_url: str, identity: str, mode: ConnectionMode | None
) -> None:
    """``base_url`` never holds the rank; two spellings of one worker have one identity."""
    address = parse_url(url)

    assert (address.base_url, address.url, address.mode) == (base_url, identity, mode)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "http://",
        "http://user:pass@host:1",
        "http://host:1#f",
        "http://host:1?q",
        "http://host:1/v1",
        "http://host:0",
        "http://host:99999",
        "http://host:x",
        "http://host.:1",
        "http://-host:1",
        "http://h\u00f6st:1",
        "http://host:1@-1",
        "http://[::1:1",
        "http://[nope]:1",
        "http://256.1.1.1:1",
        "grpc://host",
        "unix:/tmp/x",
        "unix:///tmp/x",
        "ftp://host:1",
        "http://host :1",
        "http://host:1\n",
        "http://" + "a" * 3000 + ":1",
    ],
)
def test_a_bad_url_is_refused_by_its_field(url: str) -> None:
    """Nothing but scheme, host, port and rank belongs to a worker."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_url(url)

    assert caught.value.param == "url"


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No input crashes the reader, and what it takes keeps its identity."""
    try:
        address = parse_url(text)
    except InvalidRequestError:
        return
    assert parse_url(address.url) == address
