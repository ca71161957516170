"""Settings from all sources, and what is said of those that are wrong."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from smg.config.load import load, merged, settle, steps
from smg.config.sources import Given
from smg.core.errors import ConfigError
from smg.server.schema import Settings
from tests.config.trees import complaint, load_text

if TYPE_CHECKING:
    from pathlib import Path

WORKER = "workers:\n- url: http://a:1\n"

BROKEN: list[tuple[str, str]] = [
    # unknown keys, with the nearest known one
    ("polcy: random", "1: polcy: unknown key; did you mean 'policy'?"),
    ("server:\n  prot: 1", "2: server.prot: unknown key; did you mean 'port'?"),
    ("server:\n  host: a\n  max_payload: 1", "3: server.max_payload: unknown key; did you mean 'max_payload_size'?"),
    ("zzz: 1", "1: zzz: unknown key"),
    ("1: 1", "1: 1: unknown key"),
    ("metrics: {prot: 1}", "1: metrics.prot: unknown key; did you mean 'port'?"),
    ("log: {levle: info}", "1: log.levle: unknown key; did you mean 'level'?"),
    ("model: {path: x}", "1: model.path: unknown key; did you mean 'model_path'?"),
    (
        "worker_defaults:\n  retry:\n    max_retires: 2",
        "3: worker_defaults.retry.max_retires: unknown key; did you mean 'max_retries'?",
    ),
    (WORKER + "  urll: x", "3: workers[0].urll: unknown key; did you mean 'url'?"),
    (
        WORKER + "  http_pool: {max_conections: 1}",
        "3: workers[0].http_pool.max_conections: unknown key; did you mean 'max_connections'?",
    ),
    (
        WORKER + "  models:\n  - id: m\n    aliasses: [x]",
        "5: workers[0].models[0].aliasses: unknown key; did you mean 'aliases'?",
    ),
    (
        WORKER + "  resilience: {maxretries: 1}",
        "3: workers[0].resilience.maxretries: unknown key; did you mean 'max_retries'?",
    ),
    # wrong types
    ("server: {port: '30000'}", "1: server.port: expected `int`, got `str`"),
    ("server: {port: 1.5}", "1: server.port: expected `int`, got `float`"),
    ("server: {port: true}", "1: server.port: expected `int`, got `bool`"),
    ("server: {host: 1}", "1: server.host: expected `str`, got `int`"),
    ("server:", "1: server: expected `mapping`, got `null`"),
    ("server: []", "1: server: expected `mapping`, got `list`"),
    ("policy: 1", "1: policy: expected `str`, got `int`"),
    ("log: {json: yes}", "1: log.json: expected `bool | null`, got `str`"),
    ("server: {cors_allowed_origins: '*'}", "1: server.cors_allowed_origins: expected `list`, got `str`"),
    ("server: {cors_allowed_origins: [1]}", "1: server.cors_allowed_origins[0]: expected `str`, got `int`"),
    (
        "worker_defaults: {health: {timeout_secs: 5s}}",
        "1: worker_defaults.health.timeout_secs: expected `float`, got `str`",
    ),
    ("workers: http://a:1", "1: workers: expected a list of mappings, each with a `url`"),
    ("workers: [http://a:1]", "1: workers[0]: expected a mapping with a `url`"),
    (WORKER + "  labels: {a: 1}", "3: workers[0].labels: expected `str`, got `int`"),
    (WORKER + "  priority: high", "3: workers[0].priority: expected `int`, got `str`"),
    (WORKER + "  tls: yes", "3: workers[0].tls: expected `mapping`, got `str`"),
    # out of range
    ("server: {port: -1}", "1: server.port: must be 0 to 65535"),
    ("server: {port: 65536}", "1: server.port: must be 0 to 65535"),
    ("metrics: {port: 99999}", "1: metrics.port: must be 0 to 65535"),
    ("server: {max_payload_size: 0}", "1: server.max_payload_size: must be above 0"),
    ("server: {shutdown_grace_period_secs: -1}", "1: server.shutdown_grace_period_secs: must be 0 or more"),
    ("server: {api_key: ''}", "1: server.api_key: must not be empty"),
    ("server: {write_stall_timeout_secs: .inf}", "1: server.write_stall_timeout_secs: must be a finite number"),
    ("server: {write_stall_timeout_secs: .nan}", "1: server.write_stall_timeout_secs: must be a finite number"),
    ("server: {write_stall_timeout_secs: 1e999}", "1: server.write_stall_timeout_secs: must be a finite number"),
    (WORKER + "  health: {drain_secs: -.inf}", "3: workers[0].health.drain_secs: must be a finite number"),
    ("log: {level: loud}", "1: log.level: must be one of debug, info, warning, error"),
    ("policy: fastest", "1: policy: must be one of round_robin, random, power_of_two, least_load, passthrough"),
    ("metrics: {duration_buckets: []}", "1: metrics.duration_buckets: must rise and hold at least one bound"),
    ("json: {max_depth: 0}", "1: json.max_depth: must be at least 1"),
    ("worker_defaults: {pool: {max_connections: 0}}", "1: worker_defaults.pool.max_connections: expected `int` >= 1"),
    (
        "worker_defaults: {timeouts: {total_secs: 0}}",
        "1: worker_defaults.timeouts.total_secs: expected `float` > 0.0",
    ),
    (
        "worker_defaults: {retry: {backoff_multiplier: 0.5}}",
        "1: worker_defaults.retry.backoff_multiplier: expected `float` >= 1.0",
    ),
    (
        "worker_defaults: {health: {failure_threshold: 0}}",
        "1: worker_defaults.health.failure_threshold: expected `int` >= 1",
    ),
    (
        "worker_defaults: {proxy: {url: 'socks5://p'}}",
        "1: worker_defaults.proxy.url: must start with http:// or https://",
    ),
    (WORKER + "  cost: -1", "3: workers[0].cost: expected `float` >= 0.0"),
    (WORKER + "  bootstrap_port: 0", "3: workers[0].bootstrap_port: expected `int` >= 1"),
    (WORKER + "  runtime: tgi", "3: workers[0].runtime: invalid enum value 'tgi'"),
    (WORKER + "  timeouts: {connect_secs: 0}", "3: workers[0].timeouts.connect_secs: expected `float` > 0.0"),
    (
        "workers: [{url: 'ftp://a:1'}]",
        "1: workers[0].url: worker url must start with http://, https://, grpc:// or grpcs://",
    ),
    ("workers: [{url: 'grpc://a'}]", "1: workers[0].url: worker url needs a port"),
    ("workers: [{}]", "1: workers[0]: `url` is missing"),
    # contradictions
    ("server: {tls_cert_path: x}", "1: server.tls_cert_path: tls_cert_path and tls_key_path must be set together"),
    ("worker_defaults: {tls: {cert_path: x}}", "1: worker_defaults.tls.cert_path: cert_path and key_path go together"),
    (WORKER + "  tls: {key_path: x}", "3: workers[0].tls.cert_path: cert_path and key_path go together"),
    (WORKER + "- url: HTTP://A:1/", "3: workers[1].url: is the same worker as workers[0]"),
    ("metrics: {port: 30000}", "1: metrics.port: must differ from server.port"),
    (
        "worker_defaults:\n  retry:\n    initial_backoff_ms: 5\n    max_backoff_ms: 1",
        "3: worker_defaults.retry.initial_backoff_ms: must not exceed max_backoff_ms",
    ),
    # files
    ("model: {model_path: nowhere}", "1: model.model_path: no such file, or it may not be read"),
    ("model: {chat_template: nowhere}", "1: model.chat_template: no such file, or it may not be read"),
    (
        "worker_defaults: {tls: {ca_path: nowhere}}",
        "1: worker_defaults.tls.ca_path: no such file, or it may not be read",
    ),
    (WORKER + "  tls: {ca_path: nowhere}", "3: workers[0].tls.ca_path: no such file, or it may not be read"),
    # what is no settings file at all
    ("- 1", "1: the file must be one mapping of settings"),
    ("a: 1\na: 2", "2: 'a' is set twice"),
    ("server: {port: 1", "2: not yaml: did not find expected ',' or '}'"),
    ("server: !!python/object:os.system {}", "1: tags are not allowed"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message.partition(": ")[2] for _, message in BROKEN])
def test_broken_file_is_refused_with_line_and_name(tmp_path, text, message):
    """Whoever wrote the file learns the line, the setting and what is wanted."""
    with pytest.raises(ConfigError) as refused:
        load_text(tmp_path, text)

    assert str(refused.value) == f"{tmp_path / 'gateway.yaml'}:{message}"


def test_precedence(tmp_path):
    """Defaults are under the file, the file under the environment, the environment under flags."""
    text = "server: {port: 1, host: file, api_key: file}\npolicy: random"
    environment = {"SMG_HOST": "environment", "SMG_API_KEY": "environment"}

    settings = load_text(tmp_path, text, environment, {"server.api_key": "flag"})

    assert settings.server.port == 1
    assert settings.server.host == "environment"
    assert settings.server.api_key == "flag"
    assert settings.policy == "random"
    assert settings.server.max_payload_size == Settings().server.max_payload_size


def test_nothing_given_is_all_defaults():
    """A gateway starts without any setting."""
    assert load(None, {}, {}) == Settings()


def test_file_named_by_the_environment_is_read(tmp_path):
    """``SMG_CONFIG`` names the file where no flag does."""
    file = tmp_path / "other.yaml"
    file.write_text("policy: random")

    assert load(None, {"SMG_CONFIG": str(file)}, {}).policy == "random"


def test_lists_are_replaced_whole(tmp_path):
    """The workers of a flag stand instead of the file's, not beside them."""
    settings = load_text(tmp_path, WORKER, flags={"workers": [{"url": "grpc://b:2"}]})

    assert [spec.url for spec in settings.workers] == ["grpc://b:2"]


@pytest.mark.parametrize(
    ("environment", "flags", "message"),
    [
        ({"SMG_PORT": "-1"}, {}, "SMG_PORT: server.port: must be 0 to 65535"),
        ({"SMG_PORT": "-1"}, {"server.port": 70000}, "--port: server.port: must be 0 to 65535"),
        ({"SMG_POLICY": "x"}, {"server.port": 1}, "SMG_POLICY: policy: must be one of "),
        ({}, {"workers": [{"url": "x"}]}, "--worker-urls: workers[0].url: worker url needs a port"),
        ({}, {"worker_defaults.timeouts.total_secs": float("inf")}, "--request-timeout-secs: worker_defaults."),
    ],
)
def test_error_names_flag_or_variable(environment, flags, message):
    """The source blamed is the one whose value won."""
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        load(None, environment, flags)


def test_bare_worker_urls_get_the_gateways_key():
    """Workers given as URLs take the gateway's key, since nothing else could name one."""
    settings = load(None, {"SMG_WORKER_URLS": "http://a:1", "SMG_API_KEY": "k"}, {})

    assert [spec.api_key for spec in settings.workers] == ["k"]


def test_workers_of_a_file_do_not_get_the_gateways_key(tmp_path):
    """An entry in a file can name its own key, and silence means none."""
    settings = load_text(tmp_path, WORKER + "server: {api_key: k}")

    assert [spec.api_key for spec in settings.workers] == [None]


def test_worker_entry_may_hold_everything(tmp_path):
    """A file's entry is a spec like the API's, its other spellings included."""
    text = WORKER + "  runtime: tensorrt-llm\n  labels: {policy: random}\n  http_pool: {max_connections: 2}\n"

    (spec,) = load_text(tmp_path, text).workers

    assert spec.runtime_type.value == "trtllm"
    assert spec.labels == {"policy": "random"}
    assert spec.http_pool == {"max_connections": 2}


def test_alias_block_serves_two_workers(tmp_path):
    """YAML anchors may be used to say something once."""
    text = "workers:\n- url: http://a:1\n  health: &h {endpoint: /up}\n- url: http://b:1\n  health: *h\n"

    assert [spec.health for spec in load_text(tmp_path, text).workers] == [{"endpoint": "/up"}] * 2


def test_merged_leaves_its_arguments_alone():
    """Merging makes new mappings."""
    under: dict[str, Any] = {"a": {"b": 1}}

    assert merged(under, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}
    assert under == {"a": {"b": 1}}


def test_steps_reads_the_converters_paths():
    """Keys and positions are told apart; what has no name ends the path."""
    assert steps(".workers[0].labels[...].x") == ("workers", 0, "labels")


KEYS = [
    "server",
    "port",
    "host",
    "workers",
    "url",
    "policy",
    "worker_defaults",
    "retry",
    "json",
    "models",
    "labels",
    "tls",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), below, max_size=4)
    ),
    max_leaves=12,
)


@given(tree=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_tree_is_settings_or_one_clear_error(tree):
    """Nothing that a file can say raises anything but ConfigError, in one line."""
    message = complaint(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))

    assert message is None or message.isprintable()


GOOD = b"""server: {port: 1, api_key: "k"}
policy: random
worker_defaults:
  health: &h {endpoint: /up, timeout_secs: 2.5}
workers:
- url: http://a:1@0
  health: *h
  labels: {a: b}
"""


@given(
    at=st.integers(0, len(GOOD)),
    cut=st.integers(0, 6),
    put=st.binary(max_size=4)
    | st.sampled_from([b"\n- ", b": ", b"*h", b"&h ", b"!!", b"{", b"[", b"'", b"|", b"\t", b"<<: *h"]),
)
def test_any_mutation_is_settings_or_one_clear_error(at, cut, put):
    """A slip of the editor never shows a traceback."""
    message = complaint(GOOD[:at] + put + GOOD[at + cut :])

    assert message is None or message.startswith("f:")


def test_a_thousand_workers_load_at_once(tmp_path: Path) -> None:
    """A large fleet's file is read well within the second that start-up may take."""
    text = "workers:\n" + "".join(f"- url: http://a:{port}\n  labels: {{a: b}}\n" for port in range(1, 1001))
    began = time.perf_counter()

    assert len(load_text(tmp_path, text).workers) == 1000
    assert time.perf_counter() - began < 1.0


def test_settings_of_no_source_but_a_tree_blame_only_the_path():
    """A tree built in code has no place to name."""
    with pytest.raises(ConfigError, match=r"^server\.port: must be"):
        settle([Given({"server": {"port": -1}})])
