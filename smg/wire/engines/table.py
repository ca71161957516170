"""All dialects."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from smg.core.words import Runtime
from smg.wire.engines.mlx import MlxDialect
from smg.wire.engines.sglang import SglangDialect
from smg.wire.engines.tokenspeed import TokenspeedDialect
from smg.wire.engines.trtllm import TrtllmDialect
from smg.wire.engines.vllm import VllmDialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smg.wire.engines.dialect import Dialect

DIALECTS: Mapping[Runtime, Dialect] = MappingProxyType(
    {
        Runtime.SGLANG: SglangDialect(),
        Runtime.VLLM: VllmDialect(),
        Runtime.TRTLLM: TrtllmDialect(),
        Runtime.TOKENSPEED: TokenspeedDialect(),
        Runtime.MLX: MlxDialect(),
    }
)


def by_service_order() -> tuple[Dialect, ...]:
    """Return the dialects in the order in which an unknown engine is tried."""
    return tuple(DIALECTS.values())
