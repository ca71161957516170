"""The world a chat template runs in: sandboxed, and bounded in time and in the size of what it makes.

Theory: a template comes with a model and is somebody else's program. jinja2's sandbox keeps it away from Python's
insides and limits ``range``; on top of it every turn of a loop and every call of a macro looks at a budget of
processor time, and every way to make values grow step by step (``+``, ``*``, ``**``, ``~``, captured blocks, the
output itself) looks at a limit of their size. The hooks are put into the syntax tree before it is compiled.

Known ugliness: one single call can still be dear, such as formatting with a huge width (``"%999999999d" % 1``,
``center``, ``replace``). Such a call costs its memory and time once per rendering, or once while jinja2 folds
constants as it compiles.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from jinja2.parser import Parser
    from jinja2.runtime import Context

CHARS_AT_MOST = 16 * 1024 * 1024
BITS_AT_MOST = 4096


class BudgetError(jinja2.TemplateRuntimeError):
    """The rendering has used up its time, or made too long a text."""


class GenerationTag(Extension):
    """Lets ``{% generation %}`` stand: it marks the model's own words for training and shows what it holds."""

    tags = {"generation"}  # noqa: RUF012  # declared so by jinja2

    @override
    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Guards(NodeTransformer):
    """Puts a look at the budget into every loop and macro, and the limit of characters into ``~``."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  # the visitor's naming
        """Guard a loop."""
        return self._guard(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802  # the visitor's naming
        """Guard a macro, which may call itself."""
        return self._guard(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # the visitor's naming
        """Turn ``a ~ b`` into a call that counts."""
        self.generic_visit(node)
        return _call("joined", node.nodes).set_lineno(node.lineno)

    def _guard(self, node: nodes.For | nodes.Macro) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("tick", [])).set_lineno(node.lineno))
        return node


def _call(attribute: str, arguments: list[nodes.Expr]) -> nodes.Node:
    return nodes.Call(nodes.EnvironmentAttribute(attribute), arguments, [], None, None)


class Sandbox(ImmutableSandboxedEnvironment):
    """A jinja2 environment with the functions chat templates expect; may render in several threads at once."""

    intercepted_binops = frozenset({"+", "*", "**"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", GenerationTag])
        self._budget = threading.local()
        self.filters["tojson"] = tojson
        del self.globals["lipsum"]
        self.globals["raise_exception"] = raise_exception
        self.globals["strftime_now"] = strftime_now

    def render(self, template: jinja2.Template, variables: Mapping[str, Any], cpu_secs: float) -> str:
        """Render within ``cpu_secs`` of this thread's processor time.

        Raises:
            BudgetError: Time or characters ran out.
        """
        self._budget.end = time.thread_time() + cpu_secs
        return template.render(variables)

    def tick(self) -> None:
        """Raise ``BudgetError`` if this rendering's time is up."""
        if time.thread_time() > self._budget.end:
            raise BudgetError("chat template took too long")

    def joined(self, *values: object) -> str:
        """Return the values as one text, as ``~`` does."""
        return self.concat(map(str, values))

    @override
    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return one dictionary; jinja2's chain of two is copied for each rendering, name by name in Python."""
        return {**self.globals, **(d or {})}

    @override
    def concat(self, pieces: Iterable[str]) -> str:
        kept: list[str] = []
        left = CHARS_AT_MOST
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise BudgetError("chat template made too long a text")
            kept.append(piece)
        return "".join(kept)

    @override
    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = Guards().visit(super()._parse(source, name, filename))
        assert isinstance(tree, nodes.Template)  # noqa: S101  # the visitor changes what is inside only
        tree.set_environment(self)
        return tree

    @override
    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            return _sized(left + right)
        if operator == "**":
            _check(_bits(left) * abs(right) <= BITS_AT_MOST)
        else:
            _check(_bits(left) + _bits(right) <= BITS_AT_MOST)
            _check(_length(left) * _times(right) <= CHARS_AT_MOST)
            _check(_length(right) * _times(left) <= CHARS_AT_MOST)
        return super().call_binop(context, operator, left, right)


def _sized(value: Any) -> Any:
    _check(_length(value) <= CHARS_AT_MOST)
    return value


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _times(value: object) -> int:
    return value if isinstance(value, int) else 0


def _bits(value: object) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _check(allowed: bool) -> None:  # noqa: FBT001  # reads as an assertion
    if not allowed:
        raise BudgetError("chat template made too large a value")


def tojson(  # noqa: PLR0917  # the signature templates are written for
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002  # templates may pass these by place
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Return JSON for a model to read: no HTML escapes, characters as they are."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message: str) -> NoReturn:
    """Let a template refuse a conversation."""
    raise jinja2.TemplateError(message)


def strftime_now(pattern: str) -> str:
    """Return the local date or time in ``strftime`` format; some templates tell the model the date."""
    return datetime.now().astimezone().strftime(pattern)
