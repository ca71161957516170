"""YAML read with care: no tags, no duplicate keys, bounded size, depth and number of values.

Values are read by the core rules of YAML 1.2: ``yes`` is a text, ``1:30`` is a text, ``010`` is ten. Numbers may be
infinite or none at all here: who knows the setting they stand for refuses them by its name.
An alias counts as many values as it stands for, so a small file cannot unfold into a large one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import yaml

from smg.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.config.shape import Path

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 20_000

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_Value: TypeAlias = yaml.MappingStartEvent | yaml.SequenceStartEvent | yaml.ScalarEvent
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}|0x[0-9a-fA-F]{1,16}|0o[0-7]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,5})?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(slots=True)
class Node:
    """One value of the file.

    Attributes:
        line: Where it begins, 1 for the first line.
        value: What it is; for a mapping or list, what it holds is in ``below`` only.
        below: By key or position: the line of the key and the value.
        size: Values it stands for, itself included.
    """

    line: int
    value: Any = None
    below: dict[str | int, tuple[int, Node]] = field(default_factory=dict)
    size: int = 1

    def plain(self) -> Any:
        """Return the value as dictionaries, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, (_, node) in self.below.items()}
        if isinstance(self.value, list):
            return [node.plain() for _, node in self.below.values()]
        return self.value

    def line_of(self, path: Path) -> tuple[int, int]:
        """Return the line of a path, or of the part of it that is there, and how many steps that part has."""
        node, line = self, self.line
        for depth, part in enumerate(path):
            if part not in node.below:
                return line, depth
            line, node = node.below[part]
        return line, len(path)


def read_yaml(data: bytes, name: str) -> Node:
    """Read one mapping; an empty file is an empty one.

    Raises:
        ConfigError: Naming the file, the line and what is wrong there.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name}: larger than {MAX_BYTES} bytes")
    reader = _Reader(name)
    try:
        root = reader.document(iter(yaml.parse(data.decode(), Loader=_LOADER)))
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: not utf-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ConfigError(f"{name}:{line}: not yaml: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not yaml: {str(error).splitlines()[0]}") from None
    if not isinstance(root.value, dict):
        reader.refuse(root.line, "the file must be one mapping of settings")
    return root


class _Reader:
    """Builds nodes from the parser's events."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def refuse(self, line: int, reason: str) -> NoReturn:
        """Raise the error for a line."""
        raise ConfigError(f"{self._name}:{line}: {reason}")

    def document(self, events: Iterator[yaml.Event]) -> Node:
        """Read the only document of a stream."""
        root = Node(1, {})
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse(_line(event), "only one document per file")
                root = self._node(next(events), events, 0)
        if root.value is None:
            return Node(1, {})
        return root

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        if depth > MAX_DEPTH:
            self.refuse(_line(event), f"nested deeper than {MAX_DEPTH}")
        self._count(1, _line(event))
        if not isinstance(event, _Value):
            self.refuse(_line(event), "a value is missing")
        if event.tag is not None:
            self.refuse(_line(event), "tags are not allowed")
        node = self._filled(event, events, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _filled(self, event: _Value, events: Iterator[yaml.Event], depth: int) -> Node:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(Node(_line(event), {}), events, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(Node(_line(event), []), events, depth)
        return Node(_line(event), self._scalar(event))

    def _mapping(self, node: Node, events: Iterator[yaml.Event], depth: int) -> Node:
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.tag is not None:
                self.refuse(_line(key), "a key must be plain text")
            if key.value in node.below:
                self.refuse(_line(key), f"{key.value[:80]!r} is set twice")
            self._add(node, key.value, _line(key), self._node(next(events), events, depth + 1))
        return node

    def _sequence(self, node: Node, events: Iterator[yaml.Event], depth: int) -> Node:
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            self._add(node, len(node.below), _line(event), self._node(event, events, depth + 1))
        return node

    def _add(self, node: Node, key: str | int, line: int, value: Node) -> None:
        node.below[key] = (line, value)
        node.size += value.size

    def _aliased(self, event: yaml.AliasEvent) -> Node:
        name = event.anchor or ""
        node = self._anchors.get(name)
        if node is None:
            self.refuse(_line(event), f"nothing is anchored as {name[:80]!r} above")
        self._count(node.size, _line(event))
        return node

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            self.refuse(line, f"more than {MAX_VALUES} values, aliases unfolded")

    @staticmethod
    def _scalar(event: yaml.ScalarEvent) -> Any:
        text = event.value
        if event.style:  # quoted or a block: text whatever it spells
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)
        if _NOT_FINITE.fullmatch(text):
            return float(text.replace(".", ""))
        return float(text) if _FLOAT.fullmatch(text) else text


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else int(event.start_mark.line) + 1
