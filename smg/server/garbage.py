"""The collector of cycles, set for a process that serves."""

from __future__ import annotations

import gc

YOUNG = 20_000
"""Objects made before the young ones are looked at: some hundreds of requests' worth. At Python's 700 the collector
ran every few requests and found nothing, since what serves a request goes with its last reference."""


def settle_garbage() -> None:
    """Put aside what lives as long as the process; to be called once, when all of it has been made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
