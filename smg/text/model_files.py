"""What a model's directory says beside its weights, read once and kept as plain values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smg.text.errors import TokenizerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOKENIZER = "tokenizer.json"
CONFIGS = ("config.json", "generation_config.json", "special_tokens_map.json", "tokenizer_config.json")
TEMPLATES = ("chat_template.jinja", "chat_template.json")
NAMES = (TOKENIZER, *CONFIGS, *TEMPLATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of one model that matter to text.

    Attributes:
        tokenizer: ``tokenizer.json`` as it is.
        configs: The JSON objects of ``CONFIGS`` by file name; empty where a file is missing.
        templates: Chat template sources by name; ``default`` is the usual one.
        fingerprint: SHA-256 in hexadecimal over names and contents of all these files.
    """

    tokenizer: bytes
    configs: Mapping[str, dict[str, Any]]
    templates: Mapping[str, str]
    fingerprint: str

    @classmethod
    def read(cls, path: Path) -> ModelFiles:
        """Read a model's directory, or a single ``tokenizer.json``; blocks.

        Raises:
            TokenizerError: There is no such path or no tokenizer in it, or a file cannot be read.
        """
        return cls.of(_contents(path))

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> ModelFiles:
        """Take what matters of files by name; blocks.

        Raises:
            TokenizerError: There is no tokenizer among them, or one is not what its name says.
        """
        contents = {name: contents[name] for name in NAMES if name in contents}
        if TOKENIZER not in contents:
            raise TokenizerError(f"there is no {TOKENIZER}")
        configs = {name: _json_object(name, contents.get(name, b"{}")) for name in CONFIGS}
        return cls(
            tokenizer=contents[TOKENIZER],
            configs=configs,
            templates=_templates(contents, configs["tokenizer_config.json"].get("chat_template")),
            fingerprint=_fingerprint(contents),
        )


def _contents(path: Path) -> dict[str, bytes]:
    try:
        if path.is_file():
            return {TOKENIZER: path.read_bytes()}
        names = [name for name in NAMES if (path / name).is_file()]
        if TOKENIZER not in names:
            found = "holds no tokenizer.json" if path.is_dir() else "does not exist"
            raise TokenizerError(f"tokenizer path {path} {found}")
        return {name: (path / name).read_bytes() for name in names}
    except OSError as exc:
        raise TokenizerError(f"tokenizer path {path} cannot be read: {exc.strerror}") from exc


def _json_object(name: str, content: bytes) -> dict[str, Any]:
    # the standard library, since published configs hold Infinity and integers beyond 64 bits
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise TokenizerError(f"{name} is not valid json") from exc
    if not isinstance(value, dict):
        raise TokenizerError(f"{name} is not a json object")
    return value


def _templates(contents: Mapping[str, bytes], configured: object) -> dict[str, str]:
    templates = _named_templates(configured)
    if "chat_template.json" in contents:
        templates |= _named_templates(_json_object("chat_template.json", contents["chat_template.json"]))
    if "chat_template.jinja" in contents:
        templates["default"] = _text("chat_template.jinja", contents["chat_template.jinja"])
    return templates


def _named_templates(value: object) -> dict[str, str]:
    match value:
        case {"chat_template": inner}:
            return _named_templates(inner)
        case str():
            return {"default": value}
        case list():
            named = [(entry.get("name"), entry.get("template")) for entry in value if isinstance(entry, dict)]
            return {name: source for name, source in named if isinstance(name, str) and isinstance(source, str)}
        case _:
            return {}


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise TokenizerError(f"{name} is not utf-8") from exc


def _fingerprint(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
