"""Chat templates: a conversation becomes the one text the model was trained to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2

from smg.text.content import ContentShape, content_shape, fit
from smg.text.errors import TemplateBudgetError, TemplateError
from smg.text.sandbox import BudgetError, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# stands at the end of the message to be continued while rendering; what follows it is cut off
CONTINUE_MARK = "<<smg:continue-here>>"
# put after the mark, so that a template that trims messages shows itself by its absence
SPACE = " "
# what a template's own sums and look-ups can raise
TEMPLATE_FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


class ChatTemplate:
    """A compiled chat template; may render in several threads at once.

    Attributes:
        shape: What the template wants message content to be.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str], *, tool_source: str | None = None) -> None:
        """Compile ``source``, and ``tool_source`` for conversations with tools where a model has one of its own.

        Raises:
            TemplateError: A source is not a jinja2 template.
        """
        self._special_tokens = dict(special_tokens)
        self._sandbox = Sandbox()
        self._plain, self.shape = self._compile(source)
        self._with_tools, self._tool_shape = self._compile(tool_source) if tool_source else (self._plain, self.shape)

    @classmethod
    def of(cls, templates: Mapping[str, str], special_tokens: Mapping[str, str]) -> ChatTemplate | None:
        """Return the template among a model's named ones, or None where it has no usual one."""
        source = templates.get("default")
        return None if source is None else cls(source, special_tokens, tool_source=templates.get("tool_use"))

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        kwargs: Mapping[str, Any] | None = None,
        cpu_secs: float = 2.0,
    ) -> str:
        """Return the conversation as text; special tokens are spelt out in it.

        Args:
            messages: OpenAI's messages as plain values; not changed.
            tools: OpenAI's tools.
            add_generation_prompt: Open the assistant's turn at the end.
            continue_final_message: Leave the last message open for the model to go on with; no turn is opened.
            kwargs: More variables for the template; those named here win over them.
            cpu_secs: Processor time at most.

        Raises:
            TemplateBudgetError: Time ran out, or the text became too long.
            TemplateError: The template refuses the conversation or fails on it.
        """
        template, shape = (self._with_tools, self._tool_shape) if tools else (self._plain, self.shape)
        fitted = [fit(message, shape) for message in messages]
        if continue_final_message:
            _mark_end(fitted)
        variables = {
            **self._special_tokens,
            "documents": None,
            **(kwargs or {}),
            "messages": fitted,
            "tools": tools or None,
            "add_generation_prompt": add_generation_prompt and not continue_final_message,
        }
        text = self._run(template, variables, cpu_secs)
        return _cut_at_mark(text) if continue_final_message else text

    def _run(self, template: jinja2.Template, variables: Mapping[str, Any], cpu_secs: float) -> str:
        try:
            return self._sandbox.render(template, variables, cpu_secs)
        except BudgetError as exc:
            raise TemplateBudgetError(str(exc)) from exc
        except jinja2.TemplateError as exc:
            raise TemplateError(exc.message or "chat template refused the conversation") from exc
        except TEMPLATE_FAULTS as exc:
            # the text of such an error may quote the conversation
            raise TemplateError(f"chat template failed: {type(exc).__name__}") from exc

    def _compile(self, source: str) -> tuple[jinja2.Template, ContentShape]:
        try:
            return self._sandbox.from_string(source), content_shape(self._sandbox.parse(source))
        except jinja2.TemplateSyntaxError as exc:
            raise TemplateError(f"chat template, line {exc.lineno}: {exc.message}") from exc
        except (jinja2.TemplateError, *TEMPLATE_FAULTS) as exc:
            raise TemplateError(f"chat template cannot be compiled: {type(exc).__name__}") from exc


def _mark_end(messages: list[dict[str, Any]]) -> None:
    if not messages:
        raise TemplateError("there is no final message to continue")
    content = messages[-1]["content"]
    if isinstance(content, str):
        messages[-1]["content"] = content + CONTINUE_MARK + SPACE
    else:
        messages[-1]["content"] = [*content[:-1], {**content[-1], "text": content[-1]["text"] + CONTINUE_MARK + SPACE}]


def _cut_at_mark(text: str) -> str:
    kept, mark, rest = text.rpartition(CONTINUE_MARK)
    if not mark:
        raise TemplateError("chat template does not show the final message, so it cannot be continued")
    return kept if rest.startswith(SPACE) else kept.rstrip()
