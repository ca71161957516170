"""Makes ``docs/errors.md`` from the error classes; ``--check`` only tells whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from smg.core import errors
from smg.core.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parent.parent / "docs" / "errors.md"

HEAD = """\
# Errors

Every error the gateway makes is answered in one shape, and its code stands also in the field `X-SMG-Error-Code`:

```json
{"error": {"message": "n must be 1 to 128", "type": "invalid_request_error", "param": "n", "code": "invalid_request"}}
```

`param` names the field at fault, or is null. `Retry-After` is sent where coming back later can help. Every answer
has an `x-request-id`; a 500 shows nothing else, the log has the rest. A stream that fails after its head gets the same
object as one last event, without `[DONE]`. An error that an engine answered itself is passed on as it came, with
`X-SMG-Error-Code: upstream_rejected`; one that shows the gateway's key is replaced, with `upstream_error_withheld` and
the engine's status. A caller who leaves is recorded as 499 `client_closed_request`.

This page is made by `scripts/gen_error_docs.py`.

| code | status | type | meaning |
|---|--:|---|---|
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_row(kind) for kind in sorted(_codes(), key=lambda kind: (kind.status, kind.code)))


def _codes() -> Iterator[type[GatewayError]]:
    """Yield, for each code, the class that first says it."""
    seen: dict[str, type[GatewayError]] = {}
    for kind in _family(GatewayError):
        if kind.__module__.startswith("smg."):
            seen.setdefault(kind.code, kind)
    yield from seen.values()


def _family(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _family(below)


def _row(kind: type[GatewayError]) -> str:
    if kind is errors.DownstreamError:
        kind = errors.InvalidRequestError
    if kind is errors.RoutingError:
        kind = errors.NoWorkerError
    meaning = (kind.__doc__ or "").strip().splitlines()[0]
    return f"| `{kind.code}` | {kind.status} | `{kind.type}` | {meaning} |\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it; return the exit code."""
    wanted = page()
    if "--check" in arguments:
        current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted
        if not current:
            print("docs/errors.md is stale; run scripts/gen_error_docs.py", file=sys.stderr)
        return 0 if current else 1
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
