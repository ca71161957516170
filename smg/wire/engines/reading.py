"""Engine messages to deltas: the rules that hold for every engine protocol.

Theory: each protocol sends ``chunk`` messages while it streams and one ``complete`` per answer. A chunk
holds new tokens only. What a complete holds after chunks differs (nothing, the last chunk's tokens,
all tokens), but it is never new: its tokens count only for an answer that had no chunk.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from smg.core.generation import Delta, Finish, TokenLogprob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smg.core.generation import Generation
    from smg.wire.engines.shapes import AnswerMessage, InputLogprobsMessage, LogprobsMessage, MatchedMessage

REASONS = {"stop": "stop", "repetition": "stop", "length": "length"}
"""Everything else (abort, error, cancelled, timeout …) ended the answer without an end."""


def delta(message: AnswerMessage, token_ids: Iterable[int]) -> Delta:
    """Read what chunk and complete have in common."""
    return Delta(
        index=message.index,
        token_ids=list(token_ids),
        logprobs=_zipped(message.output_logprobs, message.output_logprobs.token_logprobs),
        prompt_tokens=message.prompt_tokens,
        cached_tokens=message.cached_tokens,
    )


def prompt_logprobs(message: InputLogprobsMessage) -> list[TokenLogprob]:
    """Read the parallel lists of a prompt, whose first token has no log-probability."""
    return _zipped(message, [entry.value if entry.HasField("value") else None for entry in message.token_logprobs])


def _zipped(message: LogprobsMessage, values: Sequence[float | None]) -> list[TokenLogprob]:
    rows = zip_longest(message.token_ids, values, message.top_logprobs)
    return [
        TokenLogprob(token_id, value, tuple(zip(top.token_ids, top.values, strict=False)) if top else ())
        for token_id, value, top in rows
        if token_id is not None
    ]


def matched(message: MatchedMessage) -> str | int | None:
    """Return the stop string or token that ended an answer; None where the engine names none."""
    match message.WhichOneof("matched_stop"):
        case "matched_token_id":
            return message.matched_token_id
        case "matched_stop_str":
            return message.matched_stop_str
        case _:
            return None


def finish(reason: str, matched: str | int | None) -> Finish:
    """Return an end in the gateway's words."""
    return Finish(reason=REASONS.get(reason, "abort"), matched=matched)


class UnaskedAnswerError(ValueError):
    """An engine numbers an answer beyond those that were asked for."""


class StreamReader:
    """Reads one stream of messages.

    Args:
        generation: What was asked; says how many alternatives to report.
        as_sent: Turns a message into a delta as the engine sent it; a complete has ``finish``.
    """

    # Any: the stubs of the five protocols share no type but Message, which has none of the fields
    def __init__(self, generation: Generation, as_sent: Callable[[Any], Delta | None]) -> None:
        self._generation = generation
        self._as_sent = as_sent
        self._streamed: set[int] = set()
        self._finished: set[int] = set()
        self._scored: set[int] = set()

    def read(self, message: Any) -> Sequence[Delta]:
        """Return what is new in ``message``; empty if nothing is, or if every answer has ended.

        Raises:
            UnaskedAnswerError: It belongs to no answer that was asked for.
        """
        sent = self._as_sent(message)
        if sent is None or len(self._finished) == self._generation.sampling.n:
            return ()
        return (self._new(sent),)

    def _new(self, sent: Delta) -> Delta:
        index = self._index(sent)
        fresh = self._fresh(sent, index)
        prompt = [] if index in self._scored else self._cut(sent.prompt_logprobs, self._generation.prompt_logprobs)
        if prompt:
            self._scored.add(index)
        logprobs = self._aligned(sent) if fresh else []
        return replace(
            sent,
            index=index,
            token_ids=sent.token_ids if fresh else [],
            logprobs=logprobs,
            prompt_logprobs=prompt,
            finish=self._finish(sent),
        )

    def _index(self, sent: Delta) -> int:
        """Return which answer this is; SGLang numbers all unstreamed ones 0, so they count in order."""
        asked = range(self._generation.sampling.n)
        if sent.index not in asked:
            raise UnaskedAnswerError
        index = sent.index
        if index in self._finished:
            index = next(other for other in asked if other not in self._finished)
        if sent.finish is not None:
            self._finished.add(index)
        return index

    def _fresh(self, sent: Delta, index: int) -> bool:
        """Return whether the tokens of ``sent`` are new and wanted."""
        if self._generation.sampling.max_tokens == 0:
            return False
        if sent.finish is None:
            self._streamed.add(index)
            return True
        return index not in self._streamed

    def _finish(self, sent: Delta) -> Finish | None:
        if sent.finish is not None and sent.finish.reason == "stop" and self._generation.sampling.max_tokens == 0:
            return Finish(reason="length")
        return sent.finish

    def _aligned(self, sent: Delta) -> list[TokenLogprob]:
        """Return one entry per id: an engine may leave out the last ones, or add one for a trimmed stop."""
        entries = self._cut(sent.logprobs, self._generation.logprobs)[: len(sent.token_ids)]
        missing = sent.token_ids[len(entries) :] if entries else []
        return entries + [TokenLogprob(token_id, None) for token_id in missing]

    @staticmethod
    def _cut(entries: list[TokenLogprob], count: int | None) -> list[TokenLogprob]:
        """Return the entries with ``count`` alternatives each; engines send some unasked."""
        if count is None:
            return []
        return [replace(entry, top=entry.top[:count]) for entry in entries]
