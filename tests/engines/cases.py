"""What is asked of both ways to an engine; greedy unless it says otherwise."""

from __future__ import annotations

from typing import Any

USER = [{"role": "user", "content": "What is a gateway?"}]
CHAT = {"messages": USER, "temperature": 0, "max_tokens": 24}
TEXT = {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 24}
HOT = {"temperature": 1.3, "seed": 7}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
GRAMMAR = 'root ::= "x" "y" | "z"'
TOOLS = [{"function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": "É"}'}}
EVERYTHING = list(range(60, 300))
END, START = 2, 1  # <|im_end|>, <|im_start|>

SAMPLING: dict[str, dict[str, Any]] = {
    "plain": {},
    "silent": {"temperature": None, "seed": 5},
    "seed": HOT,
    "large seed": {**HOT, "seed": 2**40},
    "negative seed": {**HOT, "seed": -5},
    "n": {**HOT, "n": 3},
    "top_k": {**HOT, "top_k": 5},
    "top_p": {**HOT, "top_p": 0.5},
    "min_p": {**HOT, "min_p": 0.2},
    "penalties": {"repetition_penalty": 1.3, "frequency_penalty": 0.3, "presence_penalty": 0.4},
    "bias": {"logit_bias": {"70": -100, "90": 5}},
    "min_tokens": {"min_tokens": 10, "stop_token_ids": EVERYTHING},
    "stop ids": {"stop_token_ids": EVERYTHING},
    "stop ids kept": {"stop_token_ids": EVERYTHING, "include_stop_str_in_output": True},
    "end at once": {"logit_bias": {str(END): 100}},
    "end kept": {"logit_bias": {str(END): 100}, "include_stop_str_in_output": True, "skip_special_tokens": False},
    "end ignored": {"logit_bias": {str(END): 100}, "ignore_eos": True, "max_tokens": 6},
    "end ignored and shown": {
        "logit_bias": {str(END): 100},
        "ignore_eos": True,
        "skip_special_tokens": False,
        "max_tokens": 6,
    },
    "special": {"logit_bias": {str(START): 100}, "max_tokens": 6},
    "special shown": {"logit_bias": {str(START): 100}, "skip_special_tokens": False, "max_tokens": 6},
    "ignore_eos": {"ignore_eos": True, "max_tokens": 100},
    "long": {"max_tokens": 200},
    "regex": {"structured_outputs": {"regex": "[ab]{3}c"}},
    "choice": {"structured_outputs": {"choice": ["yes", "no"]}},
    "json": {"structured_outputs": {"json": SCHEMA}, "max_tokens": 60},
    "json_object": {"structured_outputs": {"json_object": True}, "max_tokens": 60},
    "grammar": {"structured_outputs": {"grammar": GRAMMAR}},
    "response_format json_object": {"response_format": {"type": "json_object"}, "max_tokens": 60},
    "response_format json_schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        "max_tokens": 60,
    },
}

# the chat's greedy answer begins with "ent", one broken byte, "\x05Ǟ wor lazy", the completion's with one, then "How"
STRINGS = [
    ["ent"],
    ["e"],
    ["nt"],
    [" wor lazy"],
    ["r la"],
    ["Ǟ wor"],
    ["zz"],
    ["lazy", "wor"],
    ["wor", "wor la"],
    ["t\ufffd\x05"],
    ["\ufffd"],
    ["Hell"],
    [" 10"],
    ["10H"],
    ["größ"],
]
WAYS: dict[str, dict[str, Any]] = {
    "stop": {},
    "kept": {"include_stop_str_in_output": True},
    "late": {"min_tokens": 5},
}
STOPS: dict[str, dict[str, Any]] = {
    f"{name} {strings}": {"stop": strings, **more} for strings in STRINGS for name, more in WAYS.items()
}

CHATS: dict[str, dict[str, Any]] = {
    "silence": {"temperature": None, "seed": 5, "max_tokens": None},
    "max_completion_tokens": {"max_tokens": None, "max_completion_tokens": 5},
    "logprobs": {"logprobs": True},
    "logprobs 3": {"logprobs": True, "top_logprobs": 3},
    "logprobs 20": {"logprobs": True, "top_logprobs": 20},
    "logprobs hot": {"logprobs": True, "top_logprobs": 3, **HOT},
    "logprobs and stop": {"logprobs": True, "top_logprobs": 1, "stop": [" wor lazy"]},
    "logprobs at the end": {"logprobs": True, "top_logprobs": 2, "logit_bias": {str(END): 100}},
    "empty": {"messages": [{"role": "user", "content": ""}]},
    "parts": {
        "messages": [
            {"role": "system", "content": "Be."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ]
    },
    "unused tools": {"tools": TOOLS, "tool_choice": "none"},
    "tool calls": {
        "messages": [
            *USER,
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ]
    },
    "continued": {
        "messages": [*USER, {"role": "assistant", "content": "A gate"}],
        "continue_final_message": True,
        "add_generation_prompt": False,
    },
    "no generation prompt": {"add_generation_prompt": False},
    "template variables": {"chat_template_kwargs": {"add_generation_prompt": False}},
    "special tokens": {"add_special_tokens": True},
    "large": {"messages": [{"role": "user", "content": "x" * 300}]},
    "letters of many kinds": {"messages": [{"role": "user", "content": "Größe, café, 東京 🙂"}]},
}

TEXTS: dict[str, dict[str, Any]] = {
    "silence": {"max_tokens": None},
    "logprobs 0": {"logprobs": 0},
    "logprobs 3": {"logprobs": 3},
    "logprobs 10": {"logprobs": 10},
    "logprobs hot": {"logprobs": 2, **HOT},
    "logprobs and stop": {"logprobs": 1, "stop": ["e"]},
    "ids": {"prompt": [70, 71, 72]},
    "several": {"prompt": ["Hello", "World"]},
    "lists of ids": {"prompt": [[70, 71], [72]]},
    "several of several": {"prompt": ["Hello", "World"], "n": 2, **HOT},
    "echo": {"echo": True},
    "echo of ids": {"echo": True, "prompt": [70, 71, 72]},
    "echo and stop": {"echo": True, "stop": ["Hell"]},
    "echo and logprobs": {"echo": True, "logprobs": 2},
    "echo of ids and logprobs": {"echo": True, "logprobs": 1, "prompt": [70, 71, 72]},
}

REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "too long a chat": ("chat", {"messages": [{"role": "user", "content": "word " * 2000}]}),
    "too long a text": ("text", {"prompt": "word " * 2000}),
    "too long a list": ("text", {"prompt": [70] * 600}),
    "beyond the context": ("chat", {"max_tokens": 1000}),
    "text beyond the context": ("text", {"max_tokens": 1000}),
    "no messages": ("chat", {"messages": []}),
    "no text": ("text", {"prompt": ""}),
    "no tokens asked for": ("text", {"max_tokens": 0}),
    "ids beyond the vocabulary": ("text", {"prompt": [99_999]}),
    "temperature": ("chat", {"temperature": -1}),
    "n": ("chat", {"n": 0}),
    "greedy n": ("chat", {"n": 2}),
    "min_tokens": ("chat", {"min_tokens": 50}),
    "alternatives without logprobs": ("chat", {"top_logprobs": 2}),
    "too many alternatives": ("chat", {"logprobs": True, "top_logprobs": 21}),
    "fewer than no alternatives": ("text", {"logprobs": -1}),
    "options of no stream": ("chat", {"stream_options": {"include_usage": True}}),
    "regex": ("chat", {"structured_outputs": {"regex": "[ab"}}),
    "schema": ("chat", {"structured_outputs": {"json": {"type": "nonsense"}}}),
    "two constraints": ("chat", {"structured_outputs": {"regex": "a", "choice": ["b"]}}),
    "suffix": ("text", {"suffix": "x"}),
    "continued and prompted": ("chat", {"continue_final_message": True, "add_generation_prompt": True}),
}

TOKENIZED: dict[str, dict[str, Any]] = {
    "text": {"prompt": "Hello wörld"},
    "nothing": {"prompt": ""},
    "names": {"prompt": "Hello wörld 🙂", "return_token_strs": True},
    "chat": {"messages": USER},
    "chat with tools": {"messages": USER, "tools": TOOLS},
    "unprompted": {"messages": USER, "add_generation_prompt": False},
}

EMBEDDED: dict[str, dict[str, Any]] = {
    "text": {"input": "Hello"},
    "texts": {"input": ["Hello", "What is a gateway?"]},
    "ids": {"input": [70, 71, 72]},
    "lists of ids": {"input": [[70, 71], [72]]},
    "packed": {"input": "Hello", "encoding_format": "base64"},
    "too long": {"input": "word " * 2000},
    "nothing": {"input": ""},
}

MLX_CHATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "longer": {"max_tokens": 40},
    "bias": {"logit_bias": {"70": -100, "90": 5}},
    "penalties": {"frequency_penalty": 0.5, "presence_penalty": 0.5},
    "repetition": {"repetition_penalty": 1.2},
    "end at once": {"logit_bias": {str(END): 100}},
}
PROMPTS = ["Hello", "What is a gateway?", "Größe, café, 東京 🙂", "1 2 3 4", "x" * 300]
