"""Bundles of tokenizer files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from smg.text import bundle
from smg.text.bundle import unpack
from smg.text.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of ``files``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def with_type(name: str, file_type: int) -> zipfile.ZipInfo:
    """An entry that says of itself it is of ``file_type``, as Unix archivers write it."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = file_type << 16
    return entry


def test_files_come_out_as_they_were(tmp_path: Path) -> None:
    """A bundle with the announced checksum is written into the directory."""
    data = zipped(("tokenizer.json", b"{}"), ("a.txt", b"x" * 5000))

    assert unpack(data, hashlib.sha256(data).hexdigest().upper(), tmp_path) == tmp_path
    assert (tmp_path / "a.txt").read_bytes() == b"x" * 5000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "tokenizer.json"]


def test_checksum_is_compared_when_given(tmp_path: Path) -> None:
    """A wrong checksum refuses the bundle; none at all is taken as it is."""
    data = zipped(("a", b"a"))

    with pytest.raises(BundleError, match="sha256"):
        unpack(data, "0" * 64, tmp_path)
    assert unpack(data, "", tmp_path) == tmp_path


@pytest.mark.parametrize("name", ["../a", "/a", "b/a", "b/", "..", "c:a", "b\\a", "./a"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """Only plain names are written, so nothing can leave the directory."""
    with pytest.raises(BundleError, match="plain"):
        unpack(zipped((name, b"a")), "", tmp_path / "into")
    assert list(tmp_path.iterdir()) == []


def test_links_and_rare_compressions_are_refused(tmp_path: Path) -> None:
    """A symbolic link is no file of ours."""
    with pytest.raises(BundleError, match="plain"):
        unpack(zipped((with_type("link", 0o120000), b"/etc/passwd")), "", tmp_path)
    with pytest.raises(BundleError, match="plain"):
        unpack(zipped(("a", b"a"), compression=zipfile.ZIP_LZMA), "", tmp_path)


def test_size_is_counted_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds for all files together, whatever the headers say."""
    monkeypatch.setattr(bundle, "UNPACKED_BYTES_AT_MOST", 1500)
    unpack(zipped(("a", b"0" * 1000), ("b", b"0" * 500)), "", tmp_path)

    with pytest.raises(BundleError, match="1500"):
        unpack(zipped(("c", b"0" * 1000), ("d", b"0" * 501)), "", tmp_path)


def test_too_many_files_or_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the archive's size and the number of its files have a cap."""
    with pytest.raises(BundleError, match="50 files"):
        unpack(zipped(*((f"f{number}", b"") for number in range(51))), "", tmp_path)
    monkeypatch.setattr(bundle, "ZIP_BYTES_AT_MOST", 10)
    with pytest.raises(BundleError, match="larger"):
        unpack(b"x" * 11, "", tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    """Neither noise, nor a flipped byte, nor the same name twice gets through."""
    data = bytearray(zipped(("a", b"hello hello hello"), compression=zipfile.ZIP_STORED))
    data[35] ^= 0xFF
    for broken in (b"", b"noise", bytes(data)):
        with pytest.raises(BundleError, match="readable"):
            unpack(broken, "", tmp_path)
    (tmp_path / "twice").mkdir()
    with pytest.raises(BundleError, match="written"):
        unpack(zipped(("b", b"1"), ("b", b"2")), "", tmp_path / "twice")
