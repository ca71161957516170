"""How many choices a request asks for, and which of them a stream has finished.

A stream that breaks off is whole all the same if every choice had shown why it finished. How many there must be stands
in the request alone: a choice that has not begun yet shows in no event.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from smg.core.words import Endpoint
from smg.wire.sse import SseFramer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_CHOICES = 1 << 16
"""Choices of a stream that are told apart; an index beyond is not noted."""

A_REASON = re.compile(rb'"finish_reason"\s*:\s*["{]')
"""A reason to finish that is not null. Engines write it in one line; one that a line's end cuts in two is none, or what
else comes with its event would decide whether it is found."""

_MANY = re.compile(rb'[ \t\r\n]*\[[ \t\r\n]*["\[{]')

NOTHING = b"null"
NONE = msgspec.Raw(NOTHING)


class _Sampling(msgspec.Struct):
    n: int | None = None


class _Chat(msgspec.Struct):
    n: int | None = None

    def choices(self) -> int:
        return self.n or 1


class _Completion(msgspec.Struct):
    n: int | None = None
    prompt: msgspec.Raw = NONE
    prompt_embeds: msgspec.Raw = NONE

    def choices(self) -> int:
        return max(1, _prompts(self.prompt) + _prompts(self.prompt_embeds)) * (self.n or 1)


class _Generate(msgspec.Struct):
    text: msgspec.Raw = NONE
    input_ids: msgspec.Raw = NONE
    sampling_params: _Sampling | list[_Sampling] | None = None

    def choices(self) -> int:
        sampling = self.sampling_params[0] if isinstance(self.sampling_params, list) else self.sampling_params
        answers = (sampling and sampling.n) or 1
        return max(1, _prompts(self.text) + _prompts(self.input_ids)) * answers


_ASKED: Mapping[Endpoint, msgspec.json.Decoder[_Chat | _Completion | _Generate]] = {
    Endpoint.CHAT: msgspec.json.Decoder(_Chat),
    Endpoint.COMPLETIONS: msgspec.json.Decoder(_Completion),
    Endpoint.GENERATE: msgspec.json.Decoder(_Generate),
}
_list = msgspec.json.Decoder(list[msgspec.Raw])


def choices_asked(endpoint: Endpoint, body: bytes) -> int:
    """Return how many choices an engine that took ``body`` streams, at least 1; costs about 2 us per 10 KiB."""
    if (decoder := _ASKED.get(endpoint)) is None:
        return 1
    try:
        return decoder.decode(body).choices()
    except (msgspec.MsgspecError, IndexError):
        return 1  # nothing that engines know to count


def _prompts(prompt: msgspec.Raw) -> int:
    """Return how many prompts a field holds: text is one, and so are token ids."""
    text = bytes(prompt)
    if text == NOTHING:
        return 0
    return len(_list.decode(text)) if _MANY.match(text) else 1


class _Choice(msgspec.Struct):
    index: int | None = 0
    finish_reason: Any = None


class _Meta(msgspec.Struct):
    finish_reason: Any = None


class _Event(msgspec.Struct):
    index: int | None = 0
    choices: list[_Choice] = []
    meta_info: _Meta | None = None

    def finished(self) -> Iterator[int]:
        for choice in self.choices:
            if choice.finish_reason:
                yield choice.index or 0
        if self.meta_info is not None and self.meta_info.finish_reason:
            yield self.index or 0


_event = msgspec.json.Decoder(_Event)


def choices_finished(events: bytes) -> set[int]:
    """Return the choices that show in these whole events why they finished; for events that hold ``A_REASON``."""
    shown = [data for data in _payloads(events) if any(map(A_REASON.search, data.split(b"\n")))]
    return {index for data in shown for index in _finished(data) if index < MOST_CHOICES}


def _payloads(events: bytes) -> list[bytes]:
    """Return the data of whole events; those of one line each, as engines write them, are quickly told apart."""
    *pieces, rest = events.split(b"\n\n")
    of_one_line = not rest and events.count(b"\n") == 2 * len(pieces) and events.find(b"\r") < 0
    if of_one_line and all(piece.startswith(b"data: ") for piece in pieces):
        return [piece.removeprefix(b"data: ") for piece in pieces]
    return SseFramer(len(events) + 1).feed(events)


def _finished(data: bytes) -> set[int]:
    """Return the choices one event finishes; a reason in a place we do not know counts for the first."""
    try:
        return set(_event.decode(data).finished()) or {0}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {0}
