"""The settings of the resilience parts; each checks its own ranges, so that a part need not."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
CountFromZero = Annotated[int, msgspec.Meta(ge=0)]

LONGEST_OPEN_SECS = 4.0
SLOWEST_RATE = 1e-6
"""Tokens per second; slower ones cannot be told from 0 by a double of seconds."""


class Slice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings whose numbers are all finite; the ranges alone let infinity through."""

    def __post_init__(self) -> None:
        """Refuse NaN and infinity."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number")


class BreakerSettings(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to stop trusting a worker, and when to try it again.

    Attributes:
        failure_threshold: Failures in a row that trip the breaker. Three, as many as the floor of the retry budget:
            so a worker that breaks in a quiet fleet is out before the budget is, and costs no caller an error.
        failure_rate: Share of failures in the window that trips it; above 0.
        min_requests: Outcomes in the window below which the share says nothing.
        window_secs: How far back the share looks.
        open_secs: How long a tripped breaker refuses, spread by a fifth either way; doubles with each failed probe.
        max_open_secs: Where the doubling ends, before the spread. If not given 4, or ``open_secs`` where that is more:
            so by default a healed worker serves again within 5 s, and one that stays ill gets a request every 4 s.
        probe_secs: How long one probe keeps the others out; without a verdict by then, another may try.
        success_threshold: Good probes in a row that close the breaker. One is enough: a probe is a whole request
            judged at its end, and while it runs nobody else gets in, so each further one delays a healed worker by
            a whole generation, while a worker that is ill after all trips the breaker again soon.
        disabled: Trust always.
    """

    failure_threshold: Count = 3
    failure_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    min_requests: Count = 20
    window_secs: Positive = 10.0
    open_secs: Positive = 1.0
    max_open_secs: Positive | None = None
    probe_secs: Positive = 5.0
    success_threshold: Count = 1
    disabled: bool = False

    def __post_init__(self) -> None:
        """Refuse an end of the doubling below its start."""
        super().__post_init__()
        if self.longest_secs < self.open_secs:
            raise ValueError("max_open_secs must be at least open_secs")

    @property
    def longest_secs(self) -> float:
        """Where the doubling ends."""
        return max(LONGEST_OPEN_SECS, self.open_secs) if self.max_open_secs is None else self.max_open_secs


class BudgetSettings(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many retries the whole gateway may make.

    Attributes:
        ratio: Retries per request within the window.
        floor: Retries within the window that are allowed however few requests there are.
        window_secs: How far back both are counted.
    """

    ratio: Ratio = 0.1
    floor: CountFromZero = 3
    window_secs: Positive = 10.0


class BucketSettings(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often something may happen.

    Attributes:
        rate_per_sec: In the long run; 0 refuses everything, otherwise at least 0.000001.
        burst: How many may happen at once after a rest.
    """

    rate_per_sec: NotNegative
    burst: Count = 1

    def __post_init__(self) -> None:
        """Refuse a rate too slow to be counted."""
        super().__post_init__()
        if 0 < self.rate_per_sec < SLOWEST_RATE:
            raise ValueError(f"rate_per_sec must be 0 or at least {SLOWEST_RATE:.6f}")


class GateSettings(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many may run at once, and how many may wait for that.

    Attributes:
        limit: Running at once.
        queue_size: Waiting at once; 0 refuses whoever cannot run now.
        queue_timeout_secs: How long one waits at most.
    """

    limit: Count
    queue_size: CountFromZero = 100
    queue_timeout_secs: Positive = 60.0


class ClockSettings(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each part of an exchange with a worker may take; all five clocks always run.

    Attributes:
        connect_secs: For a free connection or a new one, name look-up and TLS included.
        first_byte_secs: From the request sent to the answer's head; while it is sent, from the connection. An answer
            that is not streamed shows its head only when all of it is made, so this is the time for a whole generation.
        first_token_secs: From the request sent to a stream's first event with output; comments do not count.
        between_chunks_secs: Longest silence once output has begun; comments count as life.
        total_secs: For everything, retries included.
        override_floor_secs: Shortest time a caller may ask for by header, unless the setting is shorter.
        override_ceiling_secs: Longest time a caller may ask for by header, unless the setting is longer; 0 lets
            callers only shorten.
    """

    connect_secs: Positive = 10.0
    first_byte_secs: Positive = 600.0
    first_token_secs: Positive = 120.0
    between_chunks_secs: Positive = 120.0
    total_secs: Positive = 1800.0
    override_floor_secs: Positive = 0.1
    override_ceiling_secs: NotNegative = 0.0
