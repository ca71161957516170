"""J01-J06, J14: bodies that are not the one JSON object they should be, or ask for too much."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.faults.front.refusals import Refusal
from tests.faults.front.requests import CHAT, GOOD, GOOD_BODY, chat, request

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_CODES = ("invalid_json", "invalid_type", "invalid_request")
ENDPOINTS = {
    "chat": CHAT,
    "completions": "/v1/completions",
    "generate": "/generate",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "tokenize": "/v1/tokenize",
}
NOT_OBJECTS = {
    "empty": b"",
    "spaces": b"   \n",
    "null": b"null",
    "array": b"[]",
    "string": b'"x"',
    "number": b"1",
    "truncated": GOOD_BODY[:-1],
    "trailing-comma": b'{"model":"m",}',
    "comment": b'{"model":"m"/* */}',
    "line-comment": b'{"model":"m"}//',
    "two-documents": GOOD_BODY + GOOD_BODY,
    "two-lines": GOOD_BODY + b"\n{}",
    "single-quotes": b"{'model':'m'}",
    "bare-key": b'{model:"m"}',
    "form": b"model=m&stream=true",
    "nul-behind": GOOD_BODY + b"\x00",
}
DEEP = {"65": 65, "2000": 2_000, "100000": 100_000}
PLACES: dict[str, tuple[bytes, bytes]] = {
    "alone": (b"", b""),
    "field": (b'{"model":"m","x":', b"}"),
    "tool-schema": (b'{"model":"m","tools":[{"type":"function","function":{"parameters":', b"}}]}"),
    "metadata": (b'{"model":"m","metadata":{"a":', b"}}"),
    "tool-arguments": (
        b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":',
        b"}}]}]}",
    ),
}
NUMBERS = {
    "20-digits": "1" * 20,
    "400-digits": "1" * 400,
    "4301-digits": "1" * 4301,
    "minus-400-digits": "-" + "1" * 400,
    "1e999": "1e999",
    "minus-1e999": "-1e999",
    "1e-400": "1e-400",
    "1e9": "1e9",
    "fraction": "1.5",
    "string": '"1"',
    "object": "{}",
    "array": "[1]",
    "true": "true",
    "zero-point": "0.0e",
    "leading-zero": "01",
    "plus": "+1",
}
NOT_FINITE = ("NaN", "Infinity", "-Infinity", "nan", "inf")
DOUBLED = {
    "model": ('"m"', '"other"'),
    "stream": ("false", "true"),
    "max_tokens": ("1", "2"),
    "messages": ("[]", "[]"),
}
ENCODINGS = {
    "invalid-byte": b'{"model":"m","x":"\xff"}',
    "lone-continuation": b'{"model":"m","x":"\x80"}',
    "overlong-slash": b'{"model":"m","x":"\xc0\xaf"}',
    "overlong-nul": b'{"model":"m","x":"\xe0\x80\x80"}',
    "raw-surrogate": b'{"model":"m","x":"\xed\xa0\x80"}',
    "beyond-unicode": b'{"model":"m","x":"\xf5\x80\x80\x80"}',
    "cut-character": b'{"model":"m","x":"\xe2\x82"}',
    "bom": b"\xef\xbb\xbf" + GOOD_BODY,
    "utf-16": GOOD_BODY.decode().encode("utf-16"),
    "utf-16-le": GOOD_BODY.decode().encode("utf-16-le"),
    "utf-16-be": GOOD_BODY.decode().encode("utf-16-be"),
    "utf-32": GOOD_BODY.decode().encode("utf-32"),
    "lone-high-escape": b'{"model":"\\ud800","messages":[]}',
    "lone-low-escape": b'{"model":"\\udc00","messages":[]}',
    "broken-escape": b'{"model":"\\u12","messages":[]}',
    "raw-control": b'{"model":"m\x01","messages":[]}',
    "raw-newline": b'{"model":"m","x":"a\nb"}',
}
TOO_MUCH: dict[str, dict[str, Any]] = {
    "max_tokens-0": {"max_tokens": 0},
    "max_tokens-minus-1": {"max_tokens": -1},
    "max_tokens-1e9": {"max_tokens": 1_000_000_000},
    "max_completion_tokens-0": {"max_completion_tokens": 0},
    "max_completion_tokens-1e9": {"max_completion_tokens": 1_000_000_000},
    "n-0": {"n": 0},
    "n-10000": {"n": 10_000},
    "logprobs-10000": {"logprobs": True, "top_logprobs": 10_000},
    "logprobs-minus-1": {"logprobs": True, "top_logprobs": -1},
    "stop-1000": {"stop": [str(number) for number in range(1_000)]},
    "messages-20000": {"messages": [{"role": "user", "content": "a"}] * 20_000},
    "tools-1000": {"tools": [{"type": "function", "function": {"name": f"f{number}"}} for number in range(1_000)]},
}
TOO_MUCH_TO_COMPLETE: dict[str, dict[str, Any]] = {
    "max_tokens-minus-1": {"max_tokens": -1},
    "n-10000": {"n": 10_000},
    "logprobs-10000": {"logprobs": 10_000},
    "logprobs-minus-1": {"logprobs": -1},
    "stop-1000": {"stop": [str(number) for number in range(1_000)]},
}
TOO_MUCH_TO_GENERATE: dict[str, tuple[str, dict[str, Any]]] = {
    "max_new_tokens-minus-1": ("sampling_params.max_new_tokens", {"sampling_params": {"max_new_tokens": -1}}),
    "max_new_tokens-1e9": ("sampling_params.max_new_tokens", {"sampling_params": {"max_new_tokens": 1_000_000_000}}),
    "n-0": ("sampling_params.n", {"sampling_params": {"n": 0}}),
    "n-10000": ("sampling_params.n", {"sampling_params": {"n": 10_000}}),
    "n-10000-of-one": ("sampling_params.n", {"text": ["a", "b"], "sampling_params": [{}, {"n": 10_000}]}),
    "stop-1000": ("sampling_params.stop", {"sampling_params": {"stop": [str(number) for number in range(1_000)]}}),
    "logprobs-10000": ("top_logprobs_num", {"return_logprob": True, "top_logprobs_num": 10_000}),
}
"""The field that the answer names, and what is asked for."""


def refused(id_: str, body: bytes, *, path: str = CHAT, **wanted: Any) -> Refusal:
    """Return a case whose body is bad and whose connection may go on."""
    return Refusal(id_, request(body, path=path), closes=False, **{"codes": JSON_CODES, **wanted})


def not_objects() -> Iterator[Refusal]:
    """J01: anything but one object, wherever it is sent."""
    for place, path in ENDPOINTS.items():
        for name, body in NOT_OBJECTS.items():
            yield refused(f"J01-{name}-{place}", body, path=path, codes=("invalid_json", "invalid_type"))


def deep() -> Iterator[Refusal]:
    """J02: nesting, in arrays and objects, at five places."""
    for size, depth in DEEP.items():
        for place, (before, after) in PLACES.items():
            array = b"[" * depth + b"]" * depth
            objects = b'{"a":' * depth + b"1" + b"}" * depth
            yield refused(f"J02-arrays-{size}-{place}", before + array + after)
            yield refused(f"J02-objects-{size}-{place}", before + objects + after)
        yield refused(f"J02-unclosed-{size}", b'{"model":"m","x":' + b"[" * depth)


def numbers() -> Iterator[Refusal]:
    """J03: numbers in the fields that the gateway acts on."""
    for field in ("max_tokens", "max_completion_tokens", "n"):
        for name, text in NUMBERS.items():
            broken = name in {"zero-point", "leading-zero", "plus"}
            body = GOOD_BODY[:-1] + f', "{field}": {text}}}'.encode()
            yield refused(f"J03-{field}-{name}", body, param=None if broken else field)
    for field, texts in {"model": ("1", "[]", "{}", "true"), "stream": ("1", '"true"', "[]", "0")}.items():
        for number, text in enumerate(texts):
            yield refused(
                f"J03-{field}-wrong-type-{number}", f'{{"{field}": {text}, "messages": []}}'.encode(), param=field
            )


def not_finite() -> Iterator[Refusal]:
    """J04: words that are no JSON numbers, at three depths."""
    for word in NOT_FINITE:
        yield refused(f"J04-{word}-in-temperature", GOOD_BODY[:-1] + f', "temperature": {word}}}'.encode())
        yield refused(f"J04-{word}-nested", GOOD_BODY[:-1] + f', "x": {{"y": [{word}]}}}}'.encode())
        yield refused(f"J04-{word}-unread-key", GOOD_BODY[:-1] + f', "x": {word}}}'.encode())


def doubled() -> Iterator[Refusal]:
    """J05: a top-level name twice, also where one of the two is spelt with escapes."""
    for name, (first, second) in DOUBLED.items():
        escaped = f"\\u{ord(name[0]):04x}{name[1:]}"
        upper = "".join(f"\\u{ord(char):04X}" for char in name)
        for how, other in {"plain": name, "escaped": escaped, "all-escaped": upper}.items():
            rest = {key: value for key, value in GOOD.items() if key != name}
            tail = json.dumps(rest)[1:-1]
            yield refused(f"J05-{name}-{how}", f'{{"{name}": {first}, {tail}, "{other}": {second}}}'.encode())
            yield refused(f"J05-{name}-{how}-first", f'{{"{other}": {first}, {tail}, "{name}": {second}}}'.encode())
            yield refused(f"J05-{name}-{how}-same", f'{{"{other}": {first}, "{name}": {first}, {tail}}}'.encode())


def encodings() -> Iterator[Refusal]:
    """J06: what is not UTF-8, or does not decode to text."""
    for place in ("chat", "generate"):
        for name, body in ENCODINGS.items():
            yield refused(f"J06-{name}-{place}", body, path=ENDPOINTS[place])
    for name, kind in {"latin-1": b"latin-1", "utf-16": b"utf-16", "unknown": b"x", "utf-7": b"utf-7"}.items():
        sent = request(GOOD_BODY, kind=b"application/json; charset=" + kind)
        yield Refusal(f"J06-charset-{name}", sent, statuses=(415,), closes=False)


def too_much() -> Iterator[Refusal]:
    """J14: asked for beyond a cap that the answer names."""
    for name, fields in TOO_MUCH.items():
        yield refused(f"J14-{name}", chat(**fields), param=list(fields)[-1])
    for name, fields in TOO_MUCH_TO_COMPLETE.items():
        body = json.dumps({"model": "m", "prompt": "hi", **fields}).encode()
        yield refused(f"J14-completions-{name}", body, path=ENDPOINTS["completions"], param=list(fields)[-1])
    for name, (param, fields) in TOO_MUCH_TO_GENERATE.items():
        body = json.dumps({"model": "m", "text": "hi", **fields}).encode()
        yield refused(f"J14-generate-{name}", body, path=ENDPOINTS["generate"], param=param)


def all_json() -> Iterator[Refusal]:
    """Everything of this file."""
    for group in (not_objects, deep, numbers, not_finite, doubled, encodings, too_much):
        yield from group()


PASSED_ON = {
    "numbers-not-read": GOOD_BODY[:-1] + b', "x": 1e999, "y": ' + b"1" * 400 + b', "z": -0, "w": 1e-400}',
    "nested-duplicates": GOOD_BODY[:-1] + b', "x": {"a": 1, "a": 2}}',
    "depth-63": GOOD_BODY[:-1] + b', "x": ' + b"[" * 63 + b"]" * 63 + b"}",
    "odd-spaces": b'\n { "model" :\t"m" , "messages":[ ] } \r\n',
    "escapes": b'{"\\u006dodel":"\\u006d","messages":[],"x":"\\ud83d\\ude00"}',
    "seed-huge": GOOD_BODY[:-1] + b', "seed": 18446744073709551615}',
}
"""Bodies that reach an HTTP worker byte for byte (J03, J05)."""
