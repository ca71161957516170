from __future__ import annotations

from smg.server.handlers.masking import masked


def test_secrets_are_masked_at_any_depth() -> None:
    """Keys and passwords go, by their name; what only sounds like one, and what is not set, stays."""
    told = {
        "api_key": "sk-1",
        "states": [{"admin_api_key": "sk-2", "server_args": {"ssl_keyfile_password": "p", "eos_token": "</s>"}}],
        "hf_token": None,
        "max_total_num_tokens": 5,
    }

    assert masked(told) == {
        "api_key": "***",
        "states": [{"admin_api_key": "***", "server_args": {"ssl_keyfile_password": "***", "eos_token": "</s>"}}],
        "hf_token": None,
        "max_total_num_tokens": 5,
    }
