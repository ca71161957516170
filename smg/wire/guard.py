"""Bounds on JSON, proven before anything decodes it.

A decoder pays per value, not per byte: four megabytes of ``{},`` cost a hundred times what one string of
that size does. So values and nesting are counted first, with C-speed passes over the bytes. A pass that
counts costs eight times one that only looks for the next quote, so a long body is shortened before: its
long strings are skipped, and then what cannot matter is dropped. Cheap upper bounds settle nearly every
body; only where they fail are the strings cut out and the marks counted exactly. Text that is not JSON may
be counted wrongly; it is the decoder that refuses it, and what the decoder walks before its first error is
always counted right.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from smg.core.errors import InvalidJsonError

if TYPE_CHECKING:
    from collections.abc import Generator

    from smg.wire.shapes import JsonLimits

BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
STEPS: Final = bytes.maketrans(b"[]", b"\x01\xff")  # one level down, one up, as signed bytes
NOT_ONE_OBJECT: Final = "the body is not one JSON object"
WHITESPACE: Final = b" \t\r\n"
BACKSLASH: Final = ord("\\")
LONG_BYTES: Final = 64 << 10
FREE_LOOKS, BYTES_PER_LOOK = 4, 1 << 8
"""To look for the next mark costs what counting half so many bytes does; so many are free, and one for each so many."""
STEP_BYTES: Final = 1 << 20
"""Counted in one step; some milliseconds on a slow machine."""
FREE_QUOTES, BYTES_PER_QUOTE = 64, 1 << 10
"""Quotes are rare up to so many, and one more for each so many bytes."""
PLAIN: Final = bytes(byte for byte in range(256) if byte not in b'"\\{}[],:/bfnrtu0123456789')
"""All but marks, what may stand behind a backslash, and something of each number, ``true``, ``false`` and ``null``."""
NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]")


def check_json(body: bytes, limits: JsonLimits) -> int:
    """Refuse a body that is not UTF-8, or deeper or of more values than ``limits`` allow.

    Takes less than 50 ms for any 8 MB. Whether the body is JSON at all is for the decoder to say.

    Returns:
        A number that its values and keys together do not exceed.

    Raises:
        InvalidJsonError: A byte order mark, bytes that are not UTF-8, or a limit exceeded.
    """
    check_utf8(body)
    if len(body) >= LONG_BYTES:
        return finish(steps_of_counting(body, limits))
    return surely_at_most(body, limits) or finish(check_exactly(body, limits))


def steps_of_check(body: bytes, limits: JsonLimits) -> Generator[None, None, int]:
    """Do what ``check_json`` does, a part with each step, so that others may have their turn in between."""
    check_utf8(body)
    yield
    return (yield from steps_of_counting(body, limits))


def finish(steps: Generator[None, None, int]) -> int:
    """Take all steps at once and return what they come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            most: int = end.value
            return most


def steps_of_counting(body: bytes, limits: JsonLimits) -> Generator[None, None, int]:
    """Refuse too many values or too deep ones in a long body; cheap bounds settle nearly every one."""
    bare = without_long_strings(body)
    if len(bare) >= LONG_BYTES:
        yield
        bare = bare.translate(None, PLAIN)
        yield
    if most := (yield from steps_of_bounding(bare, limits)):
        return most
    return (yield from check_exactly(bare, limits))


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


def surely_at_most(body: bytes, limits: JsonLimits) -> int:
    """Return how many values there are at most; 0 where only an exact count can tell whether it is within ``limits``.

    The bounds ignore what is a string: a value and what parts it from the next take two bytes, and every value but the
    first follows an opening bracket, a comma or a colon.
    """
    opens = times(body, b"{", limits.max_depth) + times(body, b"[", limits.max_depth)
    if opens > limits.max_depth:
        return 0
    most = (len(body) + 1) // 2
    if most > limits.max_nodes:
        most = 1 + opens + body.count(b",") + body.count(b":")
    return most if most <= limits.max_nodes else 0


def times(body: bytes, mark: bytes, most: int) -> int:
    """Return how often ``mark`` stands in ``body``, or some number above ``most`` where that is more.

    What stands there seldom is looked for, and only what does not is counted.
    """
    enough = min(most + 1, FREE_LOOKS + len(body) // BYTES_PER_LOOK)
    looks, at = 0, body.find(mark)
    while at >= 0 and looks < enough:
        looks, at = looks + 1, body.find(mark, at + 1)
    return looks if at < 0 or looks > most else looks + body.count(mark, at)


def steps_of_bounding(body: bytes, limits: JsonLimits) -> Generator[None, None, int]:
    """Do what ``surely_at_most`` does, a part with each step."""
    if len(body) < LONG_BYTES:
        return surely_at_most(body, limits)
    opens = yield from steps_of_count(body, b"{", b"[")
    if opens > limits.max_depth:
        return 0
    most = 1 + opens + (yield from steps_of_count(body, b",", b":"))
    return most if most <= limits.max_nodes else 0


def steps_of_count(body: bytes, *marks: bytes) -> Generator[None, None, int]:
    """Return how often any of ``marks``, none of which overlaps itself, stands in ``body``."""
    total = 0
    for begin in range(0, len(body), STEP_BYTES):
        total += sum(body.count(mark, begin, begin + STEP_BYTES + len(mark) - 1) for mark in marks)
        yield
    return total


def without_long_strings(body: bytes) -> bytes:
    """Return the body with its strings emptied, up to where quotes are no longer rare.

    The way from one quote to the next is as fast as memory, but each costs as much as hundreds of bytes.
    """
    kept: list[bytes] = []
    begin, at, inside, quotes = 0, 0, False, 0
    while quotes <= FREE_QUOTES + at // BYTES_PER_QUOTE and (quote := body.find(b'"', at)) >= 0:
        if not inside:
            kept.append(body[begin : quote + 1])
            begin, inside = quote + 1, True
        elif not escaped(body, at, quote):
            begin, inside = quote, False
        at, quotes = quote + 1, quotes + 1
    if at < LONG_BYTES:  # what little was found does not pay for a copy of all the rest
        return body
    return b"".join([*kept, memoryview(body)[begin:]])


def escaped(body: bytes, begin: int, quote: int) -> bool:
    """Tell whether an odd number of backslashes stands right before a quote; ``begin`` is behind the quote before."""
    if body[quote - 1] != BACKSLASH:
        return False
    before = body[begin:quote]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def check_exactly(body: bytes, limits: JsonLimits) -> Generator[None, None, int]:
    """Count values and nesting outside of strings, in steps; return the number of values."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
        yield
    bare = without_strings(body, limits.max_nodes)
    yield
    bare = bare.translate(BRACES_AS_BRACKETS, WHITESPACE)
    yield
    opens, empty = (yield from steps_of_count(bare, b"[")), (yield from steps_of_count(bare, b"[]"))
    nodes = 1 + (yield from steps_of_count(bare, b",", b":")) + opens - empty
    if max(nodes, opens) > limits.max_nodes:  # `opens` is the larger only in what is not JSON
        raise too_many(limits.max_nodes)
    if opens > limits.max_depth and depth(bare, opens) > limits.max_depth:
        raise InvalidJsonError(f"the body is nested deeper than {limits.max_depth}")
    return nodes


def without_strings(body: bytes, max_nodes: int) -> bytes:
    """Return the body with a quote in place of each string; more strings than nodes allowed are refused unseen."""
    if len(body) > 2 * max_nodes and body.count(b'"') > 2 * max_nodes:
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
