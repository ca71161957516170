"""What a worker is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from smg.core.clock import Clock
    from smg.core.observers import Observer
    from smg.core.words import WorkerId
    from smg.resilience.shares import Places
    from smg.workers.address import Address
    from smg.workers.settings import WorkerDefaults
    from smg.workers.spec import WorkerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a worker is made from.

    Attributes:
        settings: The spec's overrides laid over the gateway's defaults.
        source: Who registered it (``flag``, ``file``, ``api`` …), for people.
        places: What its limit of requests in flight counts with.
    """

    id: WorkerId
    spec: WorkerSpec
    address: Address
    settings: WorkerDefaults
    source: str
    clock: Clock
    observer: Observer
    rng: Random
    places: Places
