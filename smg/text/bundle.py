"""Tokenizer files that an engine sends as one zip archive, unpacked in memory with every limit checked on the way."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from pathlib import PurePosixPath

from smg.text.errors import BundleError

ZIP_BYTES_AT_MOST = 200 * 1024 * 1024
UNPACKED_BYTES_AT_MOST = 500 * 1024 * 1024
FILES_AT_MOST = 50
CHUNK_BYTES = 1 << 20
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# the file type in the upper half of a zip entry's attributes, as Unix archivers write it
FILE_TYPE_MASK = 0o170000
REGULAR_FILE = 0o100000


def unpack(data: bytes, sha256: str) -> dict[str, bytes]:
    """Return the archive's files by name; blocks.

    Args:
        data: A zip archive of plain files without folders.
        sha256: What the engine says the archive's SHA-256 is, in hexadecimal; empty if it says nothing.

    Raises:
        BundleError: The archive is not what was announced, is damaged or too large, or names a file elsewhere or twice.
    """
    if len(data) > ZIP_BYTES_AT_MOST:
        raise BundleError(f"tokenizer bundle is larger than {ZIP_BYTES_AT_MOST} bytes")
    if sha256 and hashlib.sha256(data).hexdigest() != sha256.lower():
        raise BundleError("tokenizer bundle does not have the announced sha256")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _unpacked(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as exc:
        raise BundleError("tokenizer bundle is not a readable zip archive") from exc


def _unpacked(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > FILES_AT_MOST:
        raise BundleError(f"tokenizer bundle holds more than {FILES_AT_MOST} files")
    files: dict[str, bytes] = {}
    left = UNPACKED_BYTES_AT_MOST
    for entry in entries:
        _check_plain(entry)
        if entry.filename in files:
            raise BundleError("tokenizer bundle holds a file twice")
        files[entry.filename] = content = _content(archive, entry, left)
        left -= len(content)
    return files


def _check_plain(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    plain = name == PurePosixPath(name).name and "\\" not in name and ":" not in name and name not in {"", ".."}
    file_type = (entry.external_attr >> 16) & FILE_TYPE_MASK
    if not plain or file_type not in {0, REGULAR_FILE} or entry.compress_type not in COMPRESSIONS:
        raise BundleError("tokenizer bundle may hold plain or deflated files without folders only")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    """Return one file of at most ``left`` bytes, counted while it is unpacked since headers may lie."""
    content = bytearray()
    with archive.open(entry) as source:
        while chunk := source.read(CHUNK_BYTES):
            content += chunk
            if len(content) > left:
                raise BundleError(f"tokenizer bundle unpacks to more than {UNPACKED_BYTES_AT_MOST} bytes")
    return bytes(content)
