"""Tests of smg.server.descriptors."""

from __future__ import annotations

import resource

from smg.server.descriptors import allow_descriptors


def test_as_many_as_the_user_may():
    """The limit that is begun with is raised to the one that cannot be."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        allow_descriptors()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
