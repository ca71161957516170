"""Every decision about the fleet, done by every process before whoever asked for it is answered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from smg.core.errors import GatewayError
from smg.server.observers.logs import FIELDS
from smg.server.processes.messages import Accepted
from smg.server.processes.peer import LostPeerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.server.processes.messages import Change, Write
    from smg.server.processes.peer import Peer
    from smg.server.processes.roster import Roster

LOG = logging.getLogger("smg.server")
APPLY_SECS = 2.0

Peers: TypeAlias = "dict[int, Peer]"
"""The lines to the processes that have begun, by the processes' numbers."""


class Broadcast:
    """Takes what processes want of the fleet."""

    def __init__(self, roster: Roster, peers: Callable[[], Peers]) -> None:
        self._roster = roster
        self._peers = peers

    async def write(self, write: Write) -> Accepted:
        """Decide, and return once every process has done it or has been given the time to.

        Raises:
            GatewayError: As ``Roster.decide``.
        """
        changes = await self._roster.decide(write)
        peers = self._peers()  # in one step with the decision: who begins later begins with it
        await asyncio.gather(*(_apply(number, peer, change) for change in changes for number, peer in peers.items()))
        return Accepted(ids=tuple(change.member.id for change in changes))


async def _apply(number: int, peer: Peer, change: Change) -> None:
    try:
        await peer.ask(change, APPLY_SECS)
    except (LostPeerError, TimeoutError):
        pass  # who is late finds it in the line; who is gone is followed by one that begins with it
    except GatewayError as error:
        refused = {"number": number, "worker": change.member.id, "reason": error.message}
        LOG.error("change.refused", extra={FIELDS: refused})  # noqa: TRY400  (no bug: a file that is gone meanwhile)
