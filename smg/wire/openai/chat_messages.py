"""Messages of a chat: checked where the gateway depends on them, otherwise handed to the template as they came."""

from __future__ import annotations

from typing import Any

from smg.wire.openai.decoding import unsupported
from smg.wire.openai.ranges import bad

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of content that are text, and the field that holds it."""
MAY_BE_SILENT = frozenset({"assistant", "function", "tool"})
MAX_MESSAGES = 10_000


def check_messages(messages: list[dict[str, Any]]) -> None:
    """Refuse an empty or endless chat, unknown roles and content that is not text.

    Raises:
        InvalidRequestError: ``param`` is the dotted path.
        UnsupportedFieldError: A part is an image, audio or a file.
    """
    if not messages:
        raise bad("messages", "must not be empty")
    if len(messages) > MAX_MESSAGES:
        raise bad("messages", f"must hold at most {MAX_MESSAGES} messages")
    for place, message in enumerate(messages):
        check_message(message, f"messages.{place}")


def check_message(message: dict[str, Any], path: str) -> None:
    """Check one message."""
    role, content = message.get("role"), message.get("content")
    if role is None:
        raise bad(f"{path}.role", "is required")
    if not isinstance(role, str) or role not in ROLES:
        raise bad(f"{path}.role", f"must be one of {', '.join(sorted(ROLES))}")
    if message.get("audio") is not None:
        raise unsupported(f"{path}.audio")
    if isinstance(content, list):
        for place, part in enumerate(content):
            check_part(part, f"{path}.content.{place}")
    elif content is None and role not in MAY_BE_SILENT:
        raise bad(f"{path}.content", "is required")
    elif content is not None and not isinstance(content, str):
        raise bad(f"{path}.content", "must be a string or an array")


def check_part(part: object, path: str) -> None:
    """Check one part of a message's content."""
    if isinstance(part, str):
        return
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise bad(f"{path}.type", "is required")
    field = TEXT_PARTS.get(part["type"])
    if field is None:
        raise unsupported(f"{path}.type")
    if not isinstance(part.get(field), str):
        raise bad(f"{path}.{field}", "must be a string")
