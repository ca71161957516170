"""Tokenizers shared by all who use them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tempfile
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from smg.text import catalog as catalog_module
from smg.text.catalog import Catalog
from smg.text.errors import BundleError, TokenizerError
from smg.text.model_files import ModelFiles
from smg.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECS = 10


@pytest.fixture
def bundle(model_dir: Path) -> bytes:
    """The files of ``model_dir`` as an engine sends them."""
    return zipped(*sorted(model_dir.iterdir()))


def zipped(*paths: Path) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    return buffer.getvalue()


async def test_same_files_are_one_tokenizer(model_dir: Path, bundle: bytes) -> None:
    """A path and a bundle with the same files share one tokenizer, kept until the last release."""
    catalog = Catalog()
    first = await catalog.acquire_path(model_dir)
    second = await catalog.acquire_bundle(bundle, hashlib.sha256(bundle).hexdigest())
    assert first is second
    catalog.release(first)
    assert len(catalog) == 1
    catalog.release(second)

    assert len(catalog) == 0


async def test_other_files_are_another_tokenizer(model_dir: Path) -> None:
    """A bare tokenizer file lacks what a directory says, so they are not shared."""
    catalog = Catalog()
    whole = await catalog.acquire_path(model_dir)
    bare = await catalog.acquire_path(model_dir / "tokenizer.json")

    assert whole is not bare
    assert len(catalog) == 2


async def test_many_at_once_load_once(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that come together wait for one load."""
    loads = []

    def counted(files: ModelFiles) -> Tokenizer:
        loads.append(files.fingerprint)
        return Tokenizer(files)

    monkeypatch.setattr(catalog_module, "Tokenizer", counted)
    catalog = Catalog()
    acquired = await asyncio.gather(*(catalog.acquire_path(model_dir) for _ in range(8)))

    assert len(loads) == len(set(map(id, acquired))) == 1


async def test_bundle_needs_no_disk(
    model_dir: Path, bundle: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good or bad, a bundle is read where there is no room for a file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    catalog = Catalog()
    await catalog.acquire_bundle(bundle, "")
    with pytest.raises(BundleError):
        await catalog.acquire_bundle(bundle[:-100], "")
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json"):
        await catalog.acquire_bundle(zipped(model_dir / "config.json"), "")


async def test_failed_load_leaves_nothing(tmp_path: Path) -> None:
    """What cannot be loaded is refused with its reason, each time."""
    catalog = Catalog()
    with pytest.raises(TokenizerError, match="does not exist"):
        await catalog.acquire_path(tmp_path / "absent")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(TokenizerError, match="cannot be used"):
            await catalog.acquire_path(tmp_path)

    assert len(catalog) == 0


async def test_caller_that_leaves_does_not_take_the_load_along(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two who wait leaves: the other gets its tokenizer; no trace is left."""
    may_load = threading.Event()

    def held(files: ModelFiles) -> Tokenizer:
        assert may_load.wait(PATIENCE_SECS)
        return Tokenizer(files)

    monkeypatch.setattr(catalog_module, "Tokenizer", held)
    catalog = Catalog()
    files = await asyncio.to_thread(ModelFiles.read, model_dir)
    leaver, stayer = (asyncio.ensure_future(catalog._shared(files)) for _ in range(2))
    await asyncio.sleep(0)  # lets both begin to wait
    assert catalog._entries[files.fingerprint].users == 2
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    may_load.set()
    catalog.release(await stayer)

    assert len(catalog) == 0


async def test_late_load_is_an_error(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load has a deadline; one that fails after it, unheard, disturbs nobody."""
    may_end = threading.Event()

    def late(files: ModelFiles) -> Tokenizer:
        assert may_end.wait(PATIENCE_SECS)
        raise TokenizerError(files.fingerprint)

    monkeypatch.setattr(catalog_module, "Tokenizer", late)
    catalog = Catalog(timeout_secs=0.1)
    with pytest.raises(TokenizerError, match=r"within 0\.1 seconds"):
        await catalog.acquire_path(model_dir)
    may_end.set()

    assert len(catalog) == 0
