"""Entry of one process; the supervisor gives it the descriptor of its line."""

from __future__ import annotations

import sys

from smg.server.processes.process import main

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
