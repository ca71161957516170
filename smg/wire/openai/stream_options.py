"""How a stream is to be told."""

from __future__ import annotations

import msgspec

from smg.wire.openai.ranges import bad


class StreamOptions(msgspec.Struct, kw_only=True):
    """What comes beside the text.

    Attributes:
        include_usage: One more chunk with the usage, before the end.
        continuous_usage_stats: The usage so far in every chunk; an extension of vLLM's.
    """

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


def check_stream_options(options: StreamOptions | None, *, stream: bool | None) -> None:
    """Refuse options of a stream where there is none."""
    if options is not None and not stream:
        raise bad("stream_options", "needs stream")
