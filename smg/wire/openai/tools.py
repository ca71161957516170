"""Tools that a chat may call; the gateway reads their names, the template reads all of it."""

from __future__ import annotations

from typing import Any

import msgspec

from smg.wire.openai.ranges import bad

CHOICES = frozenset({"none", "auto", "required"})
MAX_TOOLS = 512


class Function(msgspec.Struct, kw_only=True):
    """One function the model may call; ``parameters`` is its JSON schema.

    Templates print a tool as it stands, so order and absence of fields are those of the engines' own servers.
    """

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | msgspec.UnsetType | None = msgspec.UNSET


class Tool(msgspec.Struct, kw_only=True):
    """A tool; functions are the only kind that engines know."""

    type: str = "function"
    function: Function


class ToolName(msgspec.Struct, kw_only=True):
    """Which function."""

    name: str


class NamedTool(msgspec.Struct, kw_only=True):
    """The choice of one function."""

    function: ToolName
    type: str = "function"


def told(tools: list[Tool] | None) -> list[dict[str, Any]] | None:
    """Return the tools as plain values for a chat template; None if there are none."""
    return [msgspec.to_builtins(tool) for tool in tools] if tools else None


def check_tools(tools: list[Tool] | None, choice: str | NamedTool | None) -> None:
    """Refuse kinds of tools that nobody knows, and a choice of what is not there."""
    if tools and len(tools) > MAX_TOOLS:
        raise bad("tools", f"must hold at most {MAX_TOOLS} tools")
    for place, tool in enumerate(tools or ()):
        if tool.type != "function":
            raise bad(f"tools.{place}.type", "must be function")
        if not tool.function.name:
            raise bad(f"tools.{place}.function.name", "must not be empty")
    check_choice({tool.function.name for tool in tools or ()}, choice)


def check_choice(names: set[str], choice: str | NamedTool | None) -> None:
    """Refuse a choice that is none of OpenAI's words, or of a function without tools to choose from."""
    if choice is None or choice == "none":
        return
    if isinstance(choice, str) and choice not in CHOICES:
        raise bad("tool_choice", "must be none, auto, required or a function")
    if not names:
        raise bad("tool_choice", "needs tools")
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise bad("tool_choice.function.name", "must be one of the tools")
