"""Finds the tokenizer of a gRPC worker's model: what the operator named goes before what the engine offers."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from smg.core.errors import UpstreamError
from smg.text.errors import BundleError, TemplateError, TokenizerError
from smg.text.template import ChatTemplate
from smg.workers.tokenizers import TokenizerMissingError

if TYPE_CHECKING:
    from smg.server.settings import ModelSettings
    from smg.text.catalog import Catalog
    from smg.text.tokenizer import Tokenizer
    from smg.workers.grpc_worker import GrpcWorker

UNUSABLE = (TokenizerError, TemplateError, BundleError)


class CatalogSource:
    """Implements ``TokenizerSource`` over one catalog.

    The order: the worker's label ``tokenizer_path``, its model card's, the gateway's settings, the bundle the
    engine sends, the path the engine names if it exists here. A path that was named and cannot be used is an
    error; the last two only have to yield one between them.
    """

    def __init__(self, catalog: Catalog, settings: ModelSettings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._lent: dict[GrpcWorker, Tokenizer] = {}

    async def attach(self, worker: GrpcWorker) -> None:
        """Set ``worker.tokenizer``; the one it had before is given back.

        Raises:
            TokenizerMissingError: There is none now.
            UpstreamError: The engine, asked for its own, failed and named no usable path.
        """
        try:
            found = await self._find(worker)
            await self._hand_over(worker, found)
        except UNUSABLE as error:
            raise TokenizerMissingError(str(error)) from error

    async def detach(self, worker: GrpcWorker) -> None:
        """Give back what the worker was lent, if anything."""
        if (lent := self._lent.pop(worker, None)) is not None:
            self._catalog.release(lent)

    async def _hand_over(self, worker: GrpcWorker, found: Tokenizer) -> None:
        try:
            worker.tokenizer = await self._with_template(worker, found)
        except BaseException:
            self._catalog.release(found)
            raise
        await self.detach(worker)
        self._lent[worker] = found

    async def _find(self, worker: GrpcWorker) -> Tokenizer:
        if path := self._named_path(worker):
            return await self._catalog.acquire_path(Path(path))
        try:
            return await self._catalog.acquire_bundle(*await worker.tokenizer_bundle())
        except (UpstreamError, BundleError, TokenizerError):
            path = worker.facts.tokenizer_path or worker.facts.model_path
            if not path or not await asyncio.to_thread(Path(path).exists):
                raise
            return await self._catalog.acquire_path(Path(path))

    def _named_path(self, worker: GrpcWorker) -> str | None:
        card = worker.models[0] if worker.models else None
        return (
            worker.spec.labels.get("tokenizer_path")
            or (card.tokenizer_path if card else None)
            or self._settings.tokenizer_path
            or self._settings.model_path
        )

    async def _with_template(self, worker: GrpcWorker, tokenizer: Tokenizer) -> Tokenizer:
        """Return a tokenizer with the template the operator put in the place of the model's own."""
        named = next((card.chat_template for card in worker.models if card.chat_template), None)
        path = named or self._settings.chat_template
        if path is None:
            return tokenizer
        source = await _template_text(Path(path))
        other = copy.copy(tokenizer)
        other.template = ChatTemplate(source, tokenizer.special_tokens)
        other.fingerprint = hashlib.sha256(f"{tokenizer.fingerprint} {source}".encode()).hexdigest()
        return other


async def _template_text(path: Path) -> str:
    try:
        return await asyncio.to_thread(path.read_text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"chat template {path} cannot be read") from error
