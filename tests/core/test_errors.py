"""Tests of smg.core.errors."""

from __future__ import annotations

import pytest

from smg.core import errors

LEAVES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_each_error_can_be_acted_on(kind):
    """Status, code and type are of the shapes that callers and docs rely on."""
    assert 400 <= kind.status <= 599
    assert kind.code.replace("_", "").isalpha()
    assert kind.type.endswith("_error")


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_the_side_at_fault_shows_in_the_status(kind):
    """What is the caller's fault is 4xx; what is a worker's is 5xx."""
    if issubclass(kind, errors.DownstreamError):
        assert kind.status < 500
    if issubclass(kind, errors.UpstreamError):
        assert kind.status >= 502
