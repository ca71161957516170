"""Several messages in one input, parted by two bytes that hardly any message holds, and so parted after any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")

PARTING = b"\xf0\x0d"


def framed(messages: Iterable[bytes]) -> bytes:
    """Return the messages in one."""
    return PARTING.join(messages)


def unframed(data: bytes) -> list[bytes]:
    """Return the messages, at least one."""
    return data.split(PARTING)


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end what never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        work.close()
    raise AssertionError("it waits")
