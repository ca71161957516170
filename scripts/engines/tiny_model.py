"""Make a tiny Llama with random weights: a tokenizer, a chat template, and a text that is always the same.

usage: python scripts/engines/tiny_model.py FOLDER   (needs numpy, safetensors and tokenizers; from the checkout's root)

Greedy answers of such a model are repeatable, so two ways to one engine can be compared token by token.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.text.tokenizers_made import make_model_dir

HIDDEN, HEADS, LAYERS, INNER, CONTEXT = 64, 2, 2, 128, 512


def weights(vocabulary: int) -> dict[str, np.ndarray]:
    """Return seeded weights; wide enough that the likeliest token is clearly the likeliest."""
    rng = np.random.default_rng(20_26)

    def drawn(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.4).astype(np.float32)

    made = {
        "model.embed_tokens.weight": drawn(vocabulary, HIDDEN),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
        "lm_head.weight": drawn(vocabulary, HIDDEN),
    }
    for layer in range(LAYERS):
        root = f"model.layers.{layer}"
        for name in ("q", "k", "v", "o"):
            made[f"{root}.self_attn.{name}_proj.weight"] = drawn(HIDDEN, HIDDEN)
        made[f"{root}.mlp.gate_proj.weight"] = drawn(INNER, HIDDEN)
        made[f"{root}.mlp.up_proj.weight"] = drawn(INNER, HIDDEN)
        made[f"{root}.mlp.down_proj.weight"] = drawn(HIDDEN, INNER)
        for name in ("input_layernorm", "post_attention_layernorm"):
            made[f"{root}.{name}.weight"] = np.ones(HIDDEN, np.float32)
    return made


def main(folder: Path) -> None:
    """Write the model unless it is there."""
    if (folder / "model.safetensors").exists():
        return
    make_model_dir(folder, context_length=CONTEXT)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = {"hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS}
    heads = {"num_attention_heads": HEADS, "num_key_value_heads": HEADS, "head_dim": HIDDEN // HEADS}
    rest = {"rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "hidden_act": "silu", "tie_word_embeddings": False}
    config |= shape | heads | rest | {"torch_dtype": "float32", "bos_token_id": None}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights(config["vocab_size"]), folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
