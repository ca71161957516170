"""Cases that the control passes, and why they stand here all the same: by the beginning of their names."""

from __future__ import annotations

EXPLAINED = {
    "T01": "the control times and logs nothing by the wall clock",
    "P22": "the control passes a field that is not of the hop; both must",
    "j10_body_of_the_limit": "the control has no limit; the case shows that ours is not too low",
    "j10_endless": "the control has aiohttp's own limit of 1 MiB",
}
