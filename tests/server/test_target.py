from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import BadFramingError
from smg.server.target import check_head, split_target

HOST = (b"Host", b"a:1")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", ("/", "")),
        ("/v1/models/a%20b?x=%2F..", ("/v1/models/a b", "x=%2F..")),
        ("/%2541", ("/%41", "")),
        ("/caf%C3%A9", ("/café", "")),
        ("http://h:1/a?b", ("/a", "b")),
        ("HTTP://h", ("/", "")),
        ("/a//b/", ("/a//b/", "")),
        ("/v1/models/org%2Fmodel", ("/v1/models/org/model", "")),
        ("/v1/models/org%2fmodel", ("/v1/models/org/model", "")),
    ],
)
def test_path_is_decoded_once(target: Any, expected: Any) -> None:
    """Escapes become characters once; the query stays raw; an absolute target counts from its path."""
    assert split_target(target) == expected


@pytest.mark.parametrize(
    "target",
    [
        *("", "*", "a", "host:443", "ftp://h/a", "/a b", "/a#b", "/a\\b", "/%00", "/%zz", "/%", "/%ff"),
        *("/a/../b", "/a/%2e%2E/b", "/./a", "/a%2fb", "/a%5Cb"),
        *("/v1/models%2fa", "/v1%2fmodels/a", "/v1/models/..%2f..%2fworkers", "/v1/models/a%5cb", "/v1/models/a%00"),
    ],
)
def test_ambiguous_paths_are_refused(target: Any) -> None:
    """A path that two servers could read differently is read by none."""
    with pytest.raises(BadFramingError):
        split_target(target)


@given(st.text())
def test_every_target_is_read_or_refused(target: Any) -> None:
    """Whatever comes, the result is a path in normal form or a refusal."""
    try:
        path, _ = split_target(target)
    except BadFramingError:
        return

    assert path.startswith("/")
    assert not {".", ".."} & set(path.split("/"))


@pytest.mark.parametrize("host", [b"a", b"a:1", b"1.2.3.4:80", b"[::1]:8080", b"a_b.example"])
def test_good_hosts_pass(host: Any) -> None:
    """Names, addresses and ports are hosts."""
    check_head((1, 1), ((b"host", host),))


@pytest.mark.parametrize("host", [b"", b"a@b", b"a:b:c", b"a/b", b"a b", b"[::1", b"a" * 300, b"caf\xc3\xa9"])
def test_bad_hosts_are_refused(host: Any) -> None:
    """Nothing but a host is taken for one."""
    with pytest.raises(BadFramingError):
        check_head((1, 1), ((b"host", host),))


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"chunked, chunked", b"xchunked", b""])
def test_other_transfer_codings_are_refused(coding: Any) -> None:
    """Only ``chunked`` frames a request."""
    with pytest.raises(BadFramingError):
        check_head((1, 1), (HOST, (b"Transfer-Encoding", coding)))


def test_chunked_in_any_case_passes() -> None:
    """The one coding is known by its name in any case."""
    check_head((1, 1), (HOST, (b"transfer-encoding", b"Chunked")))
