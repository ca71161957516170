"""Cases whose mechanism does not exist yet, by what they need; they turn red the moment it does.

Keys are shell patterns over ``CASE-variant`` ids, or names of tests. A row is deleted, never widened.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

WAITING: dict[str, tuple[str, ...]] = {}


def reason(name: str) -> str | None:
    """Return what a case waits for; None if it has to pass."""
    return next((why for why, patterns in WAITING.items() if any(fnmatchcase(name, one) for one in patterns)), None)
