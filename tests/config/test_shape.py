"""What the schema says of a path."""

from __future__ import annotations

import msgspec
import pytest

from smg.config.shape import bare, default_at, dotted, element, fields, meanings, type_at
from smg.server.schema import Settings
from smg.server.settings import ServerSettings
from smg.workers.settings import HealthSettings, PoolSettings
from smg.workers.spec import WorkerSpec


def slices(kind: object = Settings) -> list[type[msgspec.Struct]]:
    """Return every struct of the tree but what a worker's entry is made of."""
    found = [kind] if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not WorkerSpec else []
    return found + [below for field in fields(kind).values() for below in slices(bare(field)) if found]


def test_type_at_follows_keys_and_positions():
    """A path through lists and slices ends at the field's own type."""
    assert type_at(("server",)) is ServerSettings
    assert bare(type_at(("server", "port"))) is int
    assert type_at(("workers", 3, "url")) is str
    assert type_at(("server", "nope", "x")) is None


def test_overrides_of_a_worker_have_the_shape_of_the_defaults():
    """What a worker may override is what the gateway has a default for."""
    assert type_at(("workers", 0, "http_pool")) is PoolSettings
    assert type_at(("workers", 0, "health")) is HealthSettings


def test_element_is_none_for_what_is_no_list():
    """Only lists have elements."""
    assert element(type_at(("workers",))) is WorkerSpec
    assert element(type_at(("policy",))) is None


def test_dotted_spells_positions_in_brackets():
    """Paths read as in messages."""
    assert dotted(("workers", 0, "tls", "ca_path")) == "workers[0].tls.ca_path"


def test_default_at_reads_the_tree_of_defaults():
    """A default is what the slice says."""
    assert default_at(("server", "port")) == 30000


@pytest.mark.parametrize("kind", slices(), ids=lambda kind: kind.__name__)
def test_every_setting_is_documented_where_it_stands(kind):
    """Each field of each slice has its line under ``Attributes``."""
    undocumented = set(fields(kind)) - set(meanings(kind))

    # these are slices themselves, documented by their own docstrings
    assert {name for name in undocumented if not fields(fields(kind)[name])} == set()


def test_meanings_joins_lines():
    """A meaning that runs over two lines is one text."""
    text = meanings(ServerSettings)["body_idle_timeout_secs"]

    assert "  " not in text
    assert text.startswith("Seconds without a byte")
