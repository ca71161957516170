"""The documentation says what is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from smg.core.observers import Observers
from smg.server.app import _admin, _facts, _serving
from tests.e2e.gateways import gateway

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")


async def test_every_route_is_on_the_page_of_paths():
    """Each path that is served stands in docs/api.md, with its method."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").replace("{model}", "{model*}")
    async with gateway() as made:
        running: Any = made
        parts = running._parts(running._attempts(None, Observers()), None)
        routes = [*_serving(parts), *_facts(parts), *_admin(parts)]

    missing = [
        (route.method, route.template)
        for route in routes
        if not re.search(rf"\| {route.method} \|[^|]*`{re.escape(route.template)}`", page)
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """Every link to a file of the repository finds it."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []
