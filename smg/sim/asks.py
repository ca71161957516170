"""What a simulated engine is asked for, whichever way the request came."""

from __future__ import annotations

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One generation.

    Attributes:
        max_tokens: At most this many tokens; None up to the natural end or the context.
        banned: Token ids that are never drawn.
        constraint: Kind and value of a grammar: json_object, json_schema or choice (the chosen one); no others.
        prompt_logprobs: The prompt's log probabilities are wanted too.
        hold_after: Stop producing after this many tokens without ending; a fault.
        fail_after: Fail after this many tokens; a fault.
    """

    request_id: str
    prompt_ids: tuple[int, ...]
    max_tokens: int | None = None
    min_tokens: int = 0
    seed: int | None = None
    n: int = 1
    ignore_eos: bool = False
    stop: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    banned: frozenset[int] = frozenset()
    constraint: tuple[str, str] | None = None
    logprobs: int | None = None
    prompt_logprobs: bool = False
    hold_after: int | None = None
    fail_after: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of one choice, known before the first token is produced.

    Attributes:
        token_ids: With the end or stop token, if one ended it.
        finish: "stop" or "length".
        matched: The stop token or stop string that ended it; None for the model's own end.
        text: As the HTTP server shows it: no special tokens, cut before a stop string.
    """

    token_ids: tuple[int, ...]
    finish: str
    matched: int | str | None
    text: str


class RefusedError(ValueError):
    """The engine will not serve this request; the message is the engine's own."""
