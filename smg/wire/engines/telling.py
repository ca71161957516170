"""What engines tell of themselves: small readers shared by the dialects."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeGuard

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from smg.core.errors import ContextLengthError, InvalidRequestError
from smg.core.generation import RankLoad

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message
    from google.protobuf.struct_pb2 import Value

    from smg.core.errors import DownstreamError

SAMPLING_KEYS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")

LARGEST = 2**31 - 1

REJECTED = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE", "FAILED_PRECONDITION"})
"""gRPC status names by which an engine blames the request."""

TOO_LONG = re.compile(
    r"maximum context length"
    r"|longer than the (maximum\s+model|model's context) length"
    r"|exceeds the maximum allowed length"
    r"|context length exceeded|exceeds the context"
    r"|should not exceed max_num_tokens"
    r"|default_max_tokens.{0,40}(must|should) be greater than 0"
    r"|(prompt|input) is too long",
    re.IGNORECASE | re.DOTALL,
)
"""How vLLM, SGLang, TensorRT-LLM and their kin say that the context is exceeded."""


def blamed(status_code: str, details: str) -> type[DownstreamError] | None:
    """Return the error for which the caller is to blame; None when the engine is.

    Args:
        status_code: Name of the gRPC status; engines send the too long prompt under any of them.
        details: The engine's text.
    """
    if TOO_LONG.search(details):
        return ContextLengthError
    return InvalidRequestError if status_code in REJECTED else None


def as_dict(message: Message) -> dict[str, Any]:
    """Return a message as JSON-able data under the protocol's own field names; defaults are left out."""
    copy = type(message)()
    copy.CopyFrom(message)
    for field, value in copy.ListFields():
        if isinstance(value, Struct):
            _spell_infinities(value.fields.values())
        if isinstance(value, Timestamp) and not _is_time(value):
            copy.ClearField(field.name)
    return MessageToDict(copy, preserving_proto_field_name=True)


def _spell_infinities(values: Iterable[Value]) -> None:
    """Turn numbers that JSON does not have into text, in place."""
    for value in values:
        _spell_infinities(value.struct_value.fields.values() if value.HasField("struct_value") else ())
        _spell_infinities(value.list_value.values if value.HasField("list_value") else ())
        if value.HasField("number_value") and not math.isfinite(value.number_value):
            value.string_value = str(value.number_value)


def _is_time(value: Timestamp) -> bool:
    """Tell whether there is such a time between the years 1 and 9999."""
    try:
        value.ToJsonString()
    except ValueError:
        return False
    return True


def instant(value: Timestamp) -> str:
    """Return a time as text; one that no calendar has is told by its seconds."""
    return value.ToJsonString() if _is_time(value) else str(value.seconds)


def arguments(struct: Struct) -> dict[str, object]:
    """Return the fields of a Struct that have a value."""
    return {name: struct[name] for name, value in struct.fields.items() if value.WhichOneof("kind") is not None}


def ids(values: Iterable[int]) -> tuple[int, ...]:
    """Return those of ``values`` that are token ids; some engines say -1 where there is none."""
    return tuple(value for value in values if value >= 0)


def sampling_defaults(*documents: str) -> dict[str, float]:
    """Read the model's sampling defaults from JSON texts, later ones first; what is no number is left out."""
    merged: dict[str, object] = {}
    for document in documents:
        merged |= _parsed(document)
    return {key: float(value) for key, value in merged.items() if key in SAMPLING_KEYS and _is_number(value)}


def _parsed(document: str) -> dict[str, object]:
    try:
        parsed = json.loads(document) if document else {}
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_number(value: object) -> TypeGuard[float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max


def positive(*values: object) -> int | None:
    """Return the first number above 0, by which engines mean that they know it; None if there is none.

    What is larger than any size of an engine is no number either.
    """
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= LARGEST:
            return int(value)
    return None


def labels(values: Mapping[str, object]) -> dict[str, str]:
    """Return the labels that say something; whole numbers lose the fraction a Struct gives them."""
    known = {key: value for key, value in values.items() if value not in {None, "", 0}}
    return {
        key: str(int(value) if isinstance(value, float) and value.is_integer() else value)
        for key, value in known.items()
    }


def chosen(values: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """Return the scalars among ``values`` that are named."""
    return {name: values[name] for name in names if isinstance(values.get(name), str | int | float)}


# Any: SchedulerLoad is a type of its own in each protocol, with the same fields
def rank_load(load: Any) -> RankLoad:
    """Read one rank's load."""
    return RankLoad(**{field.name: getattr(load, field.name) for field in fields(RankLoad)})
