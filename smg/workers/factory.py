"""The one place where workers are made: a worker from any source has the gateway's defaults and its own overrides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from smg.core.errors import InvalidRequestError
from smg.core.words import ConnectionMode
from smg.resilience.shares import ALONE
from smg.workers.address import parse_url
from smg.workers.birth import Birth
from smg.workers.detection import UnprobedWorker
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from smg.workers.spec import resolve

if TYPE_CHECKING:
    from smg.core.clock import Clock
    from smg.core.observers import Observer
    from smg.core.words import WorkerId
    from smg.resilience.shares import Shares
    from smg.workers.address import Address
    from smg.workers.settings import WorkerDefaults
    from smg.workers.spec import WorkerSpec
    from smg.workers.worker import Worker

KINDS: dict[ConnectionMode | None, type[Worker]] = {
    ConnectionMode.HTTP: HttpWorker,
    ConnectionMode.GRPC: GrpcWorker,
    None: UnprobedWorker,
}


@dataclass(frozen=True, slots=True)
class WorkerFactory:
    """Makes workers from specs; does no I/O."""

    defaults: WorkerDefaults
    clock: Clock
    observer: Observer
    rng: Random = field(default_factory=Random)
    shares: Shares = ALONE

    def build(self, spec: WorkerSpec, worker_id: WorkerId, source: str) -> Worker:
        """Return a worker that is not yet started.

        Raises:
            InvalidRequestError: The URL or an override cannot be used.
        """
        address = address_of(spec)
        return KINDS[address.mode](
            Birth(
                id=worker_id,
                spec=spec,
                address=address,
                settings=resolve(spec, self.defaults),
                source=source,
                clock=self.clock,
                observer=self.observer,
                rng=self.rng,
                places=self.shares.places(worker_id),
            )
        )


def address_of(spec: WorkerSpec) -> Address:
    """Return where a spec's worker listens; a bare host and port with a stated mode is plain text in that mode.

    Raises:
        InvalidRequestError: The URL cannot be used, or its scheme is of another mode than the one stated.
    """
    address, stated = parse_url(spec.url), spec.connection_mode
    if address.mode is None and stated is not None:
        return replace(address, scheme=stated.value)
    if stated not in {None, address.mode}:
        raise InvalidRequestError("connection_mode is another one than the url's", param="connection_mode")
    return address
