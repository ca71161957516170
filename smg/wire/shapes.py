"""What bodies are decoded into, and the limits that they are held against.

msgspec's structures decode fastest, and cannot be compiled; so they stand apart from what reads them.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

MAX_ANSWERS = 128
MAX_TOKENS = 100_000_000  # far above any model's context; what is larger is a mistake

NULL = msgspec.Raw(b"null")


class JsonLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a JSON body may be, its bytes aside, and how much it may ask for; each at least 1.

    Attributes:
        max_depth: Arrays and objects inside one another, the outermost included.
        max_nodes: Values and object keys together.
        max_messages: Messages of one chat.
        max_tools: Tools of one chat.
        max_stop: Stop strings of one request.
        max_top_logprobs: Alternatives told of each token; engines have lower limits of their own.
    """

    max_depth: int = 64
    max_nodes: int = 200_000
    max_messages: int = 10_000
    max_tools: int = 512
    max_stop: int = 256
    max_top_logprobs: int = 1_000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


class Sampling(msgspec.Struct, gc=False):
    """SGLang's ``sampling_params``; judged while it is decoded, since there may be one for each prompt."""

    max_new_tokens: Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_ANSWERS)] | None = None
    stop: msgspec.Raw = NULL


class RoutingFields(msgspec.Struct, frozen=True):
    """What a request says about where it goes and how; ``model`` is None where the caller named none."""

    model: str | None
    stream: bool = False


class TellingDocument(msgspec.Struct):
    """What of an engine's JSON tells of an error."""

    error: Any = None
    object: Any = None
    code: Any = None
