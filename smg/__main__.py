"""``python -m smg`` is ``smg``."""

from __future__ import annotations

import sys

from smg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
