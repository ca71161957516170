"""What the connections of one listener share, and what each of them may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from smg.core.clock import Clock
from smg.core.errors import GatewayError
from smg.core.request import Handler
from smg.server.http1.crowd import Crowd
from smg.server.http1.memory import BodyMemory
from smg.server.http1.sink import WallDate
from smg.wire.http_head import HeadLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one caller may take; all times in seconds.

    Attributes:
        body_bytes: Longest request body.
        body_memory_bytes: Request bodies of all callers together, from their arrival to their answers' end.
        body_idle_secs: Longest silence within one.
        body_rate: Bytes a second that one must reach on average, once ``body_grace_secs`` are over.
        body_grace_secs: How long a body may be slower than that.
        stall_secs: Longest refusal to take anything of a waiting answer.
        head_secs: From the first byte of a head, or the connection's begin, to its last.
        handshake_secs: For a TLS handshake.
        idle_secs: Longest wait for the next request on an open connection.
        connections: How many there may be at once.
        head: How large a head may be.
    """

    body_bytes: int
    body_idle_secs: float
    stall_secs: float
    idle_secs: float
    head_secs: float = 10.0
    handshake_secs: float = 10.0
    body_grace_secs: float = 10.0
    body_rate: int = 1 << 10
    body_memory_bytes: int = 1 << 30
    connections: int = 16384
    head: HeadLimits = field(default_factory=HeadLimits)

    @property
    def shortest_secs(self) -> float:
        """The deadline that is met first."""
        return min(self.head_secs, self.body_idle_secs, self.body_grace_secs, self.stall_secs, self.idle_secs)


@dataclass(slots=True, kw_only=True)
class Service:
    """What the connections of one listener share.

    Attributes:
        closing: Once true, every answer is the last on its connection.
    """

    handler: Handler
    fault: Callable[[GatewayError], Handler]
    limits: Limits
    clock: Clock
    crowd: Crowd
    memory: BodyMemory
    date: WallDate = field(default_factory=WallDate)
    closing: bool = False
