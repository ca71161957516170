"""All tokenizers in use, each loaded once however many workers serve its model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.text.bundle import unpack
from smg.text.errors import TokenizerError
from smg.text.model_files import ModelFiles
from smg.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOAD_TIMEOUT_SECS = 300.0


@dataclass(slots=True)
class Entry:
    """One tokenizer, loaded or being loaded, and how many hold it."""

    loading: asyncio.Future[Tokenizer]
    users: int = 0


class Catalog:
    """Shares tokenizers by the fingerprint of their files; the last to release one drops it.

    It holds no more tokenizers than there are holders, and writes nothing to a disk.
    """

    def __init__(self, *, timeout_secs: float = LOAD_TIMEOUT_SECS) -> None:
        """Make an empty catalog; one acquisition may take ``timeout_secs`` in all."""
        self._timeout_secs = timeout_secs
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def acquire_path(self, path: Path) -> Tokenizer:
        """Return the tokenizer of a model's directory or single ``tokenizer.json``, to be released by the caller.

        Raises:
            TokenizerError: The path holds no usable tokenizer, or loading takes too long.
            TemplateError: The model's chat template is no template.
        """
        return await self._acquire(lambda: ModelFiles.read(path))

    async def acquire_bundle(self, data: bytes, sha256: str) -> Tokenizer:
        """Return the tokenizer in a zip archive sent by an engine, to be released by the caller.

        Raises:
            BundleError: The archive is damaged, too large or not what was announced.
            TokenizerError: It holds no usable tokenizer, or loading takes too long.
            TemplateError: The model's chat template is no template.
        """
        return await self._acquire(lambda: ModelFiles.of(unpack(data, sha256)))

    def release(self, tokenizer: Tokenizer) -> None:
        """Give back one acquisition."""
        self._leave(tokenizer.fingerprint)

    async def _acquire(self, read: Callable[[], ModelFiles]) -> Tokenizer:
        try:
            async with asyncio.timeout(self._timeout_secs):
                return await self._shared(await asyncio.to_thread(read))
        except TimeoutError as exc:
            raise TokenizerError(f"tokenizer was not loaded within {self._timeout_secs:g} seconds") from exc

    async def _shared(self, files: ModelFiles) -> Tokenizer:
        entry = self._enter(files)
        try:
            # shielded: one caller that leaves must not take the load from the others
            return await asyncio.shield(entry.loading)
        except BaseException:
            self._leave(files.fingerprint)
            raise

    def _enter(self, files: ModelFiles) -> Entry:
        entry = self._entries.get(files.fingerprint)
        if entry is None:
            loading = asyncio.get_running_loop().run_in_executor(None, Tokenizer, files)
            loading.add_done_callback(_look_at_error)
            entry = self._entries[files.fingerprint] = Entry(loading)
        entry.users += 1
        return entry

    def _leave(self, fingerprint: str) -> None:
        entry = self._entries[fingerprint]
        entry.users -= 1
        if entry.users == 0:
            del self._entries[fingerprint]


def _look_at_error(loading: asyncio.Future[Tokenizer]) -> None:
    """Read the error of a load nobody waits for any more, since asyncio complains of one that nobody read."""
    if not loading.cancelled():
        loading.exception()
