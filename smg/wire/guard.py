"""Bounds on JSON, proven before anything decodes it.

A decoder pays per value, not per byte: four megabytes of ``{},`` cost a hundred times what one string of
that size does. So values and nesting are counted first, with C-speed passes over the bytes and no loop in
Python: cheap upper bounds settle nearly every body, and only where they fail are the strings cut out and
the marks counted exactly. Text that is not JSON may be counted wrongly; it is the decoder that refuses it,
and what the decoder walks before its first error is always counted right.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

from smg.core.errors import InvalidJsonError

if TYPE_CHECKING:
    from collections.abc import Iterator

BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
STEPS = bytes.maketrans(b"[]", b"\x01\xff")  # one level down, one up, as signed bytes
NOT_ONE_OBJECT = "the body is not one JSON object"
WHITESPACE = b" \t\r\n"
NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]")


class JsonLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a JSON body may be, its bytes aside, and how much it may ask for; each at least 1.

    Attributes:
        max_depth: Arrays and objects inside one another, the outermost included.
        max_nodes: Values and object keys together.
        max_messages: Messages of one chat.
        max_tools: Tools of one chat.
        max_stop: Stop strings of one request.
        max_top_logprobs: Alternatives told of each token; engines have lower limits of their own.
    """

    max_depth: int = 64
    max_nodes: int = 200_000
    max_messages: int = 10_000
    max_tools: int = 512
    max_stop: int = 256
    max_top_logprobs: int = 1_000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


def check_json(body: bytes, limits: JsonLimits) -> None:
    """Refuse a body that is not UTF-8, or deeper or of more values than ``limits`` allow.

    Takes less than 50 ms for any 8 MB. Whether the body is JSON at all is for the decoder to say.

    Raises:
        InvalidJsonError: A byte order mark, bytes that are not UTF-8, or a limit exceeded.
    """
    for _ in steps_of_check(body, limits):
        pass


def steps_of_check(body: bytes, limits: JsonLimits) -> Iterator[None]:
    """Do what ``check_json`` does, a part with each step, so that others may have their turn in between."""
    check_utf8(body)
    yield
    opens = body.count(b"{") + body.count(b"[")
    if opens > limits.max_depth or not surely_few(body, opens, limits.max_nodes):
        yield
        yield from check_exactly(body, limits)


def check_utf8(body: bytes) -> None:
    """Refuse bytes that are not UTF-8, and the mark that UTF-8 does not need."""
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError:
        raise InvalidJsonError("the body is not utf-8") from None
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidJsonError("the body begins with a byte order mark")


def surely_few(body: bytes, opens: int, max_nodes: int) -> bool:
    """Tell whether a bound that ignores what is a string already proves that there are few values."""
    if len(body) < 2 * max_nodes:  # a value and what parts it from the next take two bytes
        return True
    return opens + body.count(b",") + body.count(b":") < max_nodes


def check_exactly(body: bytes, limits: JsonLimits) -> Iterator[None]:
    """Count values and nesting outside of strings, in steps."""
    bare = without_strings(body, limits.max_nodes)
    yield
    bare = bare.translate(BRACES_AS_BRACKETS, WHITESPACE)
    yield
    opens, empty = bare.count(b"["), bare.count(b"[]")
    nodes = 1 + bare.count(b",") + bare.count(b":") + opens - empty
    if max(nodes, opens) > limits.max_nodes:  # `opens` is the larger only in what is not JSON
        raise too_many(limits.max_nodes)
    yield
    if opens > limits.max_depth and depth(bare, opens) > limits.max_depth:
        raise InvalidJsonError(f"the body is nested deeper than {limits.max_depth}")


def without_strings(body: bytes, max_nodes: int) -> bytes:
    """Return the body with a quote in place of each string; more strings than nodes allowed are refused unseen."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 2 * max_nodes:
        raise too_many(max_nodes)
    return b'"'.join(body.split(b'"')[::2])


def depth(bare: bytes, opens: int) -> int:
    """Return how deep the brackets go; ``opens`` of them are opening ones."""
    if bare.count(b"]") != opens:
        raise InvalidJsonError(NOT_ONE_OBJECT)
    steps = bare.translate(STEPS, NOT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")))


def too_many(max_nodes: int) -> InvalidJsonError:
    """Return the error for a body of too many values."""
    return InvalidJsonError(f"the body holds more than {max_nodes} values and keys")
