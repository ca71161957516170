"""Keeps the tables of ``docs/engines.md`` as the dialects have it; ``--check`` only tells whether they are current."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smg.core.errors import UnsupportedFieldError
from smg.core.generation import Constraint, ConstraintKind, Generation, Sampling
from smg.wire.engines.manner import Manner
from smg.wire.engines.table import DIALECTS
from smg.wire.openai.sampling import PARAM_EXTRAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smg.wire.engines.dialect import Dialect

TARGET = Path(__file__).parent.parent / "docs" / "engines.md"

NAMES = {
    ConstraintKind.JSON_OBJECT: "any JSON object",
    ConstraintKind.JSON_SCHEMA: "a JSON schema",
    ConstraintKind.REGEX: "a regular expression",
    ConstraintKind.EBNF: "a grammar",
    ConstraintKind.STRUCTURAL_TAG: "a structural tag",
    ConstraintKind.CHOICE: "one of several texts",
}


def _asked(logprobs: int | None = None, **sampling: Any) -> Generation:
    return Generation(
        request_id="r",
        prompt_ids=[1],
        prompt_text="",
        sampling=Sampling(**sampling),
        stream=True,
        prompt_logprobs=logprobs,
    )


def _questions() -> Iterator[tuple[str, Generation]]:
    """Yield what a caller may ask, and a generation that asks it."""
    yield "`seed`", _asked(seed=1)
    yield "`min_tokens`", _asked(min_tokens=1)
    yield "`logit_bias`", _asked(logit_bias={1: 1.0})
    yield "`echo` with `logprobs`", _asked(logprobs=1)
    for kind, name in NAMES.items():
        yield name, _asked(constraint=Constraint(kind, "x", "x"))
    kinds = {name: kind for dialect in DIALECTS.values() for name, kind in dialect.reach.extras.items()}
    for name in sorted({*PARAM_EXTRAS, *kinds}):
        yield f"`{name}`", _asked(extra={name: kinds.get(name, int)()})


def _served(asked: Generation) -> Callable[[Dialect], str]:
    def served(dialect: Dialect) -> str:
        try:
            dialect.refuse(asked)
        except UnsupportedFieldError:
            return "400"
        return "yes"

    return served


def _reach() -> Iterator[str]:
    for name, asked in _questions():
        yield _row(name, _served(asked))
    yield _row("a rank (`@rank` in the worker's URL)", lambda dialect: "yes" if dialect.reach.ranks else "never ready")
    yield _row("`n` above 1", lambda dialect: "yes" if dialect.max_n is None else "a call for each")
    yield _row("stop strings", lambda dialect: "yes" if dialect.engine_stops else "by the gateway")
    yield _row("embeddings", lambda dialect: "400" if dialect.embed is None else "yes")
    yield _row("loads, flushing the cache", lambda dialect: "no" if dialect.loads is None else "yes")


def _manners() -> Iterator[str]:
    said = re.findall(r"^ {8}(\w+): (.*?\.)$", Manner.__doc__ or "", re.MULTILINE | re.DOTALL)
    told = {name: re.sub(r"\s+", " ", text).removesuffix(".") for name, text in said}
    for field in fields(Manner):
        yield _row(told[field.name].replace("``", "`"), _has(field.name))


def _has(name: str) -> Callable[[Dialect], str]:
    return lambda dialect: "yes" if getattr(dialect.manner, name) else "no"


def _row(name: str, cell: Callable[[Dialect], str]) -> str:
    return f"| {name} | " + " | ".join(map(cell, DIALECTS.values())) + " |\n"


def _table(rows: Iterator[str]) -> str:
    head = "| | " + " | ".join(runtime.value for runtime in DIALECTS) + " |\n|---" + "|---" * len(DIALECTS) + "|\n"
    return head + "".join(rows)


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    for name, rows in (("reach", _reach()), ("manners", _manners())):
        marks = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, rest = text.split(marks[0])
        text = before + marks[0] + _table(rows) + marks[1] + rest.split(marks[1])[1]
    return text


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it; return the exit code."""
    found = TARGET.read_text(encoding="utf-8")
    wanted = page(found)
    if "--check" in arguments:
        if found != wanted:
            print(f"{TARGET.name} is not current: run scripts/gen_engine_docs.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
