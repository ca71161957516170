"""Files, variables and flags as trees that know where their values stand."""

from __future__ import annotations

import os

import pytest

from smg.config.sources import nearest, read_environment, read_file, read_flags
from smg.core.errors import ConfigError


def test_variables_of_others_are_left_alone():
    """Only names with the gateway's prefix are read."""
    assert read_environment({"PATH": "/bin", "SMGX": "1", "SMG_CONFIG": "f"}).tree == {}


def test_lists_are_parted_by_commas_or_spaces():
    """Both habits work."""
    tree = read_environment({"SMG_CORS_ALLOWED_ORIGINS": "http://a, http://b  http://c"}).tree

    assert tree == {"server": {"cors_allowed_origins": ["http://a", "http://b", "http://c"]}}


def test_unknown_variable_is_refused_with_the_nearest():
    """A misspelt variable would otherwise do nothing in silence."""
    with pytest.raises(ConfigError, match=r"^SMG_PROT: unknown variable; did you mean 'SMG_PORT'\?$"):
        read_environment({"SMG_PROT": "1"})


@pytest.mark.parametrize(("name", "text"), [("SMG_PORT", "x"), ("SMG_LOG_JSON", "yes"), ("SMG_RETRY_MAX_RETRIES", "0")])
def test_variable_of_the_wrong_type_is_named_without_its_value(name, text):
    """The message says what is wanted."""
    with pytest.raises(ConfigError, match=f"^{name}: expected"):
        read_environment({name: text})


def test_variables_of_a_service_called_smg_are_not_settings():
    """A cluster puts these into every container next to a service of that name."""
    links = {
        "SMG_SERVICE_HOST": "10.0.0.1",
        "SMG_SERVICE_PORT": "30000",
        "SMG_SERVICE_PORT_HTTP": "30000",
        "SMG_PORT": "tcp://10.0.0.1:30000",
        "SMG_PORT_30000_TCP": "tcp://10.0.0.1:30000",
        "SMG_PORT_30000_TCP_ADDR": "10.0.0.1",
    }

    assert read_environment(links).tree == {}


def test_given_says_how_a_setting_was_spelt():
    """What lies in a setting that was given is blamed on it."""
    given = read_flags({"workers": [{"url": "http://a:1"}], "server.port": None})

    assert given.tree == {"workers": [{"url": "http://a:1"}]}
    assert given.where(("workers", 0, "url")) == "--worker-urls"
    assert given.where(("server", "port")) is None


@pytest.mark.parametrize(("name", "reason"), [("missing.yaml", "No such file"), ("", "Is a directory")])
def test_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    """The reason is the system's."""
    with pytest.raises(ConfigError, match=f"cannot be read: {reason}"):
        read_file(str(tmp_path / name))


def test_name_with_a_null_byte_is_refused():
    """A name no system can hold is a wrong setting like any other."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file("a\0b")


def test_endless_file_is_read_no_further_than_the_limit():
    """A device in place of a file does not fill the memory."""
    with pytest.raises(ConfigError, match="larger than"):
        read_file(os.path.join("/dev", "zero"))  # noqa: PTH118


def test_nearest_says_nothing_where_nothing_is_near():
    """A guess that helps nobody is left out."""
    assert nearest("zzz", ["port", "host"]) == ""
    assert nearest("prot", ["port", "host"]) == "; did you mean 'port'?"
