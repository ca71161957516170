"""What the configuration files of a model mean, as pure functions over their parsed contents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# transformers writes 10**30 where a length is unknown
SANE_CONTEXT_TOKENS = 1 << 30


def special_tokens(configs: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return special tokens by role (``bos_token`` …); a role that is unset is left out."""
    sources = (configs["special_tokens_map.json"], configs["tokenizer_config.json"])
    named = {role: _content(source[role]) for source in sources for role in SPECIAL_NAMES if source.get(role)}
    return {role: content for role, content in named.items() if content is not None}


def eos_ids(configs: Mapping[str, dict[str, Any]]) -> frozenset[int]:
    """Return every end-of-text id that ``config.json`` and ``generation_config.json`` name."""
    sources = (*_model_configs(configs), configs["generation_config.json"])
    return frozenset(token_id for source in sources for token_id in _ids(source.get("eos_token_id")))


def context_length(configs: Mapping[str, dict[str, Any]]) -> int | None:
    """Return the smallest sane limit stated, in tokens of prompt and answer together; None if none is."""
    stated = [config.get("max_position_embeddings") for config in _model_configs(configs)]
    stated.append(configs["tokenizer_config.json"].get("model_max_length"))
    limits = (int(value) for value in stated if _is_number(value))
    return min((limit for limit in limits if 0 < limit < SANE_CONTEXT_TOKENS), default=None)


def sampling_defaults(configs: Mapping[str, dict[str, Any]]) -> dict[str, float]:
    """Return the model's own sampling values for the fields a caller may leave out."""
    generation = configs["generation_config.json"]
    return {name: generation[name] for name in SAMPLING_FIELDS if _is_number(generation.get(name))}


def answer_tokens(configs: Mapping[str, dict[str, Any]]) -> int | None:
    """Return how long the model's makers let an answer be where a caller is silent, in tokens; None if unsaid."""
    stated = configs["generation_config.json"].get("max_new_tokens")
    return int(stated) if _is_number(stated) and stated >= 1 else None


def _model_configs(configs: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    config = configs["config.json"]
    yield config
    # a model that also sees or hears keeps its language part's settings one level down
    if isinstance(config.get("text_config"), dict):
        yield config["text_config"]


def _content(token: object) -> str | None:
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _ids(value: object) -> Iterator[int]:
    for token_id in value if isinstance(value, list) else [value]:
        if isinstance(token_id, int) and not isinstance(token_id, bool) and token_id >= 0:
            yield token_id


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
