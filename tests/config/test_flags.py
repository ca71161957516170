"""The table of flags agrees with the schema."""

from __future__ import annotations

import pytest

from smg.config.flags import FLAGS, Flag
from smg.config.load import load
from smg.config.shape import bare, default_at, element, type_at
from smg.core.errors import ConfigError

SAMPLES = {"host": "::1", "endpoint": "/up", "policy": "random", "level": "error", "url": "http://proxy:1"}

TOGETHER = {
    "SMG_TLS_CERT_PATH": ["SMG_TLS_KEY_PATH"],
    "SMG_TLS_KEY_PATH": ["SMG_TLS_CERT_PATH"],
    "SMG_TLS_CLIENT_CA_PATH": ["SMG_TLS_CERT_PATH", "SMG_TLS_KEY_PATH"],
    "SMG_UPSTREAM_CERT_PATH": ["SMG_UPSTREAM_KEY_PATH"],
    "SMG_UPSTREAM_KEY_PATH": ["SMG_UPSTREAM_CERT_PATH"],
    "SMG_RETRY_MAX_BACKOFF_MS": ["SMG_RETRY_INITIAL_BACKOFF_MS"],
}
"""Variables that mean nothing without others."""


def sample(flag: Flag) -> str:
    """Return a value that differs from the default."""
    last = str(flag.path[-1])
    if last in SAMPLES:
        return SAMPLES[last]
    if flag.setting == "workers":
        return "grpc://a:1@0"
    if flag.setting == "callers":
        return "alice=sk-1"
    kind = bare(type_at(flag.path))
    if flag.switch:
        return "true"
    return "17" if kind in {int, float} else __file__


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_flag_gives_its_setting(flag):
    """A flag's path is in the schema, and its value lands there, from the environment too."""
    assert type_at(flag.path) is not None
    environment = dict.fromkeys([flag.variable, *TOGETHER.get(flag.variable, ())], sample(flag))

    settings = load(None, environment, {})

    value: object = settings
    for part in flag.path:
        value = getattr(value, str(part))
    expected = flag.value(sample(flag))
    if flag.setting == "workers":
        assert [spec.url for spec in settings.workers] == [sample(flag)]
    elif flag.setting == "callers":
        assert [(caller.name, caller.api_key) for caller in settings.callers] == [("alice", "sk-1")]
    else:
        assert value == ((expected,) if flag.several else expected)
        assert value != default_at(flag.path)


def test_names_settings_and_variables_are_unique():
    """No two flags mean the same, and none has two meanings."""
    names = [name for flag in FLAGS for name in (flag.name, *flag.aliases)]

    assert len(names) == len(set(names))
    assert len(FLAGS) == len({flag.setting for flag in FLAGS}) == len({flag.variable for flag in FLAGS})


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_flag_is_a_switch_or_names_its_value(flag):
    """What takes a value says in the help what that value is."""
    assert (flag.metavar == "") == flag.switch
    assert flag.help


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if bare(type_at(flag.path)) in {int, float, bool}])
def test_flag_refuses_what_is_not_of_its_type(flag):
    """A value is read strictly, as the schema says."""
    with pytest.raises(ValueError, match="Expected"):
        flag.value("12 monkeys")


def test_list_flags_read_one_element_at_a_time():
    """A flag that takes several values is told so by the schema."""
    flag = next(flag for flag in FLAGS if flag.name == "--cors-allowed-origins")

    assert flag.several
    assert flag.value("http://a") == "http://a"
    assert element(type_at(flag.path)) is str


def test_null_is_a_text():
    """A key of ``null`` is a key, not an open gateway."""
    assert load(None, {"SMG_API_KEY": "null"}, {}).server.api_key == "null"


@pytest.mark.parametrize("text", ["sk-secret", "a b=sk-secret", "=sk-secret", "alice=sk-secret\u00e9"])
def test_wrong_caller_is_refused_without_its_key(text):
    """What may be a key is not shown again."""
    with pytest.raises(ConfigError) as refused:
        load(None, {"SMG_CALLERS": text}, {})

    assert "SMG_CALLERS" in str(refused.value)
    assert "secret" not in str(refused.value)
