"""How many inference requests are let in."""

from __future__ import annotations

from typing import Annotated

import msgspec

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


class ConcurrencySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many requests run at once, from admission to the answer's last byte; beyond it 503.

    Attributes:
        limit: Running at once; None is no limit.
        queue_size: Waiting beyond those; 0 refuses whoever cannot run now.
        queue_timeout_secs: How long one waits at most.
    """

    limit: Count | None = None
    queue_size: CountFromZero = 100
    queue_timeout_secs: Annotated[float, msgspec.Meta(gt=0)] = 60.0


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the whole gateway on inference requests.

    Attributes:
        rate: How often a request may come.
        concurrency: How many run at once, and how many wait.
    """

    rate: RateSettings = RateSettings()
    concurrency: ConcurrencySettings = ConcurrencySettings()
