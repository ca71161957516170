"""Generates ``smg/stubs`` from ``protos``; ``--check`` only says whether they agree.

The descriptors keep the bare file names of ``protos`` (``common.proto``), since those are
the names under which the engines' own packages register them and the pool accepts a file
twice only under one name. Python's imports cannot stay bare, so they are rewritten to
``smg.stubs`` after the compiler has run.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "smg.stubs"

# Files of the stubs' folder that are written by hand.
BY_HAND = frozenset({"__init__.py"})

# What the compiler is asked for. Servicers are concrete in the types as they are when run: an
# engine may leave calls out, and those answer UNIMPLEMENTED.
OUTPUTS = (
    "python_out=",
    "grpc_python_out=",
    "mypy_out=quiet:",
    "mypy_grpc_out=quiet,generate_concrete_servicer_stubs:",
)


def main() -> int:
    """Write the stubs, or with ``--check`` report stale ones; 1 means there are some."""
    args = parse_args()
    if not args.check:
        write(args.protos, args.stubs)
        return 0
    found = stale(args.protos, args.stubs)
    for name in found:
        print(f"stale: {name}")
    return 1 if found else 0


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="generate smg/stubs from protos")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if stale")
    parser.add_argument("--protos", type=Path, default=ROOT / "protos", help="source folder")
    parser.add_argument("--stubs", type=Path, default=ROOT / "smg" / "stubs", help="target folder")
    return parser.parse_args()


def write(protos: Path, stubs: Path) -> None:
    """Make ``stubs`` hold exactly what ``protos`` generate, beside the files by hand."""
    wanted = generate(protos)
    stubs.mkdir(parents=True, exist_ok=True)
    for name in existing(stubs).keys() - wanted.keys():
        (stubs / name).unlink()
    for name, text in wanted.items():
        (stubs / name).write_text(text, encoding="utf-8")


def stale(protos: Path, stubs: Path) -> list[str]:
    """Name the files that are missing from ``stubs``, differ, or have no source any more."""
    wanted = generate(protos)
    found = existing(stubs)
    names = sorted(wanted.keys() | found.keys())
    return [name for name in names if wanted.get(name) != found.get(name)]


def existing(stubs: Path) -> dict[str, str]:
    """Read the generated files of a folder by name."""
    paths = [path for path in stubs.iterdir() if path.suffix in {".py", ".pyi"}]
    return {path.name: path.read_text("utf-8") for path in paths if path.name not in BY_HAND}


def generate(protos: Path) -> dict[str, str]:
    """Return every stub's text by file name."""
    with tempfile.TemporaryDirectory() as folder:
        compile_protos(protos, Path(folder))
        texts = existing(Path(folder))
    modules = {f"{path.stem}_pb2" for path in protos.glob("*.proto")}
    return {name: rehome(text, modules) for name, text in sorted(texts.items()) if not is_empty_service(name, text)}


def compile_protos(protos: Path, out: Path) -> None:
    """Run the protobuf compiler over all of ``protos``; its complaints go to stderr."""
    well_known = resources.files("grpc_tools") / "_proto"
    names = sorted(path.name for path in protos.glob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{well_known}"]
    command += [f"--plugin={plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    command += [f"--{output}{out}" for output in OUTPUTS]
    subprocess.run([*command, *names], check=True)


def plugin(name: str) -> str:
    """Give a compiler plugin as ``name=path``, so that no activated environment is needed."""
    return f"{name}={Path(sysconfig.get_path('scripts')) / name}"


def is_empty_service(name: str, text: str) -> bool:
    """Say whether a gRPC stub comes from a file that declares no service."""
    return "_pb2_grpc.py" in name and "Stub" not in text


def rehome(text: str, modules: set[str]) -> str:
    """Turn the compiler's top-level module names into those of the package."""
    names = "|".join(sorted(modules))
    text = re.sub(rf"^import ({names}) as ", rf"from {PACKAGE} import \1 as ", text, flags=re.MULTILINE)
    # The module a message class claims to live in; pickling a message imports it by that name.
    return re.sub(rf"Messages\(DESCRIPTOR, '({names})'", rf"Messages(DESCRIPTOR, '{PACKAGE}.\1'", text)


if __name__ == "__main__":
    sys.exit(main())
