"""What a request used up, counted once per prompt however many answers it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.wire.openai.answer_style import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.generation import Delta


class Tally:
    """Counts tokens while they are delivered.

    Attributes:
        usage: The counts so far; one object, kept up to date.
    """

    def __init__(self, prompt_tokens: Sequence[int]) -> None:
        self._prompts = list(prompt_tokens)
        self._cached = [0] * len(self._prompts)
        self.usage = Usage(prompt_tokens=sum(self._prompts), completion_tokens=0, cached_tokens=0)

    def add(self, prompt: int, delta: Delta, completion_tokens: int) -> None:
        """Count ``delta``, an answer to prompt number ``prompt``, of which so many new ids were delivered.

        The engine's count of the prompt stands above the gateway's.
        """
        self.usage.completion_tokens += completion_tokens
        if delta.prompt_tokens and delta.prompt_tokens != self._prompts[prompt]:
            self.usage.prompt_tokens += delta.prompt_tokens - self._prompts[prompt]
            self._prompts[prompt] = delta.prompt_tokens
        if delta.cached_tokens > self._cached[prompt]:
            self.usage.cached_tokens += delta.cached_tokens - self._cached[prompt]
            self._cached[prompt] = delta.cached_tokens
