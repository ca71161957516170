"""How one simulated engine behaves."""

from __future__ import annotations

import msgspec


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speed, capacity and name of one engine.

    Attributes:
        model: The name it serves.
        speed: How many times faster than the figures below; 0 waits for nothing at all.
        prefill_tokens_per_sec: Uncached prompt tokens read per second, above 0.
        prefill_chunk_tokens: Uncached prompt tokens read per step, at least 1.
        decode_base_ms: Time of one step with an empty batch.
        decode_per_running_ms: What each request that decodes adds to a step.
        max_running: Requests in the batch; further ones wait.
        kv_tokens: Tokens the KV cache holds.
        block_tokens: Tokens per block of the KV cache.
        ranks: Data-parallel ranks behind the one address; each has a batch and a cache of its own.
        context_length: Prompt and answer together, in tokens.
        ledger_size: Requests the ledger remembers; its totals count all.
        ledger_body_bytes: Bytes kept of each request body.
        embedding_dim: Numbers per embedding.
    """

    model: str = "sim"
    speed: float = 1.0
    prefill_tokens_per_sec: float = 8000.0
    prefill_chunk_tokens: int = 2048
    decode_base_ms: float = 6.0
    decode_per_running_ms: float = 0.35
    max_running: int = 256
    kv_tokens: int = 524_288
    block_tokens: int = 16
    ranks: int = 1
    context_length: int = 32_768
    ledger_size: int = 1000
    ledger_body_bytes: int = 1_048_576
    embedding_dim: int = 32

    def step_secs(self, prefill_tokens: int, decoding: int) -> float:
        """Return how long a step takes that reads so many prompt tokens and draws so many tokens, in seconds."""
        if self.speed == 0:
            return 0.0
        decode_ms = self.decode_base_ms + self.decode_per_running_ms * decoding
        return (decode_ms / 1000 + prefill_tokens / self.prefill_tokens_per_sec) / self.speed
