"""Ranges of numbers and lengths of lists, with errors that name field and range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

INT64_MAX = 2**63 - 1
TOKEN_ID_MAX = 2**31 - 1
MAX_LIST = 1_024


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both included unless ``above``, which excludes ``low``."""

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f"above {self.low} and at most {self.high}" if self.above else f"{self.low} to {self.high}"


def check_ranges(body: object, ranges: Mapping[str, Range], prefix: str = "") -> None:
    """Refuse the first number out of its range; None is not looked at."""
    for name, allowed in ranges.items():
        value = getattr(body, name)
        if value is not None and value not in allowed:
            raise bad(prefix + name, f"must be {allowed}")


def bad(param: str, fault: str) -> InvalidRequestError:
    """Return the error that says of ``param`` what is wrong with it."""
    return InvalidRequestError(f"{param} {fault}", param=param)
