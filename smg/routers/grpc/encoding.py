"""Texts and conversations to ids: off the event loop, with faults told in the caller's terms."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from smg.core.errors import ContextLengthError, InvalidRequestError, NoWorkerError
from smg.routers.grpc.prompts import Prompt, check_ids
from smg.text.errors import TemplateError, TokenizerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from smg.routers.grpc.prompts import Source
    from smg.text.encoder import Encoder
    from smg.text.tokenizer import Tokenizer

BUSY_SECS = 1.0
"""When to come back to a gateway that has more texts to encode than it can."""


class Reader:
    """Reads prompts for one tokenizer.

    All its calls raise InvalidRequestError or ContextLengthError where the caller is at fault, NoWorkerError where the
    gateway is too busy.
    """

    def __init__(self, tokenizer: Tokenizer, encoder: Encoder, context: int | None = None) -> None:
        """Take the parts; texts that cannot fit in ``context`` tokens are refused unread, where that is given."""
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._context = context

    async def read(self, source: Source, param: str, *, special: bool) -> Prompt:
        """Return a prompt in ids, at least one; ``special`` frames a text with the model's special tokens."""
        prompt = await self.spell(source, param, special=special)
        if not prompt.ids:
            raise InvalidRequestError(f"{param} must not be empty", param=param)
        return prompt

    async def spell(self, source: Source, param: str, *, special: bool) -> Prompt:
        """Return a prompt as ``read`` does, even if it has no ids."""
        if isinstance(source, str):
            self._require_room(source)
            with _told(param):
                ids = await self._encoder.encode(self._tokenizer, source, add_special_tokens=special)
            return Prompt(ids, source)
        check_ids(source, self._tokenizer.vocab_size, param)
        return Prompt(source, "")

    def _require_room(self, text: str) -> None:
        least = self._tokenizer.least_tokens(text)
        if self._context is not None and least > self._context:
            raise ContextLengthError(f"this model's context is {self._context} tokens: the text has at least {least}")

    async def read_all(self, sources: Sequence[Source], param: str, *, special: bool) -> list[Prompt]:
        """Return each prompt in ids."""
        return [await self.read(source, param, special=special) for source in sources]

    async def converse(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
        """Return a conversation as the model's template spells it; ``options`` are those of ``ChatTemplate.render``."""
        template = self._tokenizer.template
        if template is None:
            raise InvalidRequestError("the model has no chat template", param="messages")
        with _told("messages"):
            return await self._encoder.render(template, messages, **options)


@contextmanager
def _told(param: str) -> Iterator[None]:
    try:
        yield
    except (TokenizerError, TemplateError) as error:
        raise InvalidRequestError(str(error), param=param) from error
    except TimeoutError as error:
        raise NoWorkerError("too many prompts wait to be encoded", retry_after_secs=BUSY_SECS) from error
