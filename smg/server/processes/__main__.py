"""Entry of one process; the supervisor gives it the descriptors of its line and of the table."""

from __future__ import annotations

import sys

from smg.server.processes.process import main

if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
