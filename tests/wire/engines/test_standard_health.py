"""gRPC's own health call, byte for byte."""

from __future__ import annotations

import pytest

from smg.core.words import Runtime
from smg.wire.engines.standard_health import CHECK, check_request, serving
from smg.wire.engines.table import DIALECTS


def test_the_engines_service_is_asked_for() -> None:
    """Field 1, a string: the service's full name."""
    sent = check_request(DIALECTS[Runtime.VLLM]).SerializeToString()

    assert sent == b"\x0a\x1bvllm.grpc.engine.VllmEngine"


@pytest.mark.parametrize(
    ("answer", "well"), [(b"\x08\x01", True), (b"\x08\x02", False), (b"\x08\x03", False), (b"", False)]
)
def test_only_serving_is_well(answer: bytes, well: bool) -> None:
    """Field 1, an enum: unknown 0, serving 1, not serving 2, service unknown 3."""
    assert serving(CHECK.response.FromString(answer)) is well
