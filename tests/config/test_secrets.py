"""What is shown of the settings."""

from __future__ import annotations

import yaml

from smg.config.secrets import masked, shown
from tests.config.trees import load_text

TEXT = """
server: {api_key: secret-1}
worker_defaults: {api_key: secret-2, proxy: {url: "http://user:secret-3@proxy:1"}}
callers:
- {name: a, api_key: secret-6}
- {name: b, api_key: secret-7}
workers:
- url: http://a:1@0
  api_key: secret-4
  proxy: {url: "https://secret-5@proxy:1/"}
"""


def test_no_secret_is_shown(tmp_path):
    """Keys and the users of proxies are masked; a rank, which is spelt like a user, is not."""
    text = shown(load_text(tmp_path, TEXT))

    assert "secret" not in text
    assert "http://a:1@0" in text


def test_shown_settings_are_settings(tmp_path):
    """What is printed can be used as a file again, keys aside."""
    text = shown(load_text(tmp_path, TEXT))

    assert shown(load_text(tmp_path, text)) == text
    assert yaml.safe_load(text)["server"]["api_key"] == "***"


def test_absent_key_shows_as_absent():
    """No key and a hidden key can be told apart."""
    assert masked({"api_key": None, "a": ["x", 1]}) == {"api_key": None, "a": ["x", 1]}
