"""Which parser reads the workers' answers."""

from __future__ import annotations

from aiohttp import http_parser

from smg.core.errors import ConfigError


def require_c_parser() -> None:
    """Refuse the pure-Python parser, which reads some broken messages differently.

    Raises:
        ConfigError: aiohttp runs without its C extensions.
    """
    if http_parser.HttpResponseParser is http_parser.HttpResponseParserPy:
        raise ConfigError("aiohttp runs without its C parser (AIOHTTP_NO_EXTENSIONS is set, or its wheel has none)")
