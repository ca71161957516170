"""How long to wait before a retry: exponential with jitter, or as long as the worker asks, up to a cap.

Theory: callers that failed together must not come back together, so the wait is drawn at random; with a jitter of 1
("full jitter") anywhere between nothing and a bound that grows with each retry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

RETRY_AFTER_CAP_SECS: Final = 5.0
"""Longest wait for a worker's sake: beyond it the caller is better told."""

_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_MAX_DATE_CHARS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A wait that grows with each retry.

    Attributes:
        initial_secs: Bound of the first wait.
        max_secs: Bound of any wait.
        multiplier: Growth of the bound, at least 1.
        jitter_ratio: Share of the bound that is random, 0 to 1.
    """

    initial_secs: float
    max_secs: float
    multiplier: float
    jitter_ratio: float = 1.0

    def secs(self, retry: int, rng: Random) -> float:
        """Return the wait before retry number ``retry``, 1 being the first."""
        bound = min(self.initial_secs, self.max_secs)
        for _ in range(retry - 1):
            bound = min(bound * self.multiplier, self.max_secs)
        return rng.uniform(bound * (1 - self.jitter_ratio), bound)


def parse_retry_after(value: bytes, wall_now: float) -> float | None:
    """Return the seconds a ``Retry-After`` field asks to wait, never below 0; None if it makes no sense.

    Args:
        value: Seconds (a fraction is tolerated) or an HTTP date.
        wall_now: Seconds since 1970, to which a date is compared.
    """
    text = value.decode("latin-1").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    at = _parse_date(text)
    return None if at is None else max(0.0, at - wall_now)


def wait_secs(backoff_secs: float, retry_after_secs: float | None) -> float:
    """Return the longer of our own wait and the worker's wish, of which at most RETRY_AFTER_CAP_SECS count."""
    return max(backoff_secs, min(retry_after_secs or 0.0, RETRY_AFTER_CAP_SECS))


def _parse_date(text: str) -> float | None:
    """Return seconds since 1970; a date without a zone is in GMT, as HTTP's old forms are."""
    if len(text) > _MAX_DATE_CHARS:
        return None
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises depends on where it gives up
        return None
