"""How many inference requests are let in."""

from __future__ import annotations

from typing import Annotated

import msgspec

from smg.resilience.settings import BucketSettings

Count = Annotated[int, msgspec.Meta(ge=1)]
CountFromZero = Annotated[int, msgspec.Meta(ge=0)]


class RateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a request may come; beyond it 429.

    Attributes:
        rate_per_sec: In the long run; None is no limit, 0 refuses everything.
        burst: How many may come at once after a rest.
    """

    rate_per_sec: Annotated[float, msgspec.Meta(ge=0)] | None = None
    burst: Count = 1

    def __post_init__(self) -> None:
        """Refuse what no bucket can count."""
        if self.rate_per_sec is not None:
            BucketSettings(rate_per_sec=self.rate_per_sec, burst=self.burst)


class ConcurrencySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many requests run at once, from their last byte to the answer's; beyond it 503.

    Attributes:
        limit: Running at once; None is no limit.
        queue_size: Waiting beyond those; 0 refuses whoever cannot run now.
        queue_timeout_secs: How long one waits at most.
    """

    limit: Count | None = None
    queue_size: CountFromZero = 100
    queue_timeout_secs: Annotated[float, msgspec.Meta(gt=0)] = 60.0


class CallerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caller with a key of its own, which opens inference and facts, not administration.

    Attributes:
        name: Letters, digits and ``. _ -``, at most 64; unique. It stands in the log of each of its requests.
        api_key: What it shows as a bearer token: printable ASCII without blanks; unique, and never sent to workers.
        rate: How often it may ask; None is as ``limits.per_caller``, an empty mapping as often as it likes.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    api_key: Annotated[str, msgspec.Meta(pattern=r"^[!-~]+\Z")]
    rate: RateSettings | None = None


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits on inference requests, and on the memory of all.

    Attributes:
        rate: How often a request may come, of all callers together.
        per_caller: How often one of ``callers`` may ask, where its own entry is silent.
        concurrency: How many run at once, and how many wait.
        body_memory_bytes: Request bodies of all callers together, each from its arrival to its answer's end; beyond it
            503. At least ``server.max_payload_size``; a gRPC worker's requests take several times their body besides.
    """

    rate: RateSettings = RateSettings()
    per_caller: RateSettings = RateSettings()
    concurrency: ConcurrencySettings = ConcurrencySettings()
    body_memory_bytes: Count = 1 << 30
