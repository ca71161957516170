"""Compile what a request passes through, in place, so that it costs less; uncompiled it does the same.

usage: python scripts/compile.py [--remove]

Beside each of the modules below comes a library that Python imports in its stead. Where there is no C compiler, or no
Python.h, nothing is made and the gateway runs as it is written. Exit code 1: the modules cannot be compiled.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import sysconfig
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX")
COMPILED = {
    "smg/core": "clock observers remembered request words",
    "smg/middleware": "authenticate cors failures finishing record stamp",
    "smg/policies": "least_load load passthrough policy power_of_two random_choice round_robin table",
    "smg/resilience": "backoff breaker bucket budget clock_headers clocks gate shares window",
    "smg/routers": "attempt attempts event_stream http_router judge plain_answer router tries",
    "smg/routers/grpc": (
        "chat choice completions embeddings generate generation_job job outputs router run tally tokenization"
    ),
    "smg/server": "routes target",
    "smg/server/handlers": "inference",
    "smg/server/http1": "connection crowd intake memory outlet service sink",
    "smg/server/observers": "attempt_tallies log_lines logs metrics request_tallies tallies",
    "smg/text": "detokenize stops",
    "smg/wire": (
        "answer_body answer_head caps codings event_relay event_template fields guard headers http_chunks http_fields"
        " http_head routing splice sse told"
    ),
    "smg/wire/openai": "chat_answers chunks completion_answers",
    "smg/workers": (
        "alarms cooldown detection exchange fleet grpc_channel grpc_generation grpc_worker http_answer http_exchange"
        " http_pool http_worker lean_answer lean_connection lean_exchange lease life registry transport watch worker"
    ),
}
"""What every request passes through; docs/adr/0018-compiled-modules.md says what of it stays as written, and why."""

LIBRARY = "smg.compiled"
"""What the modules' shared library is called; mypyc adds to it."""


def main() -> int:
    """Compile, or remove what was compiled."""
    args = arguments()
    remove()
    if args.remove:
        return 0
    if lacking := missing():
        print(f"not compiled: this machine has no {lacking}; a request will cost some 40 % more")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return build(Path(folder))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remove", action="store_true", help="remove what was compiled, and compile nothing")
    return parser.parse_args()


def sources() -> list[str]:
    """Return the modules to compile, by their paths below the root."""
    return [f"{package}/{name}.py" for package, names in COMPILED.items() for name in names.split()]


def libraries() -> Iterator[Path]:
    """Yield what was compiled for this Python."""
    return (ROOT / "smg").rglob(f"*{SUFFIX}")


def stale() -> list[str]:
    """Return the modules that were edited since they were compiled."""
    made = {source: (ROOT / source).with_suffix(SUFFIX) for source in sources()}
    return [
        source
        for source, library in made.items()
        if library.exists() and library.stat().st_mtime_ns < (ROOT / source).stat().st_mtime_ns
    ]


def remove() -> None:
    """Leave nothing but what is written."""
    for path in libraries():
        path.unlink()


def missing() -> str | None:
    """Name what compiling needs and this machine does not have, if anything."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(compiler) is None:
        return f"C compiler ({compiler})"
    return None if header.exists() else "Python.h"


def build(folder: Path) -> int:
    """Make the libraries by way of C in ``folder``; what the tools say is shown only where they fail."""
    from mypyc.build import mypycify  # noqa: PLC0415 - takes a second, and not everybody compiles
    from setuptools import Distribution  # noqa: PLC0415

    said = io.StringIO()
    try:
        with chdir(ROOT), redirect_stdout(said), redirect_stderr(said):
            # As fast as with more of the compiler's effort, and made sooner.
            modules = mypycify(sources(), opt_level="1", debug_level="0", target_dir=str(folder), group_name=LIBRARY)
            for module in modules:
                module.extra_compile_args.append("-Wno-all")  # to look for what deserves a warning takes thrice as long
            command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
            command.inplace, command.build_temp, command.build_lib = True, str(folder), str(folder)
            command.ensure_finalized()
            command.run()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - told, whatever it is; and nothing is left half made
        print(said.getvalue(), error, file=sys.stderr)
        remove()
        return 1
    print(f"compiled: {len(sources())} modules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
