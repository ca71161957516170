"""Cases that the control passes, and why they stand here all the same: by the beginning of their names."""

from __future__ import annotations

EXPLAINED = {
    "test_j11_writes_no_file": "a proxy writes no files either; the case guards against a later upload endpoint",
    "T03": "the control has no settings; what is tried is the gateway's own reading of its file",
    "T04": "the control has no settings; what is tried is the gateway's own reading of its file",
    "t03": "the control has no settings; what is tried is the gateway's own reading of its file",
    "p30": "the gateway's command itself is tried",
    "P22": "the control passes a field that is not of the hop; both must",
    "j10_body_of_the_limit": "the control has no limit; the case shows that ours is not too low",
    "j10_endless": "the control has aiohttp's own limit of 1 MiB",
}
