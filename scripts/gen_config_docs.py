"""Makes ``docs/configuration.md`` from the schema and the table of flags; ``--check`` only says whether it is fresh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from smg.config.flags import FLAGS
from smg.config.shape import bare, default_at, dotted, element, fields, meanings, without_none
from smg.middleware.settings import CallerSettings
from smg.server.schema import Settings
from smg.workers.spec import OVERRIDES, ModelCard, WorkerSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.config.shape import Path as SettingPath

TARGET = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
FLAG_OF = {flag.path: flag for flag in FLAGS}
HEAD = """\
# Configuration

<!-- made by scripts/gen_config_docs.py; change the schema or the table of flags instead -->

Settings come from four places. The later wins: **defaults**, the **file** of `smg launch --config FILE` (or
`SMG_CONFIG`), **environment** variables, **flags**. Mappings are merged key by key; lists are replaced whole.

`smg check FILE` tells whether a file is right: exit code 0, or 2 with one line that names file, line, setting and what
is wanted. `smg check --show FILE` prints every setting that would hold, keys masked.

```yaml
server:
  port: 30000
policy: least_load
worker_defaults:
  timeouts: {total_secs: 600}
  tls: {ca_path: /etc/smg/ca.pem}
workers:
- url: https://10.0.0.1:8000
- url: grpc://10.0.0.2:50051
  health: {check_interval_secs: 5}
```

The file is YAML read by the core rules of YAML 1.2 (`yes` is a text, quote what must be one), at most 1 MiB. Anchors
and aliases may be used, tags may not, and a key may be set once. An unknown key is an error, in the file and in the
environment; the variables that clusters make for a service called `smg` (`SMG_SERVICE_HOST`, `SMG_PORT=tcp://...`)
are passed over.

A list in a variable is parted by commas or spaces; a switch is `true` or `false`. Give keys by variable or file rather
than by flag: a process's flags can be seen by other users of the machine. Workers given as bare URLs (`--worker-urls`)
are sent the gateway's own `--api-key`; workers of the file are sent the key of their entry, or
`worker_defaults.api_key`.
"""
WORKERS = """
## `workers`: the engines to start with

A list of mappings, one per worker. They are the same specs that `POST /workers` takes. What a block sets holds for this
worker, what it leaves out is as the gateway's default:
"""

CALLERS = """
## `callers`

A list of mappings, one per caller. A caller's `rate` is a mapping as `limits.rate`.
"""


def main() -> int:
    """Write the document, or with ``--check`` report a stale one; 1 means it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the document is stale")
    text = document()
    if not parser.parse_args().check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"docs/{TARGET.name} is stale: run scripts/gen_config_docs.py", file=sys.stderr)
    return 1


def document() -> str:
    """Return the whole page."""
    blocks = "\n- ".join(f"`{block}`: as `worker_defaults.{setting}`" for block, setting in OVERRIDES.items())
    own = set(fields(WorkerSpec)) - set(OVERRIDES)
    parts = [
        HEAD,
        *_flag_table(),
        *_slices(Settings, ()),
        WORKERS,
        f"- {blocks}\n",
        *_table(WorkerSpec, own),
        "\nA model of `models`:\n",
        *_table(ModelCard, set(fields(ModelCard))),
        CALLERS,
        *_table(CallerSettings, set(fields(CallerSettings))),
    ]
    return "\n".join(parts) + "\n"


def _flag_table() -> Iterator[str]:
    yield "## Flags and variables\n"
    yield "| flag | variable | setting | default |"
    yield "|---|---|---|---|"
    for flag in FLAGS:
        names = ", ".join(f"`{name}`" for name in (flag.name, *flag.aliases))
        default = _spelt(default_at(flag.path))
        yield f"| {names} | `{flag.variable}` | `{flag.setting}` | {default} |"


def _slices(kind: Any, path: SettingPath) -> Iterator[str]:
    """Yield a section per slice that holds settings of its own, outermost first."""
    own = {name for name, field in fields(kind).items() if not fields(field) and element(field) is not WorkerSpec}
    yield f"\n## {f'`{dotted(path)}`' if path else 'Top level'}\n"
    yield (kind.__doc__ or "").splitlines()[0].replace("``", "`") + "\n"
    if own:
        yield from _table(kind, own)
    for name, field in fields(kind).items():
        if fields(field):
            yield from _slices(bare(field), (*path, name))


def _table(kind: type[msgspec.Struct], names: set[str]) -> Iterator[str]:
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields(kind).items():
        if name in names:
            default = "must be given" if known[name].required else _spelt(known[name].default)
            meaning = meanings(kind).get(name, "").replace("``", "`").replace("|", "\\|")
            yield f"| `{name}` | {_type(field)} | {default} | {meaning} |"


def _type(kind: Any) -> str:
    """Name a type as YAML knows it."""
    plain = bare(kind)
    if element(kind) is not None:
        return f"list of {_type(element(kind))}"
    if get_origin(plain) is dict or get_origin(get_args(without_none(kind))[:1]) is dict or fields(plain):
        return "mapping"
    names = {int: "integer", float: "number", str: "text", bool: "true or false"}
    return names.get(plain) or ", ".join(f"`{member.value}`" for member in plain)


def _spelt(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_spelt, value)) or "none"
    if value is None or value is msgspec.NODEFAULT:  # an empty mapping has a factory for a default
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{getattr(value, 'value', value)}`"


if __name__ == "__main__":
    sys.exit(main())
