"""Small tokenizers and model directories made on the spot, the same on every run.

``make_model_dir`` is what other packages' tests use; the single tokenizers show the decoder families.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from pathlib import Path

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CORPUS = (
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "Hello world! How are you today? I am fine, thank you; and you?",
    "user assistant system tool name arguments content message stop token",
    "Naïve café, größer, Москва, 東京, 你好世界, emoji 🙂 and 👍🏽.",
    "0 1 2 3 4 5 6 7 8 9 10 100 1000 { } [ ] ( ) : , \" ' \n\n\t",
)
TEMPLATE = """\
{%- if tools %}{{- '<|im_start|>system\\nTools:\\n' }}
{%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>' + call.function.name + ' ' + (call.function.arguments | tojson) + '</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""


def byte_level(vocab_size: int = 500) -> Tokenizer:
    """A GPT-2-like BPE that encodes any text: 256 byte tokens, merges, and the three special tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=1,
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def byte_fallback() -> Tokenizer:
    """A Llama-like BPE: words begin with ``▁``, unknown characters become ``<0xNN>`` tokens."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    learner.train_from_iterator(CORPUS[:3], trainers.BpeTrainer(vocab_size=200, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *learnt["vocab"]]
    vocab = {name: index for index, name in enumerate(dict.fromkeys(names))}
    merges = [tuple(pair) for pair in learnt["merges"]]
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B:1", special_tokens=[("<s>", vocab["<s>"])]
    )
    made.add_special_tokens([AddedToken(name, normalized=False) for name in ("<unk>", "<s>", "</s>")])
    return made


def metaspace() -> Tokenizer:
    """A T5-like unigram whose decoder is ``Metaspace``."""
    # not learnt, since that trainer's scores differ from run to run
    words, letters = _words_and_letters(" ".join(CORPUS))
    names = ["<unk>", "</s>", "▁", *letters, *(f"▁{word}" for word in words)]
    made = Tokenizer(models.Unigram([(name, -1.0 / len(name)) for name in dict.fromkeys(names)], unk_id=0))
    made.add_special_tokens(names[:2])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    return made


def word_piece() -> Tokenizer:
    """A BERT-like tokenizer: lower case, continuations begin with ``##``, texts stand in ``[CLS]`` and ``[SEP]``."""
    # not learnt, since that trainer's order differs from run to run
    words, letters = _words_and_letters(" ".join(CORPUS).lower())
    names = ["[UNK]", "[CLS]", "[SEP]", *words, *letters, *(f"##{letter}" for letter in letters)]
    vocab = {name: index for index, name in enumerate(dict.fromkeys(names))}
    made = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]"))
    made.add_special_tokens(names[:3])
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return made


def _words_and_letters(text: str) -> tuple[list[str], list[str]]:
    words = re.findall(r"\w+|\S", text)
    return words, sorted({letter for word in words for letter in word})


def make_model_dir(
    path: Path, *, name: str = "tiny", context_length: int = 4096, eos: tuple[str, ...] = ("<|im_end|>",)
) -> Path:
    """Write what a model's directory holds beside its weights; the tokenizer is ``byte_level()``.

    Args:
        path: Made if it is missing.
        name: Model name in ``config.json``.
        context_length: Tokens, in ``config.json`` and ``tokenizer_config.json``.
        eos: End-of-text tokens; the first is the tokenizer's own, all stand in ``generation_config.json``.
    """
    path.mkdir(parents=True, exist_ok=True)
    made = byte_level()
    ids = [made.token_to_id(token) for token in eos]
    made.save(str(path / "tokenizer.json"))
    write_json(
        path / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "_name_or_path": name,
            "vocab_size": made.get_vocab_size(),
            "max_position_embeddings": context_length,
            "eos_token_id": ids[0],
        },
    )
    write_json(
        path / "generation_config.json", {"eos_token_id": ids, "temperature": 0.7, "top_p": 0.9, "max_new_tokens": 64}
    )
    write_json(path / "special_tokens_map.json", {"eos_token": eos[0], "pad_token": "<|endoftext|>"})
    write_json(
        path / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context_length,
            "bos_token": None,
            "eos_token": {"content": eos[0], "special": True},
            "pad_token": "<|endoftext|>",
            "chat_template": TEMPLATE,
        },
    )
    return path


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` as a JSON file."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
