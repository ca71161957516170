from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import BadFramingError
from smg.server.target import split_target


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
