from __future__ import annotations

import os
import subprocess
import sys

from smg.server.parsers import require_c_parser


def test_c_parser_is_taken() -> None:
    """As installed here, nothing is wrong."""
    require_c_parser()


def test_pure_python_parser_is_refused() -> None:
    """Without aiohttp's C parser the gateway does not start, and says why."""
    program = (
        "from smg.server.parsers import require_c_parser\n"
        "from smg.core.errors import ConfigError\n"
        "try: require_c_parser()\n"
        "except ConfigError as error: print(error)\n"
    )
    environment = {**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"}

    shown = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=30
    )

    assert "C parser" in shown.stdout
