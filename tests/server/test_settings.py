from __future__ import annotations

from typing import Any

import pytest

from smg.server.settings import LogSettings, MetricsSettings, ServerSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"port": -1},
        {"port": 65536},
        {"processes": 0},
        {"processes": 257},
        {"max_payload_size": 0},
        {"body_idle_timeout_secs": 0},
        {"write_stall_timeout_secs": float("nan")},
        {"keep_alive_timeout_secs": -1.0},
        {"header_read_timeout_secs": 0},
        {"body_grace_secs": float("nan")},
        {"body_min_bytes_per_sec": 0},
        {"max_header_line_bytes": 0},
        {"max_header_fields": 0},
        {"max_header_bytes": -1},
        {"max_connections": 0},
        {"shutdown_grace_period_secs": float("nan")},
        {"tls_cert_path": "cert.pem"},
        {"tls_client_ca_path": "ca.pem"},
        {"tls_client_crl_path": "crl.pem", "tls_cert_path": "cert.pem", "tls_key_path": "key.pem"},
        {"tls_handshake_timeout_secs": 0},
        {"api_key": ""},
    ],
)
def test_server_settings_out_of_range_are_refused(settings: Any) -> None:
    """Each slice checks its own ranges and names the field."""
    with pytest.raises(ValueError, match=next(iter(settings))):
        ServerSettings(**settings)


def test_buckets_must_rise() -> None:
    """Histograms need rising bounds."""
    for buckets in ((), (1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="duration_buckets"):
            MetricsSettings(duration_buckets=buckets)


def test_unknown_log_level_is_refused() -> None:
    """Only the four levels exist, one of them in two spellings."""
    assert LogSettings(level="warn").level == "warn"
    with pytest.raises(ValueError, match="level"):
        LogSettings(level="verbose")
