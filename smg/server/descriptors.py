"""How many descriptors a process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_descriptors() -> None:
    """Let this process, and those it starts, have as many as its user may; a stream through a gateway takes two.

    Systems begin with far fewer, often 1024, for the sake of programs that keep them in a fixed table.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
