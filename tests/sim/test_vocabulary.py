"""The model's files."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from smg.sim import vocabulary


@given(text=st.text(max_size=60))
@settings(max_examples=60)
def test_text_comes_back_from_its_tokens(text: str) -> None:
    """Every text survives encoding and decoding, and the bytes of the tokens are the text's."""
    token_ids = vocabulary.encode(text)

    assert text == vocabulary.decode(token_ids, skip_special_tokens=False)
    assert text.encode() == b"".join(vocabulary.token_bytes(one) for one in token_ids)


def test_bundle_is_a_readable_model_folder() -> None:
    """The archive holds a tokenizer that the tokenizers library reads, and the facts of the model."""
    data, sha256 = vocabulary.bundle(1024)
    archive = zipfile.ZipFile(io.BytesIO(data))
    read = Tokenizer.from_str(archive.read("tokenizer.json").decode())
    config = json.loads(archive.read("config.json"))

    assert hashlib.sha256(data).hexdigest() == sha256
    assert read.encode("Well, the river<|im_end|>").ids == vocabulary.encode("Well, the river<|im_end|>")
    assert config["max_position_embeddings"] == 1024
    assert read.token_to_id("<|im_end|>") == config["eos_token_id"] == vocabulary.END_OF_TURN_ID
    assert "<|im_start|>" in json.loads(archive.read("tokenizer_config.json"))["chat_template"]


def test_bundle_is_the_same_in_every_process() -> None:
    """Another process makes the same bytes, whatever its hash seed."""
    script = "from smg.sim import vocabulary; print(vocabulary.bundle(1024)[1])"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert vocabulary.bundle(1024)[1] == other.stdout.strip()


def test_written_folder_is_readable(tmp_path) -> None:
    """The folder on disk holds the same tokenizer."""
    read = Tokenizer.from_file(str(vocabulary.write(tmp_path / "model") / "tokenizer.json"))

    assert read.get_vocab_size() == vocabulary.VOCABULARY_SIZE
