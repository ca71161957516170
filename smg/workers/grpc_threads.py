"""How the threads are scheduled that grpc makes for itself."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unhurried_threads() -> Iterator[None]:
    """Have threads that are made within the block wait for a core; those that they make do so, too.

    Of each message that arrives, some of grpc's threads wake one another and in the end the event loop. The usual kind
    may interrupt whoever runs, most often the loop that they work for, which then gets its messages one by one. One of
    Linux's kind for batches (``SCHED_BATCH``, see sched(7)) takes a core that is free at once, and else its turn.

    Where the system has no such kind or refuses it, or where the operator has chosen one, nothing is changed.
    """
    if not _of_the_usual_kind():
        yield
        return
    _schedule(os.SCHED_BATCH)  # of this thread, from which the new ones have it
    try:
        yield
    finally:
        _schedule(os.SCHED_OTHER)


def _of_the_usual_kind() -> bool:
    """Whether this thread is, as far as the system tells; musl's C library does not."""
    with suppress(OSError):
        return hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == os.SCHED_OTHER
    return False


def _schedule(kind: int) -> None:
    with suppress(OSError):
        os.sched_setscheduler(0, kind, os.sched_param(0))
