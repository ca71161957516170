"""What a gateway has of the others that share its address with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.resilience.shares import Shares

if TYPE_CHECKING:
    from smg.server.handlers.workers_api import FleetWrites
    from smg.workers.registry import Registry


class Seat:
    """The seat of a gateway that is alone: it owns its registry, its limits and its metrics page.

    Attributes:
        shared: Others listen on the same port, and a supervisor shows the metrics of all.
        shares: What limits count with.
    """

    shared = False
    shares = Shares()

    async def fill(self, registry: Registry) -> None:
        """Bring in the workers that must be there before the first caller; alone, callers are let in at once."""

    def writes(self, registry: Registry) -> FleetWrites:
        """Return what changes the fleet for administrators."""
        return registry


ALONE = Seat()
