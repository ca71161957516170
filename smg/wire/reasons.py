"""Whether an event may show why a choice finished."""

from __future__ import annotations

import re

NAME = b'"finish_reason"'
A_REASON = re.compile(NAME + rb'\s*:\s*["{]')
NO_REASON, NO_REASON_SPACED = NAME + b":null", NAME + b": null"
"""What stands in nearly every event, as engines write it."""


def shows_reason(events: bytes) -> bool:
    """Tell whether a reason that is not null stands in these events, maybe inside a text.

    Costs three counts where none does: a fifth of the search.
    """
    named = events.count(NAME)
    if not named or named == events.count(NO_REASON) or named == events.count(NO_REASON_SPACED):
        return False
    return A_REASON.search(events) is not None
