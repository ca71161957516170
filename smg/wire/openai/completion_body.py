"""The body of a text completion."""

from __future__ import annotations

from typing import ClassVar

from smg.wire.openai.decoding import Body, unsupported
from smg.wire.openai.ranges import Range, bad, check_ranges
from smg.wire.openai.sampling_fields import RequestSampling, check_request_sampling
from smg.wire.openai.stream_options import StreamOptions, check_stream_options

DEFAULT_TOKENS = 16
MAX_ALTERNATIVES = 20
REFUSED = frozenset({
    "allowed_token_ids",
    "bad_words",
    "length_penalty",
    "logits_processors",
    "prompt_embeds",
    "prompt_logprobs",
    "return_hidden_states",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "session_params",
    "suffix",
    "truncate_prompt_tokens",
    "use_beam_search",
})  # fmt: skip


class CompletionBody(RequestSampling, Body, kw_only=True):
    """What a caller of ``/v1/completions`` may say.

    Attributes:
        prompt: One text or one list of ids, or several of either.
        max_tokens: 0 only with ``echo``, to score the prompt; OpenAI's default is 16.
        logprobs: Alternatives to report per token, 0 to 20; None reports none. OpenAI ends at 5, engines do not.
        best_of: More candidates than are returned cannot be asked for.
    """

    refused: ClassVar[frozenset[str]] = REFUSED

    prompt: str | list[str | int | list[int]]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    logprobs: int | None = None
    best_of: int | None = None
    add_special_tokens: bool | None = None
    user: str | None = None
    rid: str | None = None

    @property
    def answer_tokens(self) -> int:
        """Tokens of one answer at most."""
        return DEFAULT_TOKENS if self.max_tokens is None else self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """Alternatives to ask of the engine, as ``Generation.logprobs`` has it.

        One more than the caller's, since the token itself is told beside them and some engines count it in.
        """
        return min(self.logprobs + 1, MAX_ALTERNATIVES) if self.logprobs else self.logprobs

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        check_ranges(self, {"logprobs": Range(0, MAX_ALTERNATIVES)})
        check_request_sampling(self, self.answer_tokens, 0 if self.echo else 1)
        check_stream_options(self.stream_options, stream=self.stream)
        if self.best_of is not None and self.best_of < 1:
            raise bad("best_of", "must be at least 1")
        if self.best_of is not None and self.best_of not in {1, self.n or 1}:
            raise unsupported("best_of")
