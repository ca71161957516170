"""Memory that a process which serves needs no more: how it is found, and how much of it is kept for what comes next."""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Final

YOUNG = 20_000
"""Objects made before the young ones are looked at: some hundreds of requests' worth. At Python's 700 the collector
ran every few requests and found nothing, since what serves a request goes with its last reference."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the C library's settings, M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""

HEAP_BYTES: Final = 16 << 20
"""A piece of memory up to this size is the process's own once it is freed; a larger one goes back to the system."""


def settle_garbage() -> None:
    """Put aside what lives as long as the process; to be called once, when all of it has been made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def keep_freed_memory() -> None:
    """Have the C library keep what bodies were held in, up to twice ``HEAP_BYTES`` of it.

    glibc comes to do so by itself after a body of that size. Before, what holds a body of some 100 KiB goes back to the
    system with every request, which hands it out anew page by page, and cleared. An allocator that was set by its
    environment variables is left as it was set, and so is every other.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not _set_by_operator():
        mallopt(TRIM_THRESHOLD, 2 * HEAP_BYTES)
        mallopt(MMAP_THRESHOLD, HEAP_BYTES)


def _set_by_operator() -> bool:
    return "malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(name.startswith("MALLOC_") for name in os.environ)
