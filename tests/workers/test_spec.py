"""Specs: strict to read, laid over the defaults, patched by name."""

from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import InvalidRequestError
from smg.core.words import Runtime
from smg.workers.settings import HealthSettings, TlsSettings, WorkerDefaults
from smg.workers.spec import ModelCard, merged, patch_spec, read_spec, resolve


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({}, "url"),
        ({"url": 1}, "url"),
        ({"url": "http://h:1", "prioritty": 1}, "prioritty"),
        ({"url": "http://h:1", "runtime_type": "abacus"}, "runtime_type"),
        ({"url": "http://h:1", "models": [{"id": ""}]}, "models[0].id"),
        ({"url": "http://h:1", "bootstrap_port": 0}, "bootstrap_port"),
        ({"url": "http://u:p@h:1"}, "url"),
    ],
)
def test_a_bad_spec_names_its_field(data: dict[str, Any], param: str) -> None:
    """Unknown, missing and wrong fields are refused by name."""
    with pytest.raises(InvalidRequestError) as caught:
        read_spec(data)

    assert caught.value.param == param


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"health": {"timeout_secs": -1}}, "health.timeout_secs"),
        ({"health": {"timeout": 1}}, "health.timeout"),
        ({"tls": {"cert_path": "c"}}, "tls"),
        ({"resilience": {"jitter_factor": 2}}, "resilience.jitter_factor"),
    ],
)
def test_a_bad_override_names_its_block(block: dict[str, Any], param: str) -> None:
    """Overrides are as strict as the settings they override."""
    with pytest.raises(InvalidRequestError) as caught:
        resolve(read_spec({"url": "http://h:1", **block}), WorkerDefaults())

    assert caught.value.param == param


def test_overrides_lie_over_the_gateways_defaults() -> None:
    """What a spec does not say comes from the gateway, not from nowhere."""
    defaults = WorkerDefaults(
        health=HealthSettings(timeout_secs=9.0), tls=TlsSettings(ca_path="ca"), api_key="gateway's"
    )
    settings = resolve(read_spec({"url": "http://h:1", "health": {"failure_threshold": 7}}), defaults)

    assert (settings.health.timeout_secs, settings.health.failure_threshold) == (9.0, 7)
    assert (settings.tls.ca_path, settings.api_key) == ("ca", "gateway's")
    assert resolve(read_spec({"url": "http://h:1", "api_key": "own"}), defaults).api_key == "own"


def test_a_patch_changes_the_named_fields_and_keeps_the_rest() -> None:
    """Bootstrap port, provider, overrides and key survive a patch of something else."""
    old = read_spec(
        {
            "url": "http://h:1",
            "runtime": "tensorrt-llm",
            "provider": "custom",
            "bootstrap_port": 8998,
            "api_key": "k",
            "labels": {"a": "1", "b": "2"},
            "health": {"timeout_secs": 1.0},
            "models": [{"id": "m", "aliases": ["n"]}],
        }
    )
    new = patch_spec(old, {"priority": 7, "labels": {"a": None, "c": "3"}, "health": {"failure_threshold": 2}})

    assert new.priority == 7
    assert new.labels == {"b": "2", "c": "3"}
    assert new.health == {"timeout_secs": 1.0, "failure_threshold": 2}
    assert (new.provider, new.bootstrap_port, new.api_key) == ("custom", 8998, "k")
    assert new.runtime_type is Runtime.TRTLLM
    assert new.models == (ModelCard(id="m", aliases=("n",)),)


def test_a_patch_cannot_move_a_worker() -> None:
    """Another URL is another worker."""
    with pytest.raises(InvalidRequestError, match="url"):
        patch_spec(read_spec({"url": "http://h:1"}), {"url": "http://h:2"})


def test_merging_follows_the_rfc() -> None:
    """Objects merge, null removes, all else replaces."""
    assert merged({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"b": None, "c": [2]}, "e": {"f": None}}) == {
        "a": {"c": [2]},
        "d": 1,
        "e": {},
    }
